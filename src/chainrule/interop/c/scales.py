"""Scales of int8 numbers, measured on images: real = step · (q − zero)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import loader
from chainrule.engines.interpreter import Interpreter

if TYPE_CHECKING:
    from chainrule.models.model import Model

LOWEST, HIGHEST = -128, 127
BATCH = 64
MULTIPLIER_BITS, SUM_BITS = 30, 20
LARGEST_SUM = 2**30  # of products, and of a bias: int32 holds both together


@dataclass(frozen=True)
class IntegerScale:
    """Real numbers that stand for int8: step · (q − zero); 0 is one of them."""

    step: float
    zero: int

    @staticmethod
    def of(low: float, high: float) -> IntegerScale:
        """Return the scale of numbers from low to high."""
        low, high = min(low, 0.0), max(high, 0.0)
        step = (high - low) / (HIGHEST - LOWEST) or 1.0
        return IntegerScale(step, LOWEST - round(low / step))

    @property
    def farthest(self) -> int:
        """The largest distance of an int8 from zero's."""
        return max(HIGHEST - self.zero, self.zero - LOWEST)

    def numbers(self, values: NDArray[Any]) -> NDArray[np.int8]:
        """Return the nearest int8 of real values."""
        found = np.floor(values / self.step + self.zero + 0.5)
        return np.clip(found, LOWEST, HIGHEST).astype(np.int8)

    def values(self, numbers: NDArray[Any]) -> NDArray[np.float64]:
        """Return the real values of int8 numbers."""
        return self.step * (numbers.astype(np.float64) - self.zero)


def measured(model: Model, x: NDArray[Any]) -> dict[str, IntegerScale]:
    """Return the scale of each activation of an inference plan, by storage, for normalized images x."""
    plan, ranges = model.plan(), dict[str, tuple[float, float]]()
    interpreter = Interpreter(loader.find("numpy"), plan, model.layout, model)
    for start in range(0, len(x), BATCH):
        interpreter.forward(x[start : start + BATCH])
        for storage, values in interpreter.values.items():
            low, high = ranges.get(storage, (math.inf, -math.inf))
            ranges[storage] = min(low, float(values.min())), max(high, float(values.max()))
    return {storage: IntegerScale.of(*ends) for storage, ends in ranges.items()}


def per_filter(weights: NDArray[Any], farthest: int) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return the weights of each filter as int8 from −127 to 127, and its step.

    The step is so large that no sum over the inputs leaves LARGEST_SUM, whatever they are.

    farthest  the largest distance of an input from its zero
    """
    flat = np.abs(weights.reshape(len(weights), -1).astype(np.float64))
    rounded = flat.shape[1] * farthest / 2
    steps = np.maximum(flat.max(1) / HIGHEST, flat.sum(1) * farthest / (LARGEST_SUM - rounded))
    steps[steps == 0] = 1.0
    axes = (-1, *(1,) * (weights.ndim - 1))
    return np.rint(weights / steps.reshape(axes)).astype(np.int8), steps


def factors(ratios: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Return multipliers of 30 bits and shifts with multiplier / 2^shift ≈ ratio."""
    exponents = np.frexp(ratios)[1]
    shifts = np.clip(MULTIPLIER_BITS - exponents, 1, 62)
    return np.rint(ratios * 2.0**shifts).clip(0, 2**31 - 1).astype(np.int32), shifts.astype(np.int8)
