"""Where a network looks: the gradient of a score with respect to the input (saliency) and to feature maps (Grad-CAM).

The forward pass is that of prediction: batch normalization uses its running statistics, and nothing is dropped. The
backward pass starts at one score instead of the loss. See docs/derivations/saliency.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Builder, Plan, Tensor
from chainrule.engines import fallback
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError, unknown_name
from chainrule.explain.trace import Float64Buffers
from chainrule.layers import Dropout, Sigmoid, Softmax
from chainrule.network.network import Network

Maps = NDArray[np.float64]


@dataclass(frozen=True)
class _ScorePlan:
    """A plan from the input to the scores, the values before a final softmax or sigmoid, and its tensors.

    results   the input, and the output of each layer up to the scores
    """

    plan: Plan
    results: tuple[Tensor, ...]


def saliency(network: Network, x: Array, classes: Sequence[int] | None = None) -> Maps:
    """Return |∂score/∂x| for normalized inputs x, its maximum over the channels: (N, H, W), (N, W) or (N, F).

    classes  index of the class whose score is differentiated, or one for each sample; None: the class with the largest
             score. For a single output, 1 or 0: the score or its negative
    """
    score_plan = _plan(network, 0)
    _, gradient = _gradients(network, score_plan, 0, x, classes)
    magnitudes = np.abs(gradient)
    if magnitudes.ndim > 2:
        return magnitudes.max(1)
    return magnitudes


def grad_cam(network: Network, x: Array, classes: Sequence[int] | None = None, layer: str | None = None) -> Maps:
    """Return the Grad-CAM of each sample, ReLU(Σ_k α_k A_k), (N, H', W') or (N, W'), for normalized inputs x.

    A are the feature maps that a layer outputs, and α_k is the mean of ∂score/∂A_k over the positions.

    layer          name of the layer; None: the last layer that outputs feature maps of more than one position
    classes        as in `saliency`

    Errors   OptionError if there is no such layer, or if its output has no positions
    """
    number = _layer_number(network, layer)
    maps, gradient = _gradients(network, _plan(network, number), number, x, classes)
    weights = gradient.mean(axis=tuple(range(2, gradient.ndim)), keepdims=True)
    return np.maximum((weights * maps).sum(1), 0.0)


def _layer_number(network: Network, layer: str | None) -> int:
    """Return the number, from 1, of a layer whose output has positions."""
    outputs = _plan(network, 0).results[1:]
    names = network.names[: len(outputs)]
    located = list[int]()  # numbers of the layers that output feature maps of more than one position
    for number, tensor in enumerate(outputs, 1):
        if math.prod(tensor.shape[1:]) > 1:
            located.append(number)
    if layer is None:
        if not located:
            raise OptionError("Grad-CAM requires a layer that outputs feature maps, such as Conv2D; use saliency")
        return located[-1]
    if layer not in names:
        raise unknown_name("layer", layer, names)
    number = names.index(layer) + 1
    if number in located:
        return number
    problem = f"layer {layer!r} outputs no feature maps"
    if located:
        problem += f"; expected one such as {names[located[-1] - 1]!r}"
    raise OptionError(problem)


def _plan(network: Network, requested: int) -> _ScorePlan:
    """Return a plan that differentiates the scores with respect to the input (0) or the output of a layer (k ≥ 1).

    The scores are the inputs of a final softmax or sigmoid, whose gradients vanish if the network is certain. Dropout
    is left out, since the prediction is explained and not a training step.
    """
    table = network.table
    tensors = dict[str, Tensor]()
    for name, parameter in table.items():
        kind = "parameter" if parameter.trained else "state"
        tensors[name] = Tensor(name, parameter.shape, kind)
    builder = Builder(tensors, training=True, frozen=frozenset(table))  # no gradients of parameters
    wiring = network.wiring
    layers = network.layers
    scores_at = len(layers)  # index in the results, after the input at 0
    if isinstance(layers[-1], Softmax | Sigmoid):
        (scores_at,) = wiring.inputs[-1]
        layers = layers[:-1]
    results = [Tensor("x", network.input_shape, "input")]
    for number, layer in enumerate(layers):
        inputs = [results[index] for index in wiring.inputs[number]]
        builder.begin(network.names[number], network.names[wiring.owners[number]])
        if isinstance(layer, Dropout):
            results.append(inputs[0])
        else:
            results.append(layer.joint_emit(builder, inputs))
    gradient = results[requested].gradient()
    plan = builder.plan(results[0], results[scores_at], (gradient,))
    return _ScorePlan(plan, tuple(results))


def _gradients(
    network: Network, score_plan: _ScorePlan, number: int, x: Array, classes: Sequence[int] | None
) -> tuple[Array, Array]:
    """Return the values of a tensor of the plan, and the gradients of the scores with respect to it, both (N, …)."""
    tensor = score_plan.results[number]
    plan = score_plan.plan
    walk = Interpreter(fallback.numpy_engine(), plan, network.layout, Float64Buffers(network))
    scores = walk.forward(np.array(x, np.float64))
    walk.pull_back(_directions(scores, classes))
    if tensor.gradient().storage not in walk.values:
        raise OptionError("no gradient passes from the scores to the input, because a layer rounds its values")
    return np.array(walk.read(tensor)), np.array(walk.read(tensor.gradient()))


def _directions(scores: Array, classes: Sequence[int] | None) -> Array:
    """Return the gradient of each sample's chosen score with respect to all scores, in their shape (N, K, …).

    For dense predictions, the chosen score is the sum over the positions. A single output is the score of class 1; its
    negative is that of class 0. Without classes, that with the largest score is chosen.
    """
    count, outputs = scores.shape[:2]
    is_single = outputs == 1
    if classes is None:
        totals = scores.sum(axis=tuple(range(2, scores.ndim)))
        numbers = (totals[:, 0] >= 0).astype(np.int64) if is_single else totals.argmax(1)
    elif len(classes) in (1, count):
        numbers = np.broadcast_to(classes, count)
    else:
        raise OptionError(f"{len(classes)} labels for {count} samples; expected one, or as many as samples")
    directions = np.zeros(scores.shape, np.float64)
    if is_single:
        directions[:, 0] = 1.0
        directions[numbers == 0] *= -1.0
    else:
        directions[np.arange(count, dtype=np.int64), numbers] = 1.0
    return directions
