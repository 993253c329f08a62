"""Explanations of the optimizers' updates, from formulas in `chainrule.operations`. Loops: reference/updates.py."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chainrule.core.plan import gradient_name
from chainrule.engines.protocol import Array
from chainrule.explain.cells import UPDATE, Cell, Index, cell_name
from chainrule.explain.formulas import Values, chain, in_letters
from chainrule.explain.notation import at, letters
from chainrule.explain.numbers import format_number
from chainrule.explain.record import Derivation
from chainrule.explain.stepping import Update
from chainrule.operations import definitions


def explain(arrays: Mapping[str, Array], update: Update, cell: Cell) -> Derivation:
    """Explain one entry of a parameter after the step."""
    parameter = cell.tensor.removesuffix(UPDATE)
    moments = update.training.optimizer.moments
    cells = {"p": parameter, "dp": gradient_name(parameter), **{name: f"{parameter}.{name}" for name in moments}}
    known = {name: float(arrays[tensor][cell.index]) for name, tensor in cells.items()}
    after = float(arrays[cell.tensor][cell.index])
    shared, entry = (definitions.entries()[name] for name in ("update", update.training.optimizer.operation))
    attributes = update.attributes(parameter)
    facts = _facts(update, attributes, known, after)
    letter = parameter.rpartition(".")[2]
    names = {"p": letter, "p′": f"{letter}′", "dp": f"d{letter}"}
    words = definitions.fill([*shared["words"], *entry["words"]], facts)
    known = {**_constants(update, attributes, shared["letters"]), **known, "Δ": known["p"] - after}
    steps = chain([*shared["steps"], *entry["steps"]], known, facts, names)
    steps[-1] = replace(steps[-1], value=after)
    (rule,) = (formula for formula in entry["rule"] if definitions.holds(formula, facts))
    symbols, here = (_equation(rule, letter, names, index) for index in (letters(len(cell.index)), cell.index))
    sources = tuple(cell_name(name, cell.index) for name in cells.values())
    return Derivation(words, symbols, here, steps=tuple(steps), sources=sources)


def _constants(update: Update, given: Mapping[str, Any], attributes: Mapping[str, str]) -> Values:
    """Return the constants of the step by their letters."""
    known = {letter: float(given[name]) for letter, name in attributes.items() if name in given}
    return {**known, "clip": update.training.clip_norm or 0.0, "‖g‖": update.norm}


def _equation(rule: Mapping[str, Any], letter: str, names: Mapping[str, str], index: Index | tuple[str, ...]) -> str:
    """Return the update of the whole parameter, or of this entry."""
    right = in_letters(rule, {**names, "p": at(letter, *index)})
    return f"{at(f'{letter}′', *index)} = {right}"


def _facts(update: Update, attributes: Mapping[str, Any], known: Values, after: float) -> dict[str, Any]:
    """Return what sentences and steps depend on."""
    change, gradient = after - known["p"], known["dp"]
    return {
        **{name: bool(number) for name, number in attributes.items()},
        "decay": bool(attributes.get("decay")),
        "clipped": update.scale != 1,
        "remembers": bool(update.training.optimizer.moments),
        "still": change == 0,
        "falls": change < 0,
        "by": format_number(abs(change)),
        "flat": gradient == 0,
        "uphill": gradient > 0,
        "follows": gradient != 0 and (gradient > 0) == (change < 0),
        "gradient": format_number(gradient),
    }
