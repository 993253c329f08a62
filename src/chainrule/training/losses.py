"""The named losses, custom losses, and the end of a training plan.

A loss gives one value per sample; training minimises their mean over the batch, and gradients are of that mean. Weights
of samples multiply these values: training minimises Σ w[n] loss[n] / N. The equations are in reference/losses.py.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from chainrule.core.plan import Builder, Tensor
from chainrule.custom.interface import OWN
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
    """A custom loss: a class or an object with ``forward(p, t)`` and ``backward()``, or a pair of functions
    ``forward(p, t)`` and ``backward(p, t)``; see docs/training.md.

    name  name in messages and files
    """

    def __init__(self, source: Any, name: str | None = None) -> None:
        self.code: TrainableLoss | None = None if source is None else TrainableLoss(source, name)
        self.name = name or (self.code.name if self.code else "a loss")

    @staticmethod
    def absent(name: str) -> "CustomLoss":
        """Return a placeholder for a custom loss of which a file holds only the name."""
        return CustomLoss(None, name)

    def losses(self, p: Array, t: Array) -> Array:
        """Return the loss of each sample, (N,)."""
        return self._known().losses(p, t)

    def gradient(self, p: Array, t: Array) -> Array:
        """Return the gradient of the mean loss with respect to p, (N, K)."""
        return self._known().gradient(p, t)

    def _known(self) -> TrainableLoss:
        if self.code is None:
            raise OptionError(f"the loss {self.name} is own code, which no file holds: give it again with loss=…")
        return self.code

    def __str__(self) -> str:
        return f"{self.name}{OWN}"

    def __repr__(self) -> str:
        return f"OwnLoss({self.name})"


class ForwardBackward(Protocol):
    """An object, a class or a module with the `forward` and `backward` of a loss."""

    @property
    def forward(self) -> Callable[..., Any]:
        """Function of predictions and targets (N, K) that returns the loss of each sample (N,), or their mean."""
        ...

    @property
    def backward(self) -> Callable[..., Any]:
        """Function that returns the gradient of the mean loss with respect to the predictions, (N, K)."""
        ...


Loss: TypeAlias = str | CustomLoss
LossLike: TypeAlias = Loss | ForwardBackward | type | tuple[Callable[..., Any], Callable[..., Any]]


def find(name: str) -> str:
    """Return the name of a known loss in its usual form; hyphens may stand for underscores."""
    known = name.replace("-", "_") if isinstance(name, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]
    if known not in NAMES:
        raise unknown_name("loss", name, NAMES)
    return known


def choose(loss: Any) -> Loss:
    """Return the loss of a name, or the `CustomLoss` of a custom loss."""
    if isinstance(loss, CustomLoss):
        return loss
    if not isinstance(loss, str):
        return CustomLoss(loss)
    return CustomLoss.absent(loss.removesuffix(OWN)) if loss.endswith(OWN) else find(loss)


def check_ending(loss: Loss, last_layer: str, outputs: int) -> None:
    """Raise OptionError for a loss that cannot work after the last layer, whatever the targets are.

    Categorical cross-entropy depends only on the output of the true class. Outputs that are not normalized to sum to 1
    are all driven to 1: the loss becomes 0 and nothing is learnt.
    """
    if isinstance(loss, CustomLoss):
        return
    if last_layer == "Softmax" and outputs == 1:
        raise OptionError("Softmax() of one output is always 1: end with Sigmoid(), or with one output per class")
    if loss in DISTRIBUTIONS and outputs == 1:
        raise OptionError(
            f"{loss} needs one output per class: for yes or no, train Sigmoid() with binary_cross_entropy"
        )
    if loss in DISTRIBUTIONS and last_layer == "Sigmoid":
        advice = "end with Softmax() and categorical_cross_entropy, or train with binary_cross_entropy"
        raise OptionError(f"{loss} after Sigmoid() is best when every output is 1: {advice}")


def default_for(ending: str, outputs: int) -> str:
    """Return the default loss for the type of the last layer and its number of outputs.

    Probabilities get their cross-entropy; other outputs are taken for the logits of classes, or, if there is only one,
    for a real number.
    """
    if ending == "Sigmoid":
        return "binary_cross_entropy"
    if ending in ("Softmax", ""):  # "": a custom layer, whose outputs are unknown
        return "categorical_cross_entropy"
    return "softmax_cross_entropy" if outputs > 1 else "mean_squared_error"


def fitting(loss: str, task: Task) -> str:
    """Return a loss for targets that are not classes: the same if it suits them, else the usual one of their task."""
    if task == REGRESSION:
        return "mean_squared_error" if loss.endswith("cross_entropy") else loss
    return "binary_cross_entropy" if loss in DISTRIBUTIONS else loss


def of_samples(loss: Loss, engine: Engine, p: Array, t: Array) -> Array:
    """Compute the loss of each sample, (N,), given predictions and targets (N, K)."""
    if isinstance(loss, CustomLoss):
        return loss.losses(p, t)
    return engine.run(loss, (p, t), {})[0]


def emit(builder: Builder, loss: Loss, p: Tensor, task: Task, *, weighted: bool = False) -> dict[str, Tensor]:
    """Add the end of a training plan: loss and metric of each sample, and the gradient of the mean loss w.r.t. p.

    weighted  whether each sample has a weight, by which its loss and its row of the gradient are multiplied
    """
    builder.begin("loss")
    target, measured = Tensor("t", p.shape, "target"), "error" if task.operation == "mean_absolute_error" else "correct"
    ends = {"target": target, "loss": builder.activation("y", ()), "correct": builder.activation(measured, ())}
    if weighted:
        ends["weights"] = Tensor("weights", (1,), "target")
    value = builder.activation("unweighted", ()) if weighted else ends["loss"]
    dp = builder.activation("unweighted_dp", p.shape) if weighted else p.gradient()
    if isinstance(loss, CustomLoss):
        own = {"scope": "batch"}
        builder.forward(f"{loss.name}.forward", (p, target), (value,), call=_as_operation(loss.losses), **own)
        builder.backward(f"{loss.name}.backward", (p, target), (dp,), call=_as_operation(loss.gradient), **own)
    else:
        builder.forward(loss, (p, target), (value,))
        builder.backward(f"{loss}_dp", (p, target), (dp,), runtime={"batch": ("batch", 1)})
    if weighted:
        _emit_weights(builder, ends, value, dp, p)
    builder.forward(task.operation, (p, target), (ends["correct"],))
    return ends


def _emit_weights(builder: Builder, ends: dict[str, Tensor], value: Tensor, dp: Tensor, p: Tensor) -> None:
    """Multiply the loss of each sample, and its row of the gradient, by its weight."""
    weights, row = ends["weights"], builder.activation("weights", (1, 1, *p.shape))
    builder.forward("multiply", (value, weights.viewed(())), (ends["loss"],))
    builder.backward("expand_positions", (weights,), (row,), size=(1, *p.shape))
    builder.backward("multiply", (dp, row.viewed(p.shape)), (p.gradient(),))


def _as_operation(function: Any) -> Any:
    """Wrap a function as an opaque operation, which returns its one result in a tuple."""

    def call(p: Array, t: Array) -> tuple[Array]:
        return (function(p, t),)

    return call
