"""Explanations of element-wise operations, and the evaluation of formulas of one entry (`chainrule.operations`).

Formulas are written in letters and with numbers. The page has the same: page/explain/formulas.js.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from chainrule.explain.cells import CellContext
from chainrule.explain.notation import bracketed, format_number, letters
from chainrule.explain.record import CalculationStep, Curve, Derivation, Factor, Term
from chainrule.operations import definitions
from chainrule.operations.normal import normal_distribution
from chainrule.operations.reference import activations as reference

Formula = Mapping[str, Any]
Values = dict[str, float]


def _power(base: Any, power: Any) -> Any:
    """Return a power; one of e is the exponential."""
    return np.exp(power) if base == np.e else np.power(base, power)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "−": np.subtract,
    "·": np.multiply,
    "/": np.divide,
    "≤": np.less_equal,
    "≥": np.greater_equal,
    "<": np.less,
    ">": np.greater,
    "√": np.sqrt,
    "tanh": np.tanh,
    "arctan": np.arctan,
    "log": np.log,
    "log1p": np.log1p,
    "max": lambda *values: np.maximum.reduce(values),
    "min": lambda *values: np.minimum.reduce(values),
    "Φ": normal_distribution,
    "and": lambda *values: all(values),
    "^": _power,
}


def evaluate(tree: Any, values: Mapping[str, float]) -> float:
    """Return the value of a parsed expression, or whether a parsed condition holds."""
    if isinstance(tree, list):
        operator, *operands = cast("list[Any]", tree)
        with np.errstate(all="ignore"):  # infinities and NaN are shown as they are
            return FUNCTIONS[operator](*(np.float64(evaluate(operand, values)) for operand in operands))
    return values[tree] if isinstance(tree, str) else tree


def chosen(formula: Formula, values: Mapping[str, float]) -> Mapping[str, Any]:
    """Return the expression of the case that holds."""
    for case in formula["cases"]:
        if "when" not in case or evaluate(case["when"]["tree"], values):
            return case["value"]
    raise ValueError(f"no case of {formula['name']} holds")


def result(formula: Formula, values: Mapping[str, float]) -> float:
    """Return the value of a formula."""
    return float(evaluate(chosen(formula, values)["tree"], values))


def in_letters(formula: Formula, names: Mapping[str, str]) -> str:
    """Return the right-hand side with all its cases; ``names``: what is written for a letter, where it differs."""
    cases: list[str] = []
    for place, case in enumerate(formula["cases"]):
        text = _joined(case["value"], lambda letter: names.get(letter, letter))
        when = "when" in case and _joined(case["when"], lambda letter: names.get(letter, letter))
        cases.append(f"{text} if {when}" if when else f"else {text}" if place else text)
    return ", ".join(cases)


def in_numbers(formula: Formula, values: Mapping[str, float], names: Mapping[str, str] | None = None) -> str:
    """Return the right-hand side of the case that holds, with numbers for its letters but for those in ``names``."""
    expression = chosen(formula, values)
    if names is None and expression["parts"][::2] == ["", ""]:
        return format_number(values[expression["parts"][1]])
    return _joined(expression, lambda letter: (names or {}).get(letter) or bracketed(values[letter]))


def chain(
    formulas: Iterable[Formula], values: Values, facts: Mapping[str, Any], names: dict[str, str]
) -> list[CalculationStep]:
    """Return the steps that hold, one after the other; their values are added to ``known``, aliases to ``names``."""
    steps: list[CalculationStep] = []
    for formula in (candidate for candidate in formulas if definitions.holds(candidate, facts)):
        aliases: Mapping[str, str] = formula.get("alias", {})
        for letter, other in aliases.items():
            values[letter], names[letter] = values[other], names.get(other, other)
        if "cases" in formula:
            name: str = formula["name"]
            value = result(formula, values)
            steps.append(
                CalculationStep(names.get(name, name), in_letters(formula, names), in_numbers(formula, values), value)
            )
            values[name] = value
    return steps


def _joined(expression: Mapping[str, Any], write: Callable[[str], str]) -> str:
    """Return an expression as text; a number that is raised to a power needs parentheses if it has an exponent."""
    parts: list[str] = expression["parts"]
    texts = list(parts)
    for place in range(1, len(parts), 2):
        text = write(parts[place])
        raised = parts[place + 1].startswith("^{") and text[:1].isdigit() and "e" in text
        texts[place] = f"({text})" if raised else text
    return "".join(texts)


def elementwise_value(ctx: CellContext) -> Derivation:
    """Explain y = f(x), entry by entry."""
    name, (n, *own) = ctx.operation.name, ctx.index
    entry = definitions.entries()[name]
    x = ctx.factor(0, ctx.index)
    attributes = ctx.operation.attributes
    values = {**attributes, "x": x.value}
    steps = chain(entry["value"], values, {}, {})
    last = entry["value"][-1]
    y, read = ctx.result, ctx.symbol_of(0)
    names = letters(len(own))
    symbols = f"{ctx.bracket(y, *names)} = {in_letters(last, {'x': ctx.bracket(read, *names)})}"
    own_names = {step.name: step.name for step in steps} | {"x": ctx.bracket(read, *own, sample=n)}
    here = f"{ctx.bracket(y, *own, sample=n)} = {in_numbers(last, values, own_names)}"
    facts = {fact: bool(evaluate(when["tree"], values)) for fact, when in entry.get("facts", {}).items()}
    words = ctx.sentences(
        x=format_number(x.value), **facts, **{letter: format_number(number) for letter, number in attributes.items()}
    )
    steps[-1] = replace(steps[-1], value=ctx.value)
    return Derivation(
        words, symbols, here, curve=_curve(ctx, name, x.value), steps=tuple(steps), sources=(x.cell or "",)
    )


def elementwise_gradient(ctx: CellContext) -> Derivation:
    """Explain dx = dy · f′(x), entry by entry."""
    name, (n, *own) = ctx.operation.name.removesuffix("_dx"), ctx.index
    entry = definitions.entries()[name]
    dy, kept = ctx.factor(0, ctx.index), ctx.factor(1, ctx.index)
    slope = _slope(ctx, name, kept.value)
    steps = chain(entry["slope"], {**ctx.operation.attributes, entry["keeps"]: kept.value}, {}, {})
    steps[-1] = replace(steps[-1], value=slope)
    dx, read = ctx.result, ctx.symbol_of(0)
    steps.append(CalculationStep(dx, f"{read} · f′(x)", f"{bracketed(dy.value)} · {bracketed(slope)}", ctx.value))
    symbols, here = (
        f"{ctx.bracket(dx, *index, sample=sample)} = {ctx.bracket(read, *index, sample=sample)} · "
        f"f′({ctx.bracket('x', *index, sample=sample)})"
        for index, sample in ((letters(len(own)), "n"), (own, n))
    )
    x = _before(ctx)
    words = ctx.sentences(
        "activation_dx",
        called=entry.get("called", name),
        x=format_number(x),
        slope=format_number(slope),
        passes=slope == 1,
        stops=slope == 0,
    )
    terms = (Term.of(dy, Factor("f′(x)", None, slope)),)
    return Derivation(
        words, symbols, here, terms, curve=_curve(ctx, name, x), steps=tuple(steps), sources=(kept.cell or "",)
    )


def _slope(ctx: CellContext, name: str, kept: float) -> float:
    """Return f′ by the reference's own gradient, for a dy of 1."""
    return float(getattr(reference, f"{name}_dx")(np.ones(1), np.array([kept]), **ctx.operation.attributes)[0])


def _curve(ctx: CellContext, name: str, x: float) -> Curve:
    y = float(getattr(reference, name)(np.array([x]), **ctx.operation.attributes)[0])
    return Curve(name, x, y, _slope(ctx, name, y if definitions.entries()[name]["keeps"] == "y" else x))


def _before(ctx: CellContext) -> float:
    """Return x of an activation whose gradient reads y: what the layer read."""
    source = ctx.catalogue.inputs[ctx.layer]
    return float(ctx.arrays[source].reshape(ctx.samples, -1)[ctx.sample].reshape(ctx.shape)[ctx.own_index])
