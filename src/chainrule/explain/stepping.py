"""The update that a trace shows: optimizer, moments and gradient clipping."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.shapes import is_number, is_whole
from chainrule.engines import fallback
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError, quoted
from chainrule.training.lr_multipliers import LRMultipliers, RateGroup
from chainrule.training.optimizers import Adam, Moments, Optimizer

CLIPPING = 1e-6  # as in training/step.py


@dataclass(frozen=True)
class NextStep:
    """Optimizer and state that the next step is taken with.

    learning_rate   of this step; None: the optimizer's own
    step     its number, from 1
    moments  the optimizer's before the step, flat like the parameters; None: zeros, as before the first
    seed     of dropout
    lr_multipliers  factors of the learning rate for single parameters

    Errors   OptionError for a value out of range
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
        if not (self.learning_rate is None or (is_number(self.learning_rate) and 0 <= self.learning_rate < math.inf)):
            raise OptionError(f"learning_rate {quoted(self.learning_rate)}: expected a number of at least 0")
        if not (self.clip_norm is None or (is_number(self.clip_norm) and 0 < self.clip_norm < math.inf)):
            raise OptionError(f"clip norm {quoted(self.clip_norm)}: expected a number above 0")
        if not (self.moments is None or isinstance(self.moments, Sequence)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise OptionError(f"moments {quoted(self.moments)}: expected a tuple of arrays, one for each moment")

    def initial_moments(self, parameters: Array) -> Moments:
        """Return the moments in float64."""
        initial, size = self.optimizer.init(parameters), parameters.size
        expected = len(initial)
        if self.moments is None:
            return initial
        sizes = [np.size(moment) for moment in self.moments]
        if sizes != [size] * expected:
            raise OptionError(f"moments of {sizes} numbers; {self.optimizer.name} keeps {expected}, each of {size}")
        return tuple(np.asarray(moment, np.float64) for moment in self.moments)


@dataclass(frozen=True)
class Update:
    """The update of all parameters: moments before, parameters after, and gradient clipping.

    norm   of the whole gradient
    scale  what it is multiplied by: 1, or less where it is clipped
    """

    training: NextStep
    learning_rate: float
    norm: float
    scale: float
    moments: Moments
    after: Array
    factors: Mapping[str, float]

    def attributes(self, parameter: str) -> Mapping[str, Any]:
        """Return all attributes of the update operation of a parameter."""
        given = {"rate": self.learning_rate, **self.training.optimizer.step_attributes(self.training.step)}
        return RateGroup(0, 0, self.factors[parameter]).attributes(given)


def update(parameters: Array, gradient: Array, training: NextStep, layout: Mapping[str, tuple[int, int]]) -> Update:
    """Return the step that training would take, in float64. Nothing is modified.

    layout   range of each parameter in the flat arrays, by name and in order
    """
    groups = training.lr_multipliers.groups(layout)
    frozen = [slice(group.first, group.last) for group in groups if not group.factor]
    learnt = gradient.copy()
    for part in frozen:
        learnt[part] = 0
    norm = float(np.sqrt(np.dot(learnt, learnt)))
    clip = training.clip_norm
    scale = clip / (norm + CLIPPING) if clip is not None and norm > clip else 1.0
    rate = training.optimizer.learning_rate if training.learning_rate is None else float(training.learning_rate)
    moments = training.initial_moments(parameters)
    factors = {name: _factor(groups, first) for name, (first, _) in layout.items()}
    found = Update(training, rate, norm, scale, moments, parameters.copy(), factors)
    if not groups:
        optimizer, step = training.optimizer, training.step
        found.after[:], _ = optimizer.update(parameters, gradient * scale, moments, step=step, learning_rate=rate)
    for name, (first, last) in layout.items() if groups else ():
        if factors[name]:
            arrays = [array[first:last] for array in (parameters, gradient * scale, *moments)]
            name_of_update = training.optimizer.operation
            found.after[first:last] = fallback.numpy_engine().run(
                name_of_update, tuple(arrays), found.attributes(name)
            )[0]
    return found


def _factor(groups: Sequence[RateGroup], index: int) -> float:
    """Return the factor of the rate of the parameter at an index of the flat buffer."""
    return next((group.factor for group in groups if group.first <= index < group.last), 1.0)
