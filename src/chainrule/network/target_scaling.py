"""Standardization of regression targets: training uses (t − mean) / deviation; predictions are in the units of t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Array, Floats, Shape
from chainrule.core.shapes import is_number
from chainrule.data.input_statistics import ROUNDING
from chainrule.errors import FormatError, quoted

# Range of |mean| and deviation in which targets need no standardization: a network's first outputs are of order 1.
MAX_TYPICAL, MIN_TYPICAL = 10.0, 0.1
NAMES = ("means", "deviations")  # entries of a description


@dataclass(frozen=True)
class TargetScaling:
    """The mean and the standard deviation of each output's training targets, (K,) each.

    means        means
    deviations   standard deviations; 1 for a target that is constant up to rounding
    repeats      number of elements of each mean in packed targets (N, F) of several outputs; (): there is one output.
                 Outputs that are not standardized have means of 0 and deviations of 1
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    repeats: tuple[int, ...] = ()

    @staticmethod
    def fit(targets: Array, weights: Floats | None = None) -> TargetScaling:
        """Return the scaling of training targets (N, K) or (N, K, …), computed in float64.

        weights   weights of the samples, (N,); None, or if all are 0: all are 1
        """
        if weights is not None and not weights.any():
            weights = None
        values = targets.reshape(*targets.shape[:2], -1)
        means = np.average(values.mean(2, np.float64), 0, weights)
        squares = np.square(values - means[:, None]).mean(2)
        deviations = np.sqrt(np.average(squares, 0, weights))
        is_usable = np.isfinite(deviations) & (deviations > ROUNDING * np.abs(means))
        usable = np.where(is_usable, deviations, 1.0)
        return TargetScaling(tuple(means.tolist()), tuple(usable.tolist()))

    def standardized(self, targets: Array) -> Floats:
        """Return (t − mean) / deviation for targets (N, K) or (N, K, …)."""
        means, deviations = self._factors(targets.ndim)
        return (targets - means) / deviations

    def in_units(self, outputs: Array) -> Array:
        """Return y · deviation + mean for outputs (N, K) or (N, K, …), in their dtype."""
        means, deviations = self._factors(outputs.ndim)
        return (outputs * deviations + means).astype(outputs.dtype)

    def _factors(self, axes: int) -> list[Floats]:
        """Return the means and the deviations in a shape that is broadcast to targets with ``axes`` axes."""
        shape = (-1, *[1] * (axes - 2))
        means, deviations = self._repeated
        return [means.reshape(shape), deviations.reshape(shape)]

    @cached_property
    def _repeated(self) -> list[Floats]:
        repeats = self.repeats or 1
        return [np.repeat(self.means, repeats), np.repeat(self.deviations, repeats)]

    @property
    def is_needed(self) -> bool:
        """Whether a mean or a deviation is far from those of a network's first outputs."""
        for size in (*map(abs, self.means), *self.deviations):
            if size > MAX_TYPICAL:
                return True
        return any(size < MIN_TYPICAL for size in self.deviations)

    def __str__(self) -> str:
        """Describe the first output's mean and deviation."""
        mean, deviation = next(zip(self.means, self.deviations, strict=True))
        more = " (first output)" if len(self.means) > 1 else ""
        return f"mean {mean:.4g} and standard deviation {deviation:.4g}{more}"

    def to_config(self) -> dict[str, list[float]]:
        """Return the values for a model's description."""
        return {"means": list(self.means), "deviations": list(self.deviations)}

    @staticmethod
    def from_config(config: object, shapes: Sequence[Shape]) -> TargetScaling:
        """Read the values from a model's description; FormatError unless there are valid values for all outputs.

        shapes   shape of each output
        """
        entries = cast("dict[str, object]", config) if isinstance(config, dict) else {}
        count = sum(shape[0] for shape in shapes)
        means = _numbers(entries.get("means"), count)
        deviations = _numbers(entries.get("deviations"), count)
        if means is None or deviations is None or min(deviations) <= 0:
            expected = f"expected {count} finite means, and as many deviations above 0"
            raise FormatError(f"target_scaling {quoted(cast('object', config))}: {expected}")
        return TargetScaling(means, deviations, repeats_of(shapes))


def _numbers(values: object, count: int) -> tuple[float, ...] | None:
    """Return a list of ``count`` finite numbers as a tuple; None for any other value."""
    if not isinstance(values, list) or len(cast("list[object]", values)) != count:
        return None
    numbers = list[float]()
    for value in cast("list[Any]", values):
        if not is_number(value) or not math.isfinite(value):
            return None
        numbers.append(float(value))
    return tuple(numbers)


def repeats_of(shapes: Sequence[Shape]) -> tuple[int, ...]:
    """Return `TargetScaling.repeats` for outputs with these shapes."""
    if len(shapes) == 1:
        return ()
    repeats = list[int]()
    for outputs, *positions in shapes:
        repeats += [math.prod(positions)] * outputs
    return tuple(repeats)
