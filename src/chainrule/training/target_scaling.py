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
from chainrule.training.tasks import REGRESSION, JointTask, Task

if TYPE_CHECKING:
    from chainrule.models.network import Network
    from chainrule.training.samples import Samples

_Network = TypeVar("_Network", bound="Network")

# Range of |mean| and deviation in which targets need no standardization: a network's first outputs are of order 1.
MAX_TYPICAL, MIN_TYPICAL = 10.0, 0.1
NAMES = ("means", "deviations")  # entries of a description


@dataclass(frozen=True)
class TargetScaling:
    """The mean and the standard deviation of each output's training targets, (K,) each.

    means        means
    deviations   standard deviations; 1 for a constant target
    repeats      number of elements of each mean in packed targets (N, F) of several outputs; (): there is one output.
                 Outputs that are not standardized have means of 0 and deviations of 1
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    repeats: tuple[int, ...] = ()

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
        means, deviations = self._factors(targets.ndim)
        return (targets - means) / deviations

    def in_units(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return y · deviation + mean for outputs (N, K) or (N, K, …), in their dtype."""
        means, deviations = self._factors(outputs.ndim)
        return (outputs * deviations + means).astype(outputs.dtype)

    def unit(self, columns: int) -> float | None:
        """Return the factor from errors of standardized targets to errors in their units; None if there are several.

        columns   number of targets that the error is a mean of: the first ones
        """
        return self.deviations[0] if columns == 1 else None

    def _factors(self, axes: int) -> list[NDArray[np.float64]]:
        """Return the means and the deviations in a shape that is broadcast to targets with ``axes`` axes."""
        shape = (-1, *(1 for _ in range(axes - 2)))
        return [np.repeat(values, self.repeats or 1).reshape(shape) for values in (self.means, self.deviations)]

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
    def from_config(config: Any, shapes: Sequence[tuple[int, ...]]) -> TargetScaling:
        """Read the values from a model's description; FormatError unless there are valid values for all outputs.

        shapes   shape of each output
        """
        entries, count = cast("dict[str, Any]", config) if isinstance(config, dict) else {}, sum(k for k, *_ in shapes)
        means, deviations = (_numbers(entries.get(name), count) for name in NAMES)
        if not means or not deviations or min(deviations) <= 0:
            expected = f"expected {count} finite means, and as many deviations above 0"
            raise FormatError(f"target_scaling {quoted(cast('Any', config))}: {expected}")
        return TargetScaling(means, deviations, _repeats(shapes))


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    """Return a list of ``count`` finite numbers as a tuple, or () for any other value."""
    if not isinstance(values, list):
        return ()
    numbers = tuple(float(value) for value in cast("list[Any]", values) if is_number(value) and math.isfinite(value))
    return numbers if len(numbers) == len(cast("list[Any]", values)) == count else ()


def _repeats(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return `TargetScaling.repeats` for outputs with these shapes."""
    return () if len(shapes) == 1 else tuple(math.prod(shape[1:]) for shape in shapes for _ in range(shape[0]))


def is_supported(network: Network, number: int) -> bool:
    """Return whether a layer that computes an output is dense or convolutional, has a bias, and is used only once.

    Its outputs can have any size. For exports, its weights and bias are rescaled instead of its outputs.

    number   index of the layer
    """
    layer, wiring = network.layers[number], network.wiring
    if not isinstance(layer, Dense | Conv1D | Conv2D | ConvTranspose2D) or not layer.bias:
        return False
    readers = sum(inputs.count(number + 1) for inputs in wiring.inputs)  # `Pack` reads each of several outputs
    shared = wiring.owners.count(wiring.owners[number]) > 1 or readers > (network.output_ports is not None)
    return not shared and (not isinstance(layer, ConvTranspose2D) or layer.groups == 1)


def fit_target_scaling(network: Network, task: Task, samples: Samples, *, standardize: bool) -> TargetScaling | None:
    """Return the scaling for a training: that of an earlier one, or one that is fitted to the samples; None for none.

    Of several outputs, those are standardized whose task is a regression and whose last layer supports it.

    standardize   whether to fit a scaling if there is none, and the task and the network support it
    """
    parts = task.parts if isinstance(task, JointTask) else (task,)
    if REGRESSION not in parts:
        return None
    ends, ports, targets, weights = network.outputs, network.output_ports, samples.targets, samples.weights
    scaled = [part == REGRESSION and is_supported(network, end.number) for part, end in zip(parts, ends, strict=True)]
    if network.target_scaling or not (standardize and any(scaled)):
        return network.target_scaling
    if ports is None:
        return TargetScaling.fit(targets, weights)
    fitted = [
        TargetScaling.fit(values, weights) if is_scaled else TargetScaling((0.0,) * shape[0], (1.0,) * shape[0])
        for is_scaled, values, shape in zip(scaled, ports.split(targets).values(), ports.shapes.values(), strict=True)
    ]
    means, deviations = ([number for part in fitted for number in getattr(part, name)] for name in NAMES)
    return TargetScaling(tuple(means), tuple(deviations), _repeats([end.shape for end in ends]))


def folded(network: _Network) -> _Network:
    """Return a network without a scaling whose outputs are in the units of the targets, for exports.

    It is a copy where the weights and the bias of each scaled output's layer are rescaled, or the network itself if it
    has no scaling.
    """
    if network.target_scaling is None:
        return network
    network = copy.deepcopy(network)
    assert network.target_scaling is not None
    first, weights = 0, network.weights
    for output in network.outputs:
        columns = slice(first, first := first + output.shape[0])
        means, deviations = (np.array(getattr(network.target_scaling, name)[columns]) for name in NAMES)
        if is_supported(network, output.number):  # the means and deviations of other outputs are 0 and 1
            layer = network.names[output.number]
            w, b = weights[f"{layer}.w"], weights[f"{layer}.b"]
            output_axis = 1 if isinstance(network.layers[output.number], ConvTranspose2D) else 0
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
