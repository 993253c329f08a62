"""Built-in losses, custom losses, and the loss operations of a training plan.

A loss returns one value per sample. Training minimizes the mean over the batch, Σ loss[n] / N, and gradients are
gradients of this mean. With sample weights, training minimizes Σ w[n] loss[n] / N. The equations are in
reference/losses.py.

A dense prediction (K, H, W) or (K, L) is one row of K outputs per position, and each row has its own loss. The loss of
the sample is the mean over its positions. With position weights, it is Σ w[n,i,j] loss[n,i,j] / (H W).
"""

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import NO_PADDING
from chainrule.core.words import match_name
from chainrule.custom.interface import CUSTOM_SUFFIX
from chainrule.custom.losses import TrainableLoss
from chainrule.engines.protocol import Array, Engine
from chainrule.errors import OptionError, unknown_name
from chainrule.training.tasks import DISTRIBUTIONS, REGRESSION, Task

PROBABILITIES = ("Softmax", "Sigmoid")  # layers whose outputs are probabilities
NAMES = (
    "half_squared_error",
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "softmax_cross_entropy",
    "binary_focal_cross_entropy",
    "categorical_focal_cross_entropy",
    "dice",
)
OF_SAMPLES = ("dice",)  # losses with one value per sample, also of dense predictions
OF_PROBABILITIES = (
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "binary_focal_cross_entropy",
    "categorical_focal_cross_entropy",
    "dice",
)


class CustomLoss:
    """A custom loss; see docs/training.md.

    source  class or object with ``forward(p, t)`` and ``backward()``, a pair of functions ``forward(p, t)`` and
            ``backward(p, t)``, or another form that `LossFunctions` accepts; None if the loss was read from a file,
            which contains only the name
    name    name used in messages and files; None: the source's name
    """

    def __init__(self, source: Any, name: str | None = None) -> None:
        self.code: TrainableLoss | None = None if source is None else TrainableLoss(source, name)
        self.name = name or (self.code.name if self.code else "a loss")

    @staticmethod
    def absent(name: str) -> "CustomLoss":
        """Return a placeholder for a custom loss of which only the name was saved. Using it raises OptionError."""
        return CustomLoss(None, name)

    def losses(self, p: Array, t: Array) -> Array:
        """Return the loss of each sample, (N,)."""
        return self._require_code().losses(p, t)

    def gradient(self, p: Array, t: Array) -> Array:
        """Return the gradient of the mean loss with respect to p, (N, K)."""
        return self._require_code().gradient(p, t)

    def _require_code(self) -> TrainableLoss:
        if self.code is None:
            raise OptionError(f"the custom loss {self.name} is not saved in files; pass it again with loss=…")
        return self.code

    def __str__(self) -> str:
        return f"{self.name}{CUSTOM_SUFFIX}"

    def __repr__(self) -> str:
        return f"CustomLoss({self.name})"


class ForwardBackward(Protocol):
    """An object, class or module that implements `forward` and `backward` of a custom loss."""

    @property
    def forward(self) -> Callable[..., Any]:
        """Function of predictions and targets, both (N, K). It returns the loss of each sample, (N,), or the mean."""
        ...

    @property
    def backward(self) -> Callable[..., Any]:
        """Function returning the gradient of the mean loss with respect to the predictions, (N, K)."""
        ...


Loss: TypeAlias = str | CustomLoss
LossLike: TypeAlias = Loss | ForwardBackward | type | tuple[Callable[..., Any], Callable[..., Any]]


def find(name: str) -> str:
    """Return the canonical name of a built-in loss. Case and separators are ignored, and "mse" is a synonym.

    Errors   OptionError for an unknown name
    """
    official = match_name(name, NAMES)
    if official is None:
        raise unknown_name("loss", name, NAMES)
    return official


def choose(loss: Any) -> Loss:
    """Return the canonical name of a built-in loss, or a `CustomLoss` that wraps a custom loss.

    The name of a custom loss read from a file becomes a placeholder (`CustomLoss.absent`).

    Errors   OptionError for an unknown name
    """
    if isinstance(loss, CustomLoss):
        return loss
    if not isinstance(loss, str):
        return CustomLoss(loss)
    return CustomLoss.absent(loss.removesuffix(CUSTOM_SUFFIX)) if loss.endswith(CUSTOM_SUFFIX) else find(loss)


