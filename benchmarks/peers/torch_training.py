"""Our losses and optimizers in PyTorch."""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from chainrule.engines import Array
from chainrule.optimizers import SGD, Adam, AdamW, Momentum, Optimizer, RMSProp
from chainrule.plan import Plan

torch: Any = importlib.import_module("torch")
functional: Any = torch.nn.functional

Loss = Callable[[Any, Any], Any]


def _half_squared_error(p: Any, t: Any) -> Any:
    return functional.mse_loss(p, t, reduction="sum") / (2 * len(p))


def _categorical_cross_entropy(p: Any, t: Any) -> Any:
    return -(t * p.clamp(torch.finfo(p.dtype).eps, 1).log()).sum() / len(p)


LOSSES: dict[str, Loss] = {
    "half_squared_error": _half_squared_error,
    "mean_squared_error": functional.mse_loss,
    "binary_cross_entropy": functional.binary_cross_entropy,
    "categorical_cross_entropy": _categorical_cross_entropy,
    "softmax_cross_entropy": functional.cross_entropy,
}


def ending(plan: Plan) -> str:
    """Return the loss operation of a training plan, which may be softmax fused with cross-entropy."""
    _, loss, _ = plan.loss_tensors
    return next(operation.name for operation in plan.forward if loss in operation.writes)


def targets(loss: str, t: Array) -> Any:
    """Convert targets (N, K) to the usual form for PyTorch's loss: labels for cross-entropy with one-hot rows."""
    one_hot = np.array_equal(t, np.eye(t.shape[1], dtype=t.dtype)[t.argmax(1)])
    if loss == "softmax_cross_entropy" and one_hot:
        return torch.from_numpy(t.argmax(1))
    return torch.from_numpy(np.ascontiguousarray(t))


def optimizer(ours: Optimizer, parameters: Iterable[Any]) -> Any:
    """Return the same optimizer in PyTorch, fused where PyTorch offers that."""
    if isinstance(ours, Adam):
        options: dict[str, Any] = {"lr": ours.rate, "betas": (ours.beta1, ours.beta2), "eps": ours.epsilon}
        if isinstance(ours, AdamW):
            return torch.optim.AdamW(parameters, **options, weight_decay=ours.decay, fused=True)
        return torch.optim.Adam(parameters, **options, fused=True)
    if isinstance(ours, RMSProp):
        options = {"alpha": ours.alpha, "eps": ours.epsilon, "momentum": ours.momentum, "weight_decay": ours.decay}
        return torch.optim.RMSprop(parameters, lr=ours.rate, **options)
    decay = {"weight_decay": ours.decay} if isinstance(ours, SGD | Momentum) else {}
    moving = {"momentum": ours.momentum, "nesterov": ours.nesterov} if isinstance(ours, Momentum) else {}
    return torch.optim.SGD(parameters, lr=ours.rate, **moving, **decay, fused=True)
