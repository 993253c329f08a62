"""Standardization of regression targets: training uses (t − mean) / deviation; predictions are in the units of t."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import is_number
from chainrule.errors import FormatError, quoted
from chainrule.layers import Conv1D, Conv2D, ConvTranspose2D, Dense
from chainrule.training import dense
from chainrule.training.tasks import REGRESSION, Task

if TYPE_CHECKING:
    from chainrule.models.network import Network
    from chainrule.training.samples import Samples

_Network = TypeVar("_Network", bound="Network")

# Range of |mean| and deviation in which targets need no standardization: a network's first outputs are of order 1.
MAX_TYPICAL, MIN_TYPICAL = 10.0, 0.1


@dataclass(frozen=True)
class TargetScaling:
    """The mean and the standard deviation of each output's training targets, (K,) each.

    means        means
    deviations   standard deviations; 1 for a constant target
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]

    @staticmethod
    def fit(targets: NDArray[Any], weights: NDArray[np.float64] | None = None) -> TargetScaling:
        """Return the scaling of training targets (N, K) or (N, K, …), computed in float64.

        weights   weights of the samples, (N,); None: all are 1
        """
        values = targets.reshape(*targets.shape[:2], -1)
        means = np.average(values.mean(2, np.float64), 0, weights)
        squares = np.square(values - means[:, None]).mean(2)
        deviations = np.sqrt(np.average(squares, 0, weights))
        usable = np.isfinite(deviations) & (deviations > 0)
        return TargetScaling(tuple(means.tolist()), tuple(np.where(usable, deviations, 1.0).tolist()))

    def standardized(self, targets: NDArray[Any]) -> NDArray[np.float64]:
        """Return (t − mean) / deviation for targets (N, K) or (N, K, …)."""
        means, deviations = self._columns(targets.ndim)
        return (targets - means) / deviations

    def in_units(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return y · deviation + mean for outputs (N, K) or (N, K, …), in their dtype."""
        means, deviations = self._columns(outputs.ndim)
        return (outputs * deviations + means).astype(outputs.dtype)

    @property
    def unit(self) -> float | None:
        """Factor from errors of standardized targets to errors of the targets; None if it differs between outputs."""
        return self.deviations[0] if len(self.deviations) == 1 else None

    def _columns(self, axes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        shape = (-1, *(1 for _ in range(axes - 2)))
        return np.array(self.means).reshape(shape), np.array(self.deviations).reshape(shape)

    @property
    def is_needed(self) -> bool:
        """Whether a mean or a deviation is far from those of a network's first outputs."""
        sizes = (*map(abs, self.means), *self.deviations)
        return any(size > MAX_TYPICAL for size in sizes) or any(size < MIN_TYPICAL for size in self.deviations)

    def __str__(self) -> str:
        """Describe the first output's mean and deviation."""
        mean, deviation = next(zip(self.means, self.deviations, strict=True))
        more = " (first output)" if len(self.means) > 1 else ""
        return f"mean {mean:.4g} and standard deviation {deviation:.4g}{more}"

    def to_config(self) -> dict[str, list[float]]:
        """Return the values for a model's description."""
        return {"means": list(self.means), "deviations": list(self.deviations)}

    @staticmethod
    def from_config(config: Any, outputs: int) -> TargetScaling:
        """Read the values from a model's description; FormatError unless there are ``outputs`` valid values of each."""
        entries = cast("dict[str, Any]", config) if isinstance(config, dict) else {}
        means, deviations = (_numbers(entries.get(name), outputs) for name in ("means", "deviations"))
        if not means or not deviations or min(deviations) <= 0:
            expected = f"expected {outputs} finite means, and as many deviations above 0"
            raise FormatError(f"target_scaling {quoted(cast('Any', config))}: {expected}")
        return TargetScaling(means, deviations)


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    """Return a list of ``count`` finite numbers as a tuple, or () for any other value."""
    if not isinstance(values, list):
        return ()
    numbers = tuple(float(value) for value in cast("list[Any]", values) if is_number(value) and math.isfinite(value))
    return numbers if len(numbers) == len(cast("list[Any]", values)) == count else ()


def is_supported(network: Network) -> bool:
    """Return whether the last layer is a dense or convolutional layer with a bias, and shares it with no other layer.

    Its outputs can have any size. For exports, its weights and bias are rescaled instead of its outputs.
    """
    layer, owners = network.layers[-1], network.wiring.owners
    if (
        not isinstance(layer, Dense | Conv1D | Conv2D | ConvTranspose2D)
        or not layer.bias
        or owners.count(owners[-1]) > 1
    ):
        return False
    return not isinstance(layer, ConvTranspose2D) or layer.groups == 1


def fit_target_scaling(network: Network, task: Task, samples: Samples, *, standardize: bool) -> TargetScaling | None:
    """Return the scaling for a training: that of an earlier one, or one that is fitted to the samples; None for none.

    standardize   whether to fit a scaling if there is none, and the task and the network support it
    """
    if task != REGRESSION:
        return None
    fits = standardize and is_supported(network)
    return network.target_scaling or (TargetScaling.fit(samples.targets, samples.weights) if fits else None)


def folded(network: _Network) -> _Network:
    """Return a network without a scaling whose outputs are in the units of the targets, for exports.

    It is a copy where the weights and the bias of the last layer are rescaled, or the network itself if it has no
    scaling.
    """
    if network.target_scaling is None:
        return network
    network = copy.deepcopy(network)
    assert network.target_scaling is not None
    means, deviations = np.array(network.target_scaling.means), np.array(network.target_scaling.deviations)
    name, weights = network.names[-1], network.weights
    w, b = weights[f"{name}.w"], weights[f"{name}.b"]
    output_axis = 1 if isinstance(network.layers[-1], ConvTranspose2D) else 0
    w[...] = w * deviations.reshape([-1 if axis == output_axis else 1 for axis in range(w.ndim)])
    rows: Sequence[int] = (-1, *(1 for _ in range(b.ndim - 1)))
    b[...] = b * deviations.reshape(rows) + means.reshape(rows)
    network.target_scaling = None
    return network


def stall_hint(targets: NDArray[Any], scaling: TargetScaling | None) -> str:
    """Return a hint about targets that are not standardized and need to be, or ""."""
    unscaled = TargetScaling.fit(dense.rows(targets))
    if scaling is not None or not unscaled.is_needed:
        return ""
    return f"the targets have {unscaled}: standardize them (standardize_targets=True), or divide them by a constant"
