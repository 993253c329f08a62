"""Built-in losses, custom losses, and the loss operations of a training plan.

A loss returns one value per sample. Training minimizes the mean over the batch, Σ loss[n] / N, and gradients are
gradients of this mean. With sample weights, training minimizes Σ w[n] loss[n] / N. The equations are in
reference/losses.py.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from chainrule.core.plan import Builder, Tensor
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


def of_samples(loss: Loss, engine: Engine, p: Array, t: Array) -> Array:
    """Return the loss of each sample, (N,), for predictions p and targets t, both (N, K)."""
    if isinstance(loss, CustomLoss):
        return loss.losses(p, t)
    return engine.run(loss, (p, t), {})[0]


def emit(builder: Builder, loss: Loss, p: Tensor, task: Task, *, weighted: bool = False) -> dict[str, Tensor]:
    """Add operations for each sample's loss and metric, and for the gradient of the mean loss, to a training plan.

    p         predictions, which are the outputs of the network. The gradient is computed with respect to p
    weighted  whether each sample's loss and its row of the gradient are multiplied by a weight

    Return a dictionary of the tensors "target", "loss", "correct" (the metric) and, if weighted, "weights".
    """
    builder.begin("loss")
    target, metric = Tensor("t", p.shape, "target"), "error" if task.operation == "mean_absolute_error" else "correct"
    tensors = {"target": target, "loss": builder.activation("y", ()), "correct": builder.activation(metric, ())}
    if weighted:
        tensors["weights"] = Tensor("weights", (1,), "target")
    value = builder.activation("unweighted", ()) if weighted else tensors["loss"]
    dp = builder.activation("unweighted_dp", p.shape) if weighted else p.gradient()
    if isinstance(loss, CustomLoss):
        options = {"scope": "batch"}
        builder.forward(f"{loss.name}.forward", (p, target), (value,), call=_as_tuple_function(loss.losses), **options)
        builder.backward(f"{loss.name}.backward", (p, target), (dp,), call=_as_tuple_function(loss.gradient), **options)
    else:
        builder.forward(loss, (p, target), (value,))
        builder.backward(f"{loss}_dp", (p, target), (dp,), runtime={"batch": ("batch", 1)})
    if weighted:
        _emit_weights(builder, tensors, value, dp, p)
    builder.forward(task.operation, (p, target), (tensors["correct"],))
    return tensors


def _emit_weights(builder: Builder, tensors: dict[str, Tensor], value: Tensor, dp: Tensor, p: Tensor) -> None:
    """Add operations that multiply each sample's loss and its row of the gradient by its weight."""
    weights, row = tensors["weights"], builder.activation("weights", (1, 1, *p.shape))
    builder.forward("multiply", (value, weights.viewed(())), (tensors["loss"],))
    builder.backward("expand_positions", (weights,), (row,), size=(1, *p.shape))
    builder.backward("multiply", (dp, row.viewed(p.shape)), (p.gradient(),))


def _as_tuple_function(function: Any) -> Any:
    """Wrap a function so that it returns a tuple, like an operation."""

    def call(p: Array, t: Array) -> tuple[Array]:
        return (function(p, t),)

    return call
