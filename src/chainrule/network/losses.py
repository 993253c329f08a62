"""Built-in losses and custom losses.

A loss returns one value per sample. Training minimizes the mean over the batch, Σ loss[n] / N, and gradients are
gradients of this mean. With sample weights, training minimizes Σ w[n] loss[n] / N. The equations are in
reference/losses.py.

A dense prediction (K, H, W) or (K, L) is one row of K outputs per position, and each row has its own loss. The loss of
the sample is the mean over its positions. With position weights, it is Σ w[n,i,j] loss[n,i,j] / (H W).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from chainrule.core.options import CUSTOM_SUFFIX, plain
from chainrule.core.shapes import is_number
from chainrule.core.words import match_name
from chainrule.engines.protocol import Array, Engine
from chainrule.errors import FormatError, OptionError, quoted, unknown_name
from chainrule.network.ports import OutputEnd, Ports
from chainrule.network.tasks import DISTRIBUTIONS, OF_RATES, REGRESSION, YES_OR_NO, Task

if TYPE_CHECKING:
    from chainrule.custom.losses import TrainableLoss

__all__ = [
    "NAMES",
    "CustomLoss",
    "ForwardBackward",
    "JointLoss",
    "Loss",
    "LossLike",
    "LossTerm",
    "SingleLoss",
    "SingleLossLike",
    "choose",
    "default_for",
    "find",
]

PROBABILITIES = ("Softmax", "Sigmoid")  # layers whose outputs are probabilities
NAMES = (
    "half_squared_error",
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "quantile",
    "poisson",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "softmax_cross_entropy",
    "binary_focal_cross_entropy",
    "categorical_focal_cross_entropy",
    "dice",
)
# Activation of the last layer and loss → loss of the activation's input, in a form without cancellation. A probability
# that is rounded to 0 or 1 no longer shows how wrong the score is.
JOINED: Mapping[tuple[str, SingleLoss], str] = {
    ("softmax", "categorical_cross_entropy"): "softmax_cross_entropy",
    ("softmax", "categorical_focal_cross_entropy"): "softmax_focal_cross_entropy",
    ("sigmoid", "binary_cross_entropy"): "sigmoid_cross_entropy",
    ("sigmoid", "binary_focal_cross_entropy"): "sigmoid_focal_cross_entropy",
    ("exp", "poisson"): "exp_poisson",
}
OF_SAMPLES = ("dice",)  # losses with one value per sample, also of dense predictions
OF_PROBABILITIES = (
    *YES_OR_NO,
    "categorical_cross_entropy",
    "categorical_focal_cross_entropy",
    "dice",
)
QUANTILE = "quantile"  # its level follows, as in "quantile=0.9"
MEDIAN = 0.5  # default level of the quantile loss


class CustomLoss:
    """A custom loss; see docs/training.md.

    source  class or object with ``forward(p, t)`` and ``backward()``, a pair of functions ``forward(p, t)`` and
            ``backward(p, t)``, a function of p and t that returns (loss, dp), or another form that `LossFunctions`
            accepts; None if the loss was read from a file, which contains only the name
    name    name used in messages and files; None: the source's name
    """

    def __init__(self, source: object, name: str | None = None) -> None:
        from chainrule.custom.losses import TrainableLoss

        self.code: TrainableLoss | None = None
        self.name = name or "a loss"
        if source is not None:
            self.code = TrainableLoss(source, name)
            self.name = name or self.code.name

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


SingleLoss: TypeAlias = str | CustomLoss
# A function returns (loss, dp); a pair of functions is (forward, backward).
SingleLossLike: TypeAlias = (
    SingleLoss | ForwardBackward | type | Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]]
)


@dataclass(frozen=True)
class LossTerm:
    """The loss of one output, and its weight in the sum."""

    output: str
    loss: SingleLoss
    weight: float = 1.0


def _weights_by_output(losses: Mapping[str, object], weights: object) -> Mapping[str, float]:
    values: object = plain(weights)
    if weights is None:
        values = dict.fromkeys(losses, 1.0)
    elif isinstance(values, list | tuple) and len(cast("list[object]", values)) == len(losses):
        values = dict(zip(losses, cast("list[object]", values), strict=True))
    if not isinstance(values, Mapping) or cast("Mapping[str, object]", values).keys() != losses.keys():
        raise OptionError(f"loss weights {quoted(weights)}: expected one for each of {', '.join(map(str, losses))}")
    by_output = cast("Mapping[str, float]", values)
    for output, weight in by_output.items():
        if not is_number(weight) or not 0 <= weight <= sys.float_info.max:
            raise OptionError(f"loss weight of {quoted(output)} {quoted(weight)}: expected at least 0")
    if not any(by_output.values()):
        raise OptionError("loss weights: all are 0; expected at least one above 0")
    return by_output


@dataclass(frozen=True)
class JointLoss:
    """The weighted sum of one loss per output, Σ_k weight_k · loss_k."""

    terms: tuple[LossTerm, ...]

    def __str__(self) -> str:
        """Return JSON text that `parse` accepts: {"digit": ["softmax_cross_entropy", 1.0]}."""
        return json.dumps({term.output: [str(term.loss), term.weight] for term in self.terms}, ensure_ascii=False)

    @staticmethod
    def parse(text: str) -> JointLoss:
        """Return the loss that `str` has described; OptionError for other text."""
        from chainrule._io.files import expect

        try:
            entries = cast("dict[str, tuple[str, float]]", json.loads(text))
            losses = dict[str, SingleLossLike]()
            weights = dict[str, float]()
            for output, (loss, weight) in entries.items():
                losses[output] = expect(str, loss, "loss")
                weights[output] = weight
            return JointLoss.of(losses, weights)
        except (ValueError, TypeError, AttributeError, RecursionError, FormatError):
            raise OptionError(f"loss {quoted(text)}: expected the loss and the weight of each output") from None

    @staticmethod
    def of(
        losses: Mapping[str, SingleLossLike], weights: Sequence[float] | Mapping[str, float] | None = None
    ) -> JointLoss:
        """Return the sum of losses by output. Losses and weights are those that `fit` accepts.

        weights   weights in order or by output; None: all are 1

        Errors    OptionError for an unknown loss, weights of other outputs, a negative or infinite weight, or if all
                  weights are 0

        >>> JointLoss.of({"digit": "softmax_cross_entropy", "size": "huber"}, {"digit": 1, "size": 0.5})
        """
        if not isinstance(losses, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise OptionError(f"losses {quoted(losses)}: expected a dictionary with the loss of each output")
        weight_of = _weights_by_output(losses, weights)
        terms = list[LossTerm]()
        for output, loss in losses.items():
            terms.append(LossTerm(output, choose_single(loss), float(weight_of[output])))
        return JointLoss(tuple(terms))


Loss: TypeAlias = SingleLoss | JointLoss
# A list or dictionary has one loss per output, in order or by name.
LossLike: TypeAlias = SingleLossLike | JointLoss | Sequence[SingleLossLike] | Mapping[str, SingleLossLike]


def find(name: str) -> str:
    """Return the canonical name of a built-in loss. Case and separators are ignored, and "mse" is a synonym.

    The name of a quantile loss contains its level: "quantile=0.9"; "quantile" is that of the median.

    Errors   OptionError for an unknown name, or a level that is not between 0 and 1
    """
    text, sign, level = name.partition("=")
    official = match_name(text, NAMES)
    if official is None:
        raise unknown_name("loss", text, NAMES)
    if not sign:
        return official
    return _with_level(official, level)


def _with_level(name: str, level: str) -> str:
    """Return the canonical name of a loss with a level; OptionError for another loss or level."""
    try:
        number = float(level)
    except ValueError:
        number = math.nan
    if name != QUANTILE or not 0 < number < 1:
        raise OptionError(f'loss {quoted(f"{name}={level}")}: expected a level between 0 and 1, as in "quantile=0.9"')
    return f"{name}={number!r}"


def operation(loss: str) -> tuple[str, dict[str, float]]:
    """Return the name of the operation that computes a built-in loss, and its attributes."""
    name, _, level = loss.partition("=")
    if name == QUANTILE:
        return name, {"level": float(level or MEDIAN)}
    return name, {}


def choose(loss: object) -> Loss:
    """Return the canonical name of a built-in loss, or a `CustomLoss` that wraps a custom loss.

    The name of a custom loss read from a file becomes a placeholder, whose use raises OptionError. The text of a
    `JointLoss` becomes this loss.

    Errors   OptionError for an unknown name
    """
    if isinstance(loss, JointLoss):
        return loss
    if isinstance(loss, str) and loss.startswith("{"):
        return JointLoss.parse(loss)
    return choose_single(loss)


def choose_single(loss: object) -> SingleLoss:
    """Return the loss of one output, as `choose`."""
    if isinstance(loss, CustomLoss):
        return loss
    if isinstance(loss, JointLoss) or (isinstance(loss, list | dict) and loss):
        shown = quoted(cast("object", loss))
        raise OptionError(f"loss {shown}: the network has one output; expected one loss")
    if not isinstance(loss, str):
        return CustomLoss(cast("object", loss))
    if loss.endswith(CUSTOM_SUFFIX):
        return CustomLoss(None, loss.removesuffix(CUSTOM_SUFFIX))
    return find(loss)


def choose_for(
    outputs: Sequence[OutputEnd], ports: Ports | None, loss: LossLike | None = None, weights: Any = None
) -> Loss:
    """Return a loss for the outputs of a network, which may be a name, custom code, or one loss per output.

    ports     names and shapes of several outputs; None if there is only one
    loss      losses in order or by name for several outputs; None: the default of each output
    weights   weights of the losses of several outputs, in order or by name; None: those of the loss, by default 1

    Errors    OptionError for an unknown name, or another number of losses or weights than outputs
    """
    defaults = dict[str, str]()
    for output in outputs:
        defaults[output.name] = default_for(output.last_layer, output.shape[0])
    if ports is not None:
        return _joint_loss(defaults, ports, loss, weights)
    if weights is not None:
        raise OptionError("loss weights require several outputs, and the network has one")
    if loss is None:
        (loss,) = defaults.values()
    return choose_single(choose(loss))


def _joint_loss(defaults: Mapping[str, str], ports: Ports, loss: LossLike | None, weights: Any) -> JointLoss:
    """Return a loss for several outputs; see `choose_for`. ``defaults`` are the default losses by output."""
    resolved = choose(loss) if isinstance(loss, str) else loss
    if resolved is None:
        return JointLoss.of(defaults, weights)
    if not isinstance(resolved, JointLoss):
        return JointLoss.of(ports.named(resolved, "losses", OptionError), weights)
    own_losses = dict[str, SingleLoss]()
    own_weights = dict[str, float]()
    for term in resolved.terms:
        own_losses[term.output] = term.loss
        own_weights[term.output] = term.weight
    if weights is None:
        weights = own_weights
    return JointLoss.of(ports.named(own_losses, "losses", OptionError), weights)


def terms(loss: Loss) -> tuple[SingleLoss, ...]:
    """Return the loss of each output, in order."""
    if isinstance(loss, JointLoss):
        return tuple(term.loss for term in loss.terms)
    return (loss,)


def standardizes(loss: Loss) -> bool:
    """Return whether targets are standardized by default: custom losses and those of rates get them as they are."""
    return not isinstance(loss, CustomLoss) and loss not in OF_RATES


def described(loss: Loss) -> str:
    """Return text for users: the name of the loss, or the names and weights of the losses of several outputs."""
    if not isinstance(loss, JointLoss):
        return str(loss)
    texts = list[str]()
    for term in loss.terms:
        factor = "" if term.weight == 1 else f"{term.weight:g}·"
        texts.append(f"{term.output}: {factor}{term.loss}")
    return ", ".join(texts)


def default_for(last_layer: str | None, outputs: int) -> str:
    """Return the default loss for the type of the last layer and its number of outputs.

    Sigmoid: binary cross-entropy. Softmax, or a custom layer (None): categorical cross-entropy. After any other layer,
    several outputs are logits of classes (softmax cross-entropy), and a single output is a real number (mean squared
    error).
    """
    if last_layer == "Sigmoid":
        return "binary_cross_entropy"
    if last_layer in ("Softmax", None):  # None: a custom layer with unknown outputs
        return "categorical_cross_entropy"
    if outputs > 1:
        return "softmax_cross_entropy"
    return "mean_squared_error"


def fitting(loss: str, task: Task) -> str:
    """Return the loss for a task other than classification: ``loss`` if it suits the task, else the task's default."""
    if task == REGRESSION and loss.endswith("cross_entropy"):
        return "mean_squared_error"
    if task != REGRESSION and loss in DISTRIBUTIONS:
        return "binary_cross_entropy"
    return loss


def of_samples(loss: SingleLoss, engine: Engine, p: Array, t: Array, weights: Array | None = None) -> Array:
    """Return the loss of each sample, (N,), for predictions p and targets t, both (N, K) or (N, K, …).

    weights   weights of samples, of labels or of positions, as in a plan (`loss_plan.Weighting`); None: all are 1
    """
    if weights is not None and weights.ndim == 2:  # of labels
        p = p[:, None]
        t = t[:, None]
    check_weights(loss, p.ndim > 2 and weights is not None)
    if isinstance(loss, CustomLoss):
        values = loss.losses(p, t)
    else:
        name, attributes = operation(loss)
        (values,) = engine.run(name, (p, t), attributes)
    if weights is not None:
        if weights.ndim > 2:  # of positions: the first plane belongs to the loss, the second one to the metric
            weights = weights[:, 0]
        values = values * weights
    return values.reshape(len(values), -1).mean(1)


def check_weights(loss: SingleLoss, has_position_weights: bool) -> None:
    """Raise OptionError if a loss has one value per sample, but positions have weights."""
    if has_position_weights and (isinstance(loss, CustomLoss) or loss in OF_SAMPLES):
        raise OptionError(f"{loss} is a loss of whole samples: it does not support weights or ignored positions")
