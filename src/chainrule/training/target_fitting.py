"""Fitting a target scaling to training data, and folding it into the last layer for exports."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from chainrule.core.arrays import Array
from chainrule.layers.convolution import Conv1D, Conv2D, ConvTranspose2D
from chainrule.layers.dense import Dense
from chainrule.network import tasks
from chainrule.network.losses import JointLoss, Loss, standardizes, terms
from chainrule.network.network import Network
from chainrule.network.scaling import TargetScaling
from chainrule.network.tasks import REGRESSION, Task
from chainrule.training import dense
from chainrule.training.targets import Targets

_Network = TypeVar("_Network", bound=Network)


def is_supported(network: Network, number: int) -> bool:
    """Return whether a layer that computes an output is dense or convolutional, has a bias, and is used only once.

    Its outputs can have any size. For exports, its weights and bias are rescaled instead of its outputs.

    number   index of the layer
    """
    layer = network.layers[number]
    wiring = network.wiring
    if not isinstance(layer, Dense | Conv1D | Conv2D | ConvTranspose2D) or not layer.bias:
        return False
    readers = sum(inputs.count(number + 1) for inputs in wiring.inputs)  # `Pack` reads each of several outputs
    shared = wiring.owners.count(wiring.owners[number]) > 1 or readers > (network.output_ports is not None)
    return not shared and (not isinstance(layer, ConvTranspose2D) or layer.groups == 1)


def fit_target_scaling(
    network: Network, loss: Loss, task: Task, targets: Targets, *, standardize: bool
) -> TargetScaling | None:
    """Return the scaling for a training: that of an earlier one, or one that is fitted to the targets; None for none.

    Of several outputs, those are standardized whose task is a regression, whose last layer is new and supports it, and
    whose loss is a built-in one.

    standardize   whether to fit a scaling if there is none, and the task and the network support it
    """
    parts = tasks.parts(task)
    if REGRESSION not in parts:
        return None
    scaled = _scaled(network, parts)
    if isinstance(loss, JointLoss):
        scaled = [is_scaled and standardizes(term) for is_scaled, term in zip(scaled, terms(loss), strict=True)]
    fits = standardize and any(scaled) and network.target_scaling is None
    return _fitted(network, scaled, targets) if fits else network.target_scaling


def _scaled(network: Network, parts: Sequence[Task]) -> list[bool]:
    """Return whether each output is standardized: its task is a regression, and its last layer supports it.

    The weights of this layer must be the initial ones. Others were trained, and their outputs have a unit already.
    """
    results = list[bool]()
    for part, end in zip(parts, network.outputs, strict=True):
        is_scaled = part == REGRESSION and is_supported(network, end.number)
        if is_scaled:
            name = f"{network.names[end.number]}.w"
            is_scaled = np.array_equal(network.weights[name], network.drawn(name, network.seed))
        results.append(is_scaled)
    return results


def _fitted(network: Network, scaled: Sequence[bool], targets: Targets) -> TargetScaling | None:
    """Return the scaling of the targets of the outputs that are scaled."""
    ports = network.output_ports
    all_values = np.asarray(targets.values)
    columns = [all_values] if ports is None else [*ports.split(all_values).values()]
    parts = list[TargetScaling | None]()
    for is_scaled, values in zip(scaled, columns, strict=True):
        parts.append(TargetScaling.fit(values, targets.weights) if is_scaled else None)
    return TargetScaling.joined(parts, [end.shape for end in network.outputs])


def metric_units(network: Network, task: Task, scaling: TargetScaling | None) -> tuple[float, ...]:
    """Return the units, in those of the targets, of the errors that the main metric of a training is a mean of.

    The result has one number, by which the metric is multiplied; or, if the main output has several standardized
    targets, the unit of each.
    """
    if scaling is None or task.metric != REGRESSION.metric:
        return (1.0,)
    return scaling.deviations[: network.outputs[0].shape[0]]


def folded(network: _Network) -> _Network:
    """Return a network without a scaling whose outputs are in the units of the targets, for exports.

    It is a copy where the weights and the bias of each scaled output's layer are rescaled, or the network itself if it
    has no scaling.
    """
    scaling = network.target_scaling
    if scaling is None:
        return network
    result = copy.deepcopy(network)
    result.target_scaling = None
    first = 0
    for output in network.outputs:
        columns = slice(first, first + output.shape[0])
        first = columns.stop
        if is_supported(network, output.number):  # the means and deviations of other outputs are 0 and 1
            means = np.array(scaling.means[columns])
            deviations = np.array(scaling.deviations[columns])
            _rescale(result, output.number, means, deviations)
    return result


def _rescale(network: Network, number: int, means: Array, deviations: Array) -> None:
    """Multiply the outputs of a layer by the deviations and add the means, by changing its weights and its bias."""
    layer = network.names[number]
    w = network.weights[f"{layer}.w"]
    b = network.weights[f"{layer}.b"]
    output_axis = 1 if isinstance(network.layers[number], ConvTranspose2D) else 0
    w_shape = [1] * w.ndim
    w_shape[output_axis] = -1
    w[...] = w * deviations.reshape(w_shape)
    b_shape = [-1] + [1] * (b.ndim - 1)
    b[...] = b * deviations.reshape(b_shape) + means.reshape(b_shape)


def stall_hint(targets: Array, scaling: TargetScaling | None) -> str | None:
    """Return a hint about targets that are not standardized and need to be; None if they are, or need not be."""
    unscaled = TargetScaling.fit(dense.rows(targets))
    if scaling is not None or not unscaled.is_needed:
        return None
    return f"the targets have {unscaled}: standardize them (standardize_targets=True), or divide them by a constant"
