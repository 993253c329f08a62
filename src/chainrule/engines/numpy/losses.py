"""Losses in NumPy, for all rows and classes at once. Equations: `chainrule.operations.reference.losses`.

The element-wise gradients are generated. `python -m chainrule.operations.generator NAME` prints their source.
"""

import numpy as np

from chainrule.engines.numpy.activations import log_softmax, logistic, softmax
from chainrule.engines.numpy.arrays import Array


def half_squared_error(p: Array, t: Array) -> Array:
    """Compute `reference.half_squared_error` for all rows at once."""
    return 0.5 * np.square(np.subtract(p, t, order="C")).sum(axis=1)


def mean_squared_error(p: Array, t: Array) -> Array:
    """Compute `reference.mean_squared_error` for all rows at once."""
    return np.square(np.subtract(p, t, order="C")).mean(axis=1)


def mean_absolute_error(p: Array, t: Array) -> Array:
    """Compute `reference.mean_absolute_error` for all rows at once."""
    return np.abs(np.subtract(p, t, order="C")).mean(axis=1)


def mean_absolute_error_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """Compute `reference.mean_absolute_error_dp` for all rows at once."""
    return _divide_by_batch(np.sign(np.subtract(p, t, order="C")) / p.shape[1], batch)


def huber(p: Array, t: Array) -> Array:
    """Compute `reference.huber` as s (e − s/2), with the slope s. This is ½ e² for s = e, and |e| − ½ for s = ±1."""
    e = np.subtract(p, t, order="C")
    s = np.clip(e, -1, 1)
    return (s * (e - 0.5 * s)).mean(axis=1)


def binary_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.binary_cross_entropy` for all rows and classes at once."""
    p = _clipped(p, 1)
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(axis=1)


def categorical_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.categorical_cross_entropy` for all rows and classes at once."""
    return -(t * np.log(_clipped(p, 0))).sum(axis=1)


def softmax_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.softmax_cross_entropy` from the log-softmax, which is finite even if a probability is 0."""
    return -(t * log_softmax(p)).sum(axis=1)


def softmax_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """Compute `reference.softmax_cross_entropy_dp` for all rows at once, without forming a Jacobian."""
    dp = softmax(p)
    dp *= t.sum(axis=1, keepdims=True)
    dp -= t
    return _divide_by_batch(dp, batch)


def binary_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.binary_focal_cross_entropy` for all rows and classes at once."""
    p = _clipped(p, 1)
    return -(t * np.square(1 - p) * np.log(p) + (1 - t) * np.square(p) * np.log(1 - p)).mean(axis=1)


def categorical_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.categorical_focal_cross_entropy` for all rows and classes at once."""
    p = _clipped(p, 0)
    return -(t * np.square(1 - p) * np.log(p)).sum(axis=1)


def sigmoid_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.sigmoid_cross_entropy` for all rows and classes at once."""
    yes, no = _surprises(p)
    return (t * yes + (1 - t) * no).mean(axis=1)


def sigmoid_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.sigmoid_focal_cross_entropy` for all rows and classes at once."""
    yes, no = _surprises(p)
    with np.errstate(over="ignore"):
        return (t * np.square(logistic(-p)) * yes + (1 - t) * np.square(logistic(p)) * no).mean(axis=1)


def softmax_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.softmax_focal_cross_entropy` for all rows and classes at once."""
    return -(t * np.square(1 - softmax(p)) * log_softmax(p)).sum(axis=1)


def softmax_focal_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """Compute `reference.softmax_focal_cross_entropy_dp` for all rows at once, without forming a Jacobian."""
    y = softmax(p)
    a = t * (1 - y) * (1 - y - 2 * y * log_softmax(p))
    return _divide_by_batch(np.subtract(y * a.sum(axis=1, keepdims=True), a, order="C"), batch)


def dice(p: Array, t: Array) -> Array:
    """Compute `reference.dice` for all samples and classes at once."""
    overlap, areas = _areas(p, t)
    return 1 - ((2 * overlap + 1) / (areas + 1)).mean(axis=1)


def dice_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """Compute `reference.dice_dp` for all samples and classes at once."""
    shape = (*p.shape[:2], *(1 for _ in p.shape[2:]))
    overlap, areas = (sums.reshape(shape) for sums in _areas(p, t))
    dp = np.subtract((2 * overlap + 1) / np.square(areas + 1), 2 * t / (areas + 1), order="C")
    dp /= p.shape[1] * (len(p) if batch is None else batch)
    return dp


def correct(p: Array, t: Array) -> Array:
    """Compute `reference.correct` for all rows at once."""
    return (p.argmax(axis=1) == t.argmax(axis=1)).astype(p.dtype)


def correct_labels(p: Array, t: Array) -> Array:
    """Compute `reference.correct_labels` for all rows at once."""
    same = np.logical_or((p >= 0.5) & (t >= 0.5), (p < 0.5) & (t < 0.5), order="C")
    return same.mean(axis=1, dtype=p.dtype)


def _areas(p: Array, t: Array) -> tuple[Array, Array]:
    """Return the overlap Σ p t and the sum of the areas Σ p + t over the positions, (N, K) each."""
    positions = tuple(range(2, p.ndim))
    return (p * t).sum(axis=positions), (p + t).sum(axis=positions)


def _divide_by_batch(dp: Array, batch: int | None) -> Array:
    dp /= dp.size // dp.shape[1] if batch is None else batch
    return dp


def _clipped(p: Array, ends: int) -> Array:
    epsilon = float(np.finfo(p.dtype).eps)
    return np.clip(p, epsilon, 1 - ends * epsilon, order="C")


def _surprises(p: Array) -> tuple[Array, Array]:
    """Return −log σ(p) and −log σ(−p): softplus(−p) and softplus(p)."""
    small = np.log1p(np.exp(-np.abs(p, order="C")))
    return np.maximum(-p, 0) + small, np.maximum(p, 0) + small
