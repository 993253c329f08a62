"""Scales of activations for images: from the range of the values, or from a part of it that is rounded more finely.

Few large values make the step of a scale large. A scale that clips them can have a smaller error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainrule.core.arrays import Array, Floats
from chainrule.core.plan import Plan
from chainrule.engines import loader
from chainrule.engines.interpreter import Interpreter
from chainrule.interop.c.fusing import count_readers
from chainrule.interop.c.scales import Int8Scale, Scales

if TYPE_CHECKING:
    from chainrule.models.model import Model

RANGE, PERCENTILE, ERROR = "range", "percentile", "error"
METHODS = (RANGE, PERCENTILE, ERROR)
BATCH = 64  # images per batch when activations are measured
DRAWN = 4096  # values of an activation that are drawn from each batch
CLIPPED = 0.02  # percentage of values that the method "percentile" clips at each end
SHARES = np.linspace(1, 0.3, 29)  # of the range; the method "error" selects the one with the smallest squared error


@dataclass(frozen=True)
class Calibration:
    """The activations of a model for images, by storage.

    ranges   smallest and largest value
    samples  values that are drawn at random
    """

    plan: Plan
    ranges: dict[str, tuple[float, float]]
    samples: dict[str, list[Floats]]

    @staticmethod
    def of(model: Model, x: Array) -> Calibration:
        """Return the activations for normalized images."""
        calibration = Calibration(model.plan(), {}, {})
        draw = np.random.default_rng(0)
        for batch in activations(model, x):
            for storage, values in batch.items():
                low, high = calibration.ranges.get(storage, (math.inf, -math.inf))
                calibration.ranges[storage] = min(low, float(values.min())), max(high, float(values.max()))
                flat = values.reshape(-1)
                drawn = flat[draw.integers(0, flat.size, DRAWN)] if flat.size > DRAWN else flat.copy()
                calibration.samples.setdefault(storage, []).append(drawn)
        return calibration

    def scales(self, method: str) -> Scales:
        """Return the scale of each activation by one of `METHODS`. The input and the outputs keep their range.

        A value that only a concatenation reads has the scale of its result, so that it is rounded once. A ReLU keeps
        its own, which begins at 0, because a convolution before it clips its result to the range of the scale.
        """
        scales = Scales()
        forward = self.plan.forward
        for storage, (low, high) in self.ranges.items():
            is_port = storage in (self.plan.input.storage, self.plan.output.storage)
            if method == PERCENTILE and not is_port:
                low, high = np.percentile(np.concatenate(self.samples[storage]), (CLIPPED, 100 - CLIPPED))
            scales[storage] = Int8Scale.of(float(low), float(high))
            if method == ERROR and not is_port:
                scales[storage] = _least_error(np.concatenate(self.samples[storage]), low, high)
        readers = count_readers(forward, self.plan)
        own = {operation.result.storage for operation in forward if operation.name == "relu"}
        for operation in reversed(forward):
            for part in operation.reads if operation.name == "concatenate" else ():
                if part and readers[part.storage] == 1 and part.storage not in own:
                    scales[part.storage] = scales[operation.result.storage]
        return scales


def _least_error(values: Floats, low: float, high: float) -> Int8Scale:
    """Return the scale with the smallest squared error of values, for a part of the range."""
    best = Int8Scale.of(low, high)
    least = math.inf
    for share in SHARES:
        scale = Int8Scale.of(share * low, share * high)
        error = float(np.square(scale.values(scale.numbers(values)) - values).sum())
        if error < least:
            best = scale
            least = error
    return best


def activations(model: Model, x: Array) -> Iterator[dict[str, Array]]:
    """Yield the activations of a model for batches of normalized images, by storage."""
    interpreter = Interpreter(loader.find("numpy"), model.plan(), model.layout, model)
    for start in range(0, len(x), BATCH):
        interpreter.forward(x[start : start + BATCH])
        yield dict(interpreter.values)


def relative_error(actual: Array, expected: Array) -> float:
    """Return the norm of the difference, relative to that of the expected values; 0 if they are equal."""
    difference = float(np.linalg.norm(actual.astype(np.float64).reshape(-1) - expected.reshape(-1)))
    size = float(np.linalg.norm(expected.astype(np.float64)))
    return difference / size if size else difference
