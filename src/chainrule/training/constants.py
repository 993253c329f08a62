"""The loss of the best constant prediction, which shows whether a training was of any use."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chainrule.core.arrays import Array, Floats
from chainrule.engines import fallback
from chainrule.errors import StudentError
from chainrule.network.losses import OF_SAMPLES, CustomLoss, SingleLoss, of_samples, operation
from chainrule.network.network import Network
from chainrule.network.tasks import OF_RATES
from chainrule.training import dense
from chainrule.training.samples import targets_of_step
from chainrule.training.targets import Targets

if TYPE_CHECKING:
    from chainrule.network.scaling import TargetScaling

BISECTIONS = 30
MAX_SAMPLES = 1000  # samples on which the constant of a custom loss is fitted
REACH = 10.0  # distance of the first bounds from the targets, for losses with a link


def constant_loss(
    network: Network, loss: SingleLoss, targets: Targets, scaling: TargetScaling | None = None, smoothing: float = 0.0
) -> tuple[float, float]:
    """Return the lowest mean loss of a constant prediction, and the unit of a gain: this loss, if no loss is negative.

    The constants are the mean, the median and a fitted one. The unit is 0 if a custom loss fails for constants. For
    counts, it is the deviance: the loss without that of perfect predictions.

    scaling, smoothing   as in `samples.targets_of_step`
    """
    rows = np.asarray(targets.values)
    is_whole = isinstance(loss, CustomLoss) or loss in OF_SAMPLES  # a loss of samples, not of positions
    t = targets_of_step(rows if is_whole else dense.rows(rows), scaling, smoothing)
    by_output = np.moveaxis(t, 1, 0).reshape(t.shape[1], -1)
    constants = [by_output.mean(1), np.median(by_output, 1)]
    best = (math.inf, 0.0)
    try:
        if network.last_layer != "Softmax":
            constants.append(fitted_constant(loss, t, is_probability=network.last_layer == "Sigmoid"))
        losses = [of_samples(loss, fallback.numpy_engine(), _repeated(constant, t), t) for constant in constants]
    except StudentError:
        return best
    for values in losses:
        mean = float(values.mean())
        unit = mean
        if loss in OF_RATES:
            unit -= float(of_samples(loss, fallback.numpy_engine(), t, t).mean())
        elif not (values >= 0).all():
            unit = float(np.abs(values - mean).mean())
        best = min(best, (mean, unit))
    return best


def fitted_constant(loss: SingleLoss, t: Array, *, is_probability: bool) -> Floats:
    """Return the constant output, (K,), at which the mean loss of targets t (N, K, …) has no slope.

    The interval of each output is bisected by the sign of the slope, which is right for convex losses.

    is_probability   whether outputs are from 0 to 1
    """
    t = np.ascontiguousarray(t[:: max(1, len(t) // MAX_SAMPLES)])
    outputs = t.shape[1]
    reach = REACH + float(np.abs(t).max())
    low = np.full(outputs, 0.0 if is_probability else -reach)
    high = np.full(outputs, 1.0 if is_probability else reach)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        with np.errstate(all="ignore"):
            slopes = _slopes(loss, _repeated(middle, t), t)
        slope = np.moveaxis(slopes, 1, 0).reshape(outputs, -1).sum(1)
        low = np.where(slope < 0, middle, low)
        high = np.where(slope < 0, high, middle)
    return (low + high) / 2


def _slopes(loss: SingleLoss, p: Array, t: Array) -> Array:
    """Return the gradient of the mean loss with respect to p."""
    if isinstance(loss, CustomLoss):
        return loss.gradient(p, t)
    positions = 1 if loss in OF_SAMPLES else math.prod(t.shape[2:])
    name, attributes = operation(loss)
    return fallback.numpy_engine().run(f"{name}_dp", (p, t), {"batch": len(t) * positions, **attributes})[0]


def _repeated(constant: Floats, t: Array) -> Array:
    """Return a constant (K,) as a prediction for every sample and position of t (N, K, …)."""
    columns = constant.reshape(-1, *[1] * (t.ndim - 2))
    return np.ascontiguousarray(np.broadcast_to(columns, t.shape))