def check_ending(loss: Loss, last_layer: str, outputs: int) -> None:
    """Raise OptionError if a loss cannot be used with the last layer, whatever the targets are.

    Categorical cross-entropy depends only on the output of the true class. If the outputs are not normalized to sum to
    1, training drives all of them to 1: the loss becomes 0, and the network learns nothing.

    last_layer  type of the last layer; "" for a custom layer
    outputs     number of outputs
    """
    if isinstance(loss, CustomLoss):
        return
    if last_layer == "Softmax" and outputs == 1:
        raise OptionError("Softmax() with one output is always 1: end with Sigmoid(), or with one output per class")
    if loss in DISTRIBUTIONS and outputs == 1:
        raise OptionError(
            f"{loss} needs one output per class: for yes or no, train Sigmoid() with binary_cross_entropy"
        )
    if loss in DISTRIBUTIONS and last_layer == "Sigmoid":
        advice = "end with Softmax() and categorical_cross_entropy, or train with binary_cross_entropy"
        raise OptionError(f"{loss} after Sigmoid() is minimal when every output is 1: {advice}")


def default_for(last_layer: str, outputs: int) -> str:
    """Return the default loss for the type of the last layer and its number of outputs.

    Sigmoid: binary cross-entropy. Softmax, or a custom layer (""): categorical cross-entropy. After any other layer,
    several outputs are logits of classes (softmax cross-entropy), and a single output is a real number (mean squared
    error).
    """
    if last_layer == "Sigmoid":
        return "binary_cross_entropy"
    if last_layer in ("Softmax", ""):  # "": a custom layer with unknown outputs
        return "categorical_cross_entropy"
    return "softmax_cross_entropy" if outputs > 1 else "mean_squared_error"


def fitting(loss: str, task: Task) -> str:
    """Return the loss for a task other than classification: ``loss`` if it suits the task, else the task's default."""
    if task == REGRESSION:
        return "mean_squared_error" if loss.endswith("cross_entropy") else loss
    return "binary_cross_entropy" if loss in DISTRIBUTIONS else loss


def of_samples(loss: Loss, engine: Engine, p: Array, t: Array, weights: Array | None = None) -> Array:
    """Return the loss of each sample, (N,), for predictions p and targets t, both (N, K) or (N, K, …).

    weights   weight of each sample, (N,), or weights of positions, (N, 2, …), as in a plan; None: all are 1
    """
    _check_weights(loss, p.ndim > 2 and weights is not None)
    values = loss.losses(p, t) if isinstance(loss, CustomLoss) else engine.run(loss, (p, t), {})[0]
    if weights is not None:
        values = values * (weights if weights.ndim == 1 else weights[:, 0])
    return values.reshape(len(values), -1).mean(1)


def emit(builder: Builder, loss: Loss, p: Tensor, task: Task, *, weighted: bool = False) -> dict[str, Tensor]:
    """Add operations for each sample's loss and metric, and for the gradient of the mean loss, to a training plan.

    p         predictions, which are the outputs of the network. The gradient is computed with respect to p
    weighted  whether the losses and their gradients are multiplied by weights: one weight per sample or, for dense
              predictions, two per position, of shape (2, …). The second one is the weight of the position's metric

    Return a dictionary of the tensors "target", "loss", "correct" (the metric) and, if weighted, "weights".
    """
    builder.begin("loss")
    target, metric = Tensor("t", p.shape, "target"), "error" if task.operation == "mean_absolute_error" else "correct"
    tensors = {"target": target, "loss": builder.activation("y", ()), "correct": builder.activation(metric, ())}
    positions = p.shape[1:]
    weights = Tensor("weights", (2, *positions) if positions else (), "target") if weighted else None
    if weights is not None:
        tensors["weights"] = weights
    loss_weights = _plane(builder, weights, 0) if weights is not None and positions else weights
    _emit_loss(builder, loss, (p, target), tensors["loss"], loss_weights)
    if not positions:
        builder.forward(task.operation, (p, target), (tensors["correct"],))
        return tensors
    values = builder.activation(f"{metric}_positions", positions)
    builder.forward(task.operation, (p, target), (values,))
    if weights is not None:
        values = _emit_product(builder, values, _plane(builder, weights, 1), f"{metric}_weighted")
    _emit_mean(builder, values, tensors["correct"])
    return tensors


