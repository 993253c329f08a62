"""Our losses and optimizers in PyTorch."""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from chainrule.core.plan import Plan
from chainrule.engines.protocol import Array
from chainrule.training.optimizers import Adam, Momentum, Optimizer, RMSProp

torch: Any = importlib.import_module("torch")
functional: Any = torch.nn.functional

Loss = Callable[[Any, Any], Any]


OPTIMIZERS = {
    "sgd": "SGD",
    "momentum": "SGD",
    "nesterov": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "rmsprop": "RMSprop",
}
OPTION_NAMES = {"learning_rate": "lr", "epsilon": "eps"}


def _half_squared_error(p: Any, t: Any) -> Any:
    return functional.mse_loss(p, t, reduction="sum") / (2 * len(p))


def _categorical_cross_entropy(p: Any, t: Any) -> Any:
    return -(t * p.clamp(torch.finfo(p.dtype).eps, 1).log()).sum() / len(p)


def _binary_focal_cross_entropy(p: Any, t: Any) -> Any:
    epsilon = torch.finfo(p.dtype).eps
    q = p.clamp(epsilon, 1 - epsilon)
    return -(t * (1 - q) ** 2 * q.log() + (1 - t) * q**2 * (1 - q).log()).mean()


def _categorical_focal_cross_entropy(p: Any, t: Any) -> Any:
    q = p.clamp(torch.finfo(p.dtype).eps, 1)
    return -(t * (1 - q) ** 2 * q.log()).sum() / len(p)


def _dice(p: Any, t: Any) -> Any:
    overlap = (p * t).reshape(*p.shape[:2], -1).sum(2)
    areas = (p + t).reshape(*p.shape[:2], -1).sum(2)
    return 1 - ((2 * overlap + 1) / (areas + 1)).mean()


LOSSES: dict[str, Loss] = {
    "half_squared_error": _half_squared_error,
    "mean_squared_error": functional.mse_loss,
    "mean_absolute_error": functional.l1_loss,
    "huber": functional.huber_loss,
    "quantile": lambda p, t: functional.l1_loss(p, t) / 2,
    "poisson": lambda p, t: (p - t * p.clamp(torch.finfo(p.dtype).eps).log()).mean(),
    "binary_cross_entropy": functional.binary_cross_entropy,
    "categorical_cross_entropy": _categorical_cross_entropy,
    "softmax_cross_entropy": functional.cross_entropy,
    "binary_focal_cross_entropy": _binary_focal_cross_entropy,
    "categorical_focal_cross_entropy": _categorical_focal_cross_entropy,
    "dice": _dice,
    # joined with the activation before
    "exp_poisson": functional.poisson_nll_loss,
    "sigmoid_cross_entropy": functional.binary_cross_entropy_with_logits,
    "sigmoid_focal_cross_entropy": lambda p, t: _binary_focal_cross_entropy(p.sigmoid(), t),
    "softmax_focal_cross_entropy": lambda p, t: _categorical_focal_cross_entropy(p.softmax(1), t),
}


def ending(plan: Plan) -> str:
    """Return the name of a training plan's loss operation; an activation and cross-entropy may be joined."""
    _, loss, _ = plan.loss_tensors
    return next(operation.name for operation in plan.forward if loss in operation.writes)


def targets(loss: str, t: Array) -> Any:
    """Convert targets (N, K) to the usual form for PyTorch's loss: labels for cross-entropy if rows are one-hot."""
    one_hot = np.array_equal(t, np.eye(t.shape[1], dtype=t.dtype)[t.argmax(1)])
    if loss == "softmax_cross_entropy" and one_hot:
        return torch.from_numpy(t.argmax(1))
    return torch.from_numpy(np.ascontiguousarray(t))


def optimizer(ours: Optimizer, parameters: Iterable[Any]) -> Any:
    """Return the equivalent PyTorch optimizer, fused if available, for parameters or parameter groups."""
    options = {OPTION_NAMES.get(name, name): value for name, value in vars(ours).items()}
    if isinstance(ours, Adam):
        options["betas"] = options.pop("beta1"), options.pop("beta2")
    if not isinstance(ours, RMSProp):
        options["fused"] = True
    if isinstance(ours, Momentum):
        options["nesterov"] = ours.nesterov
    return getattr(torch.optim, OPTIMIZERS[ours.name])(parameters, **options)


def step(optimizer: Any, module: Any, loss: Loss, x: Any, t: Any) -> None:
    """Take a training step."""
    optimizer.zero_grad(set_to_none=True)
    loss(module(x), t).backward()
    optimizer.step()
