"""The optimizer update of a traced step, computed in float64, and its explanation.

The formulas are in operations/updates.toml. Loops: reference/updates.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.plan import gradient_name
from chainrule.core.shapes import is_whole
from chainrule.core.words import CheckedOptions
from chainrule.engines import fallback
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError, quoted
from chainrule.explain.cells import UPDATE, Cell, Index, cell_name
from chainrule.explain.formulas import Values, chain, in_letters
from chainrule.explain.notation import DIGITS, at, format_number, letters
from chainrule.explain.record import Derivation
from chainrule.operations import definitions
from chainrule.training.components import clip_factor
from chainrule.training.lr_multipliers import LRMultipliers, RateGroup
from chainrule.training.optimizers import Adam, Moments, Optimizer
from chainrule.training.options import check_option


@dataclass(frozen=True)
class NextStep(metaclass=CheckedOptions):
    """The optimizer and its state for the next step.

    learning_rate    the learning rate of this step; None: use the optimizer's
    step             the number of the step, from 1
    moments          the optimizer's moments before the step, flat like the parameters; None: initial moments
    clip_norm        the maximum gradient norm; None: no clipping
    seed             the seed for dropout
    lr_multipliers   learning-rate multipliers of individual parameters

    Errors   OptionError if a value is out of range
    """

    optimizer: Optimizer = field(default_factory=Adam)
    learning_rate: float | None = None
    step: int = 1
    moments: Moments | None = None
    clip_norm: float | None = None
    seed: int = 0
    lr_multipliers: LRMultipliers = field(default_factory=LRMultipliers)

    def __post_init__(self) -> None:
        if not is_whole(self.step, 1):
            raise OptionError(f"step {quoted(self.step)}: expected a whole number of at least 1")
        if self.learning_rate is not None and self.learning_rate < 0:
            raise OptionError(f"learning_rate {quoted(self.learning_rate)}: expected a number of at least 0")
        check_option("clip_norm", self.clip_norm)
        if not (self.moments is None or isinstance(self.moments, Sequence)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise OptionError(f"moments {quoted(self.moments)}: expected a tuple of arrays, one per moment")

    def initial_moments(self, parameters: Array) -> Moments:
        """Return the moments before the step, in float64."""
        initial, size = self.optimizer.init(parameters), parameters.size
        expected = len(initial)
        if self.moments is None:
            return initial
        try:
            arrays = tuple(np.asarray(moment, np.float64) for moment in self.moments)
        except (OverflowError, TypeError, ValueError):
            raise OptionError(f"moments {quoted(self.moments)}: expected arrays of numbers") from None
        sizes = [array.size for array in arrays]
        if sizes != [size] * expected:
            raise OptionError(f"moments of sizes {sizes}: {self.optimizer.name} needs {expected}, each of size {size}")
        return arrays


@dataclass(frozen=True)
class Update:
    """The update of all parameters.

    norm      the norm of the whole gradient
    scale     the factor applied to the gradient: 1, or less if the gradient is clipped
    moments   the moments before the step
    after     the parameters after the step
    factors   the learning-rate multiplier of each parameter
    """

    training: NextStep
    learning_rate: float
    norm: float
    scale: float
    moments: Moments
    after: Array
    factors: Mapping[str, float]

    def attributes(self, parameter: str) -> Mapping[str, Any]:
        """Return the attributes of the operation that updates a parameter."""
        attributes = {"rate": self.learning_rate, **self.training.optimizer.step_attributes(self.training.step)}
        return RateGroup(0, 0, self.factors[parameter]).attributes(attributes)


def update(parameters: Array, gradient: Array, training: NextStep, layout: Mapping[str, tuple[int, int]]) -> Update:
    """Compute in float64 the step that training would take, without modifying anything.

    Without learning-rate multipliers, the optimizer updates all parameters at once; it may be a custom one. With them,
    each parameter is updated with its own rate by the operation of a built-in optimizer. Frozen ones do not change.

    layout   name → range in the flat arrays, for each parameter in order
    """
    groups = training.lr_multipliers.groups(layout)
    norm = float(np.sqrt(np.dot(gradient, gradient)))
    scale = clip_factor(norm, training.clip_norm)
    rate = training.optimizer.learning_rate if training.learning_rate is None else float(training.learning_rate)
    moments = training.initial_moments(parameters)
    factors = {name: _factor(groups, first) for name, (first, _) in layout.items()}
    step_update = Update(training, rate, norm, scale, moments, parameters.copy(), factors)
    if not groups:
        optimizer, step = training.optimizer, training.step
        step_update.after[:], _ = optimizer.update(parameters, gradient * scale, moments, step=step, learning_rate=rate)
    for name, (first, last) in layout.items() if groups else ():
        if factors[name]:
            arrays = [array[first:last] for array in (parameters, gradient * scale, *moments)]
            name_of_update = training.optimizer.operation
            step_update.after[first:last] = fallback.numpy_engine().run(
                name_of_update, tuple(arrays), step_update.attributes(name)
            )[0]
    return step_update


def _factor(groups: Sequence[RateGroup], index: int) -> float:
    """Return the learning-rate multiplier that applies at an index of the flat buffer."""
    return next((group.factor for group in groups if group.first <= index < group.last), 1.0)


def explain(arrays: Mapping[str, Array], update: Update, cell: Cell, digits: int = DIGITS) -> Derivation:
    """Explain one element of an updated parameter.

    The steps are those of clipping, those shared by all optimizers, and those of this optimizer's rule. In formulas, p
    is the parameter, p′ the updated one and dp the gradient; they are shown under the name of the parameter: w, w′, dw.
    """
    parameter = cell.tensor.removesuffix(UPDATE)
    moments = update.training.optimizer.moments
    cells = {"p": parameter, "dp": gradient_name(parameter), **{name: f"{parameter}.{name}" for name in moments}}
    values = {name: float(arrays[tensor][cell.index]) for name, tensor in cells.items()}
    updated = float(arrays[cell.tensor][cell.index])
    clipping, shared, rule_entry = (
        definitions.entries()[name] for name in ("clip_factor", "update", update.training.optimizer.operation)
    )
    attributes = update.attributes(parameter)
    facts = _facts(update, attributes, values, updated, digits)
    letter = parameter.rpartition(".")[2]
    names = {"p": letter, "p′": f"{letter}′", "dp": f"d{letter}"}
    words = definitions.fill([*shared["words"], *clipping["words"], *rule_entry["words"]], facts)
    values = {**_constants(update, attributes, shared["letters"]), **values, "Δ": values["p"] - updated}
    formulas = [*clipping["steps"], *shared["steps"], *rule_entry["steps"]]
    steps = chain(formulas, values, facts, names, digits=digits, result_of_last=updated, others=(values["p"],))
    (rule,) = (formula for formula in rule_entry["rule"] if definitions.holds(formula, facts))
    symbols, numeric = (_equation(rule, letter, names, index) for index in (letters(len(cell.index)), cell.index))
    sources = tuple(cell_name(name, cell.index) for name in cells.values())
    return Derivation(words, symbols, numeric, steps=tuple(steps), sources=sources)


def _constants(update: Update, values_by_name: Mapping[str, Any], letters: Mapping[str, str]) -> Values:
    """Return the step's constants by letter."""
    values = {letter: float(values_by_name[name]) for letter, name in letters.items() if name in values_by_name}
    return {**values, "limit": update.training.clip_norm or 0.0, "‖g‖": update.norm}


def _equation(rule: Mapping[str, Any], letter: str, names: Mapping[str, str], index: Index | tuple[str, ...]) -> str:
    """Return the update rule with indices, either letters or the element's numbers."""
    right = in_letters(rule, {**names, "p": at(letter, *index)})
    return f"{at(f'{letter}′', *index)} = {right}"


def _facts(update: Update, attributes: Mapping[str, Any], values: Values, after: float, digits: int) -> dict[str, Any]:
    """Return the facts that sentences and steps use."""
    change, gradient = after - values["p"], values["dp"]
    return {
        **{name: bool(number) for name, number in attributes.items()},
        "decay": bool(attributes.get("decay")),
        "clipped": update.scale != 1,
        "limit": format_number(update.training.clip_norm or 0, digits),
        "remembers": bool(update.training.optimizer.moments),
        "still": change == 0,
        "falls": change < 0,
        "by": format_number(abs(change), digits),
        "flat": gradient == 0,
        "uphill": gradient > 0,
        "follows": gradient != 0 and (gradient > 0) == (change < 0),
        "gradient": format_number(gradient, digits),
    }
