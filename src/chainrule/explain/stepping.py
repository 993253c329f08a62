"""The update that a trace shows: optimizer, moments and gradient clipping."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.engines import Array
from chainrule.errors import OptionError
from chainrule.optimizers import Adam, Moments, Optimizer

CLIPPING = 1e-6  # as in training/step.py


@dataclass(frozen=True)
class NextStep:
    """Optimizer and state that the next step is taken with.

    rate     of this step; None: the optimizer's own
    step     its number, from 1
    moments  the optimizer's before the step, flat like the parameters; None: zeros, as before the first
    seed     of dropout
    """

    optimizer: Optimizer = field(default_factory=Adam)
    rate: float | None = None
    step: int = 1
    moments: Moments | None = None
    clip_norm: float | None = None
    seed: int = 0

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
    rate: float
    norm: float
    scale: float
    moments: Moments
    after: Array

    @property
    def attributes(self) -> Mapping[str, Any]:
        """All attributes of the update operation."""
        return {"rate": self.rate, **self.training.optimizer.step_attributes(self.training.step)}


def update(parameters: Array, gradient: Array, training: NextStep) -> Update:
    """Return the step that training would take, in float64. Nothing is modified."""
    norm = float(np.sqrt(np.dot(gradient, gradient)))
    clip = training.clip_norm
    scale = clip / (norm + CLIPPING) if clip is not None and norm > clip else 1.0
    rate = training.optimizer.rate if training.rate is None else float(training.rate)
    moments = training.initial_moments(parameters)
    after, _ = training.optimizer.update(parameters, gradient * scale, moments, step=training.step, rate=rate)
    return Update(training, rate, norm, scale, moments, after)
