"""Standardization of regression targets, and the fitted scaling of inputs and targets as tensors.

Training uses (t − mean) / deviation; predictions are in the units of t.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Array, Floats, Shape
from chainrule.core.shapes import text
from chainrule.data.input_statistics import ROUNDING
from chainrule.data.normalization import KINDS, JointNormalization, Normalization
from chainrule.errors import FormatError, OptionError, quoted
from chainrule.network.ports import Ports

# Range of |mean| and deviation in which targets need no standardization: a network's first outputs are of order 1.
MAX_TYPICAL, MIN_TYPICAL = 10.0, 0.1


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

    @staticmethod
    def joined(parts: Sequence[TargetScaling | None], shapes: Sequence[Shape]) -> TargetScaling | None:
        """Return the scaling of several outputs, where None means that one is not scaled; None if none is.

        shapes   shape of each output
        """
        if not any(parts):
            return None
        rows = list[tuple[Sequence[float], Sequence[float]]]()
        for part, (count, *_) in zip(parts, shapes, strict=True):
            rows.append((part.means, part.deviations) if part else ([0.0] * count, [1.0] * count))
        means = tuple(mean for means, _ in rows for mean in means)
        deviations = tuple(deviation for _, deviations in rows for deviation in deviations)
        return TargetScaling(means, deviations, repeats_of(shapes))

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
        return [values.reshape(-1, *[1] * (axes - 2)) for values in self._repeated]

    @cached_property
    def _repeated(self) -> Floats:
        return np.repeat([self.means, self.deviations], self.repeats or 1, axis=1)

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


def repeats_of(shapes: Sequence[Shape]) -> tuple[int, ...]:
    """Return `TargetScaling.repeats` for outputs with these shapes."""
    if len(shapes) == 1:
        return ()
    return tuple(math.prod(positions) for outputs, *positions in shapes for _ in range(outputs))


Scaling: TypeAlias = tuple[Normalization, TargetScaling | None]  # of the inputs and of the targets


def scaling_tensors(normalization: Normalization, targets: TargetScaling | None) -> dict[str, Array]:
    """Return a fitted scaling as tensors of a network's state, float64 and read-only; none for a network without one.

    They are input.origin and input.gain, or input.NAME.origin, … for several inputs; input.kind (the place in `KINDS`),
    input.limits, input.white and input.digits if they are known; target.mean and target.deviation.
    """
    values = dict[str, Any]()
    if normalization != Normalization("none"):
        for name, part in (normalization.parts or {"": normalization}).items():
            prefix = f"input.{name}." if name else "input."
            for field, value in {**part.to_config(), "kind": [*KINDS].index(part.kind)}.items():
                values[prefix + field] = value
    if targets is not None:
        values |= {"target.mean": targets.means, "target.deviation": targets.deviations}
    tensors = dict[str, Array]()
    for name, value in values.items():
        tensors[name] = np.array(value, np.float64)
        tensors[name].flags.writeable = False
    return tensors


def read_scaling(tensors: Mapping[str, Array], own: Scaling, shapes: Sequence[Shape], *, is_trained: bool) -> Scaling:
    """Return the scaling in tensors of `scaling_tensors`. Missing ones have no effect.

    tensors      empty: return the network's own
    shapes       shape of each output
    is_trained   whether the network was trained with its own scaling

    Errors   FormatError for invalid values, or none for a trained network that has a scaling
    """
    if not tensors:
        normalization, target_scaling = own
        if is_trained and (target_scaling is not None or normalization.kind != "none"):
            raise FormatError(
                f"this model was trained with scaled inputs or targets ({normalization.unit}), and these weights have "
                "no scaling: load the whole model with chainrule.load, or pass them to a new model as weights="
            )
        return own
    parts = dict[str, dict[str, Any]]()
    targets = dict[str, Array]()
    for name, tensor in tensors.items():
        end, _, field = name.rpartition(".")
        value = tensor.tolist()
        if end == "target":
            targets[field] = tensor
            continue
        part = parts.setdefault(end.removeprefix("input").removeprefix("."), {"gain": 1.0, "origin": 0.0})
        part[field] = bool(value) if field == "digits" else value
    for part in parts.values():
        part["kind"] = [*KINDS][int(part.get("kind", 1))]
    normalization = Normalization("none")
    if parts:
        normalization = Normalization.from_config(parts.get("", {"parts": parts}))
    return normalization, _read_targets(targets, shapes) if targets else None


def _read_targets(tensors: Mapping[str, Array], shapes: Sequence[Shape]) -> TargetScaling:
    """Return the scaling of the targets in the tensors mean and deviation; a missing one is all 0 or all 1."""
    count = sum(shape[0] for shape in shapes)
    means = tensors.get("mean", np.zeros(count))
    deviations = tensors.get("deviation", np.ones(count))
    if (
        not means.shape == deviations.shape == (count,)
        or not np.isfinite([means, deviations]).all()
        or deviations.min() <= 0
    ):
        raise FormatError(f"target.mean, target.deviation: expected {count} finite means, and deviations above 0")
    return TargetScaling(tuple(means.tolist()), tuple(deviations.tolist()), repeats_of(shapes))


def checked_normalization(
    normalization: object, ports: Ports | None, names: tuple[str, ...], shape: Shape
) -> Normalization:
    """Return the normalization of a network's inputs; OptionError if it is not one for them.

    ports   names and shapes of several inputs; None if there is only one
    names   names of the inputs
    shape   shape of a single input
    """
    if not isinstance(normalization, Normalization):
        raise OptionError(f"normalization {quoted(normalization)}: expected a Normalization, which training sets")
    expected = {*names} if ports else set[str]()
    parts = normalization.parts
    if parts.keys() != expected and (parts or normalization.kind != "none"):
        one = f"one for each of {ports}, which training sets" if ports else "one, for one input"
        raise OptionError(f"normalization of {', '.join(parts) or 'a single input'}: expected {one}")
    if parts:  # files sort the names
        normalization = JointNormalization.of({name: parts[name] for name in names})
    shapes = list(ports.shapes.values()) if ports else [shape]
    for part, part_shape in zip([*normalization.parts.values()] or [normalization], shapes, strict=False):
        channels = part_shape[0]
        if not {np.size(part.gain), np.size(part.origin)} <= {1, channels}:
            expected = f"expected a number, or {channels}, one for each channel or feature"
            raise OptionError(f"normalization {quoted(part)} for inputs of shape {text(part_shape)}: {expected}")
    return normalization