def _emit_loss(
    builder: Builder, loss: Loss, arrays: tuple[Tensor, Tensor], result: Tensor, weights: Tensor | None
) -> None:
    """Add operations for each sample's loss and for the gradient of the mean loss with respect to the predictions.

    arrays   predictions and targets
    result   loss of each sample
    weights  weight of each sample, (), or of each position; None: all are 1
    """
    p, positions = arrays[0], arrays[0].shape[1:]
    _check_weights(loss, bool(positions) and weights is not None)
    dp = p.gradient() if weights is None else builder.activation("unweighted_dp", p.shape)
    if isinstance(loss, CustomLoss):
        value = result if weights is None else builder.activation("unweighted", ())
        options = {"scope": "batch"}
        builder.forward(f"{loss.name}.forward", arrays, (value,), call=_as_tuple_function(loss.losses), **options)
        builder.backward(f"{loss.name}.backward", arrays, (dp,), call=_as_tuple_function(loss.gradient), **options)
    elif loss in OF_SAMPLES:
        value = result if weights is None else builder.activation("unweighted", ())
        builder.forward(loss, arrays, (value,))
        builder.backward(f"{loss}_dp", arrays, (dp,), runtime={"batch": ("batch", 1)})
    else:
        plain = result if weights is None and not positions else None
        value = plain or builder.activation("positions" if positions else "unweighted", positions)
        builder.forward(loss, arrays, (value,))
        builder.backward(f"{loss}_dp", arrays, (dp,), runtime={"batch": ("batch", math.prod(positions))})
    if weights is not None:
        _emit_weights(builder, weights, dp, p)
        value = _emit_product(builder, value, weights, "weighted", None if positions else result)
    if positions and value is not result:
        _emit_mean(builder, value, result)


def _check_weights(loss: Loss, has_position_weights: bool) -> None:
    if has_position_weights and (isinstance(loss, CustomLoss) or loss in OF_SAMPLES):
        raise OptionError(f"{loss} is a loss of whole samples: it does not support weights or ignored positions")


def _plane(builder: Builder, weights: Tensor, number: int) -> Tensor:
    """Emit and return one of the two planes of weights (2, …)."""
    rows = (1, math.prod(weights.shape[1:]))
    plane = builder.activation(f"weights{number + 1}", (1, *rows))
    ends = {"before": (number, 0, 0), "after": (1 - number, 0, 0)}
    builder.forward("crop", (weights.viewed((2, *rows)),), (plane,), **ends)
    return plane.viewed(weights.shape[1:])


def _emit_product(builder: Builder, values: Tensor, weights: Tensor, name: str, result: Tensor | None = None) -> Tensor:
    """Multiply values by weights of the same shape, and return the result, by default a new tensor."""
    product = result or builder.activation(name, values.shape)
    builder.forward("multiply", (values, weights), (product,))
    return product


def _emit_weights(builder: Builder, weights: Tensor, dp: Tensor, p: Tensor) -> None:
    """Multiply each row of the gradient by its weight."""
    if weights.shape:
        all_weights = builder.activation("weights", p.shape)
        plane = (1, math.prod(weights.shape))
        grid = all_weights.viewed((p.shape[0], *plane))
        builder.backward("expand_channels", (weights.viewed(plane),), (grid,), channels=p.shape[0])
    else:
        all_weights = builder.activation("weights", (1, 1, *p.shape))
        builder.backward("expand_positions", (weights.viewed((1,)),), (all_weights,), size=(1, *p.shape))
    builder.backward("multiply", (dp, all_weights.viewed(p.shape)), (p.gradient(),))


def _emit_mean(builder: Builder, values: Tensor, result: Tensor) -> None:
    """Emit the mean of the values at all positions of a sample."""
    window = values.shape if len(values.shape) == 2 else (1, math.prod(values.shape))
    options = {"window": window, "stride": window, "padding": NO_PADDING, "divisor": "cells"}
    builder.forward("average_pool", (values.viewed((1, *window)),), (result.viewed((1, 1, 1)),), **options)


def _as_tuple_function(function: Any) -> Any:
    """Wrap a function so that it returns a tuple, like an operation."""

    def call(p: Array, t: Array) -> tuple[Array]:
        return (function(p, t),)

    return call
