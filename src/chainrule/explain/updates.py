"""The optimizer update of a traced step, computed in float64, and its explanation.

The formulas are in operations/updates.toml. Loops: reference/updates.py.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.options import checked_options
from chainrule.core.plan import gradient_name
from chainrule.core.shapes import is_whole
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError, quoted
from chainrule.explain.cells import UPDATE, Cell, Index, cell_name
from chainrule.explain.formulas import Values, applicable, chain, in_letters
from chainrule.explain.notation import DIGITS, at, format_number, letters
from chainrule.explain.record import Details
from chainrule.operations import definitions
from chainrule.operations.grammar import Formula
from chainrule.training.components import clip_factor
from chainrule.training.freezing import frozen_names
from chainrule.training.optimizers import Adam, Moments, Optimizer
from chainrule.training.options import check_option


@checked_options
@dataclass(frozen=True)
class NextStep:
    """The optimizer and its state for the next step.

    learning_rate    the learning rate of this step; None: use the optimizer's
    step             the number of the step, from 1
    moments          the optimizer's moments before the step, flat like the parameters; None: initial moments
    clip_norm        the maximum gradient norm; None: no clipping
    seed             the seed for dropout
    freeze           names or patterns of frozen parameters

    Errors   OptionError if a value is out of range
    """

    optimizer: Optimizer = field(default_factory=Adam)
    learning_rate: float | None = None
    step: int = 1
    moments: Moments | None = None
    clip_norm: float | None = None
    seed: int = 0
    freeze: tuple[str, ...] = ()

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
        initial = self.optimizer.init(parameters)
        if self.moments is None:
            return initial
        arrays = list[Array]()
        sizes = list[int]()
        try:
            for moment in self.moments:
                array = np.asarray(moment, np.float64)
                arrays.append(array)
                sizes.append(array.size)
        except (OverflowError, TypeError, ValueError):
            raise OptionError(f"moments {quoted(self.moments)}: expected arrays of numbers") from None
        if sizes != [parameters.size] * len(initial):
            needs = f"{self.optimizer.name} needs {len(initial)}, each of size {parameters.size}"
            raise OptionError(f"moments of sizes {sizes}: {needs}")
        return tuple(arrays)


@dataclass(frozen=True)
class Update:
    """The update of all parameters.

    norm      the norm of the whole gradient
    scale     the factor applied to the gradient: 1, or less if the gradient is clipped
    moments   the moments before the step
    after     the parameters after the step
    frozen    names of the frozen parameters
    """

    training: NextStep
    learning_rate: float
    norm: float
    scale: float
    moments: Moments
    after: Array
    frozen: frozenset[str]

    def attributes(self, parameter: str) -> Mapping[str, Any]:
        """Return the attributes of the operation that updates a parameter."""
        attributes = {"rate": self.learning_rate, **self.training.optimizer.step_attributes(self.training.step)}
        if parameter in self.frozen:
            attributes["rate"] = 0.0
            if "decay" in attributes:
                attributes["decay"] = 0.0
        return attributes


def update(parameters: Array, gradient: Array, training: NextStep, layout: Mapping[str, tuple[int, int]]) -> Update:
    """Compute in float64 the step that training would take, without modifying anything.

    Frozen parameters do not change, and their gradient does not count in the norm.

    layout   name → range in the flat arrays, for each parameter in order
    """
    frozen = frozen_names(training.freeze, layout)
    trained = [slice(*rows) for name, rows in layout.items() if name not in frozen]
    square_sum = 0.0
    for rows in trained:
        square_sum += float(np.square(gradient[rows]).sum())
    norm = math.sqrt(square_sum)
    scale = clip_factor(norm, training.clip_norm)
    optimizer = training.optimizer
    rate = optimizer.learning_rate if training.learning_rate is None else float(training.learning_rate)
    moments = training.initial_moments(parameters)
    after = parameters.copy()
    scaled = gradient * scale
    updated, _ = optimizer.update(parameters, scaled, moments, step=training.step, learning_rate=rate)
    for rows in trained:
        after[rows] = updated[rows]
    return Update(training, rate, norm, scale, moments, after, frozen)


def explain(arrays: Mapping[str, Array], update: Update, cell: Cell, digits: int = DIGITS) -> Details:
    """Explain one element of an updated parameter.

    The steps are those of clipping, those shared by all optimizers, and those of this optimizer's rule. In formulas, p
    is the parameter, p′ the updated one and dp the gradient; they are shown under the name of the parameter: w, w′, dw.
    """
    parameter = cell.tensor.removesuffix(UPDATE)
    tensors = {"p": parameter, "dp": gradient_name(parameter)}
    for moment in update.training.optimizer.moments:
        tensors[moment] = f"{parameter}.{moment}"
    attributes = update.attributes(parameter)
    entries = definitions.entries()
    clipping = entries["clip_factor"]
    shared = entries["update"]
    rule_entry = entries[update.training.optimizer.operation]
    values = _constants(update, attributes, shared["letters"])
    sources = list[str]()
    for name, tensor in tensors.items():
        values[name] = float(arrays[tensor][cell.index])
        sources.append(cell_name(tensor, cell.index))
    updated = float(arrays[cell.tensor][cell.index])
    values["Δ"] = values["p"] - updated
    facts = _facts(update, attributes, values, updated, digits)
    words = definitions.fill([*shared["words"], *clipping["words"], *rule_entry["words"]], facts)
    letter = parameter.rpartition(".")[2]
    names = {"p": letter, "p′": f"{letter}′", "dp": f"d{letter}"}
    formulas = [*clipping["steps"], *shared["steps"], *rule_entry["steps"]]
    steps = chain(formulas, values, facts, names, digits=digits, result_of_last=updated, others=(values["p"],))
    (rule,) = applicable(rule_entry["rule"], facts)
    symbols = _equation(rule, letter, names, letters(len(cell.index)))
    numeric = _equation(rule, letter, names, cell.index)
    return Details(words, symbols, numeric, steps=tuple(steps), sources=tuple(sources))


def _constants(update: Update, values_by_name: Mapping[str, Any], letters: Mapping[str, str]) -> Values:
    """Return the step's constants by letter."""
    values = Values()
    for letter, name in letters.items():
        if name in values_by_name:
            values[letter] = float(values_by_name[name])
    values["limit"] = update.training.clip_norm or 0.0
    values["‖g‖"] = update.norm
    return values


def _equation(rule: Formula, letter: str, names: Mapping[str, str], index: Index | tuple[str, ...]) -> str:
    """Return the update rule with indices, either letters or the element's numbers."""
    right = in_letters(rule, {**names, "p": at(letter, *index)})
    return f"{at(f'{letter}′', *index)} = {right}"


def _facts(update: Update, attributes: Mapping[str, Any], values: Values, after: float, digits: int) -> dict[str, Any]:
    """Return the facts that sentences and steps use."""
    change = after - values["p"]
    gradient = values["dp"]
    is_opposite = (gradient > 0) == (change < 0)
    facts: dict[str, Any] = {name: bool(number) for name, number in attributes.items()}
    facts |= {
        "decay": bool(attributes.get("decay")),
        "clipped": update.scale != 1,
        "limit": format_number(update.training.clip_norm or 0, digits),
        "remembers": bool(update.training.optimizer.moments),
        "still": change == 0,
        "falls": change < 0,
        "by": format_number(abs(change), digits),
        "flat": gradient == 0,
        "uphill": gradient > 0,
        "follows": gradient != 0 and is_opposite,
        "gradient": format_number(gradient, digits),
    }
    return facts
