"""Losses and their gradients, compiled. The equations are in reference/losses.py.

A loss is computed for each sample; its sums are over the K outputs of the sample. `batch` is the number of samples in
the batch, over which the loss is averaged; None: the samples of the arrays are the whole batch.
"""

import numpy as np

from chainrule.engines.compiled.compiler import exponential, kernel
from chainrule.engines.compiled.kernels.registry import elementwise, operation, per_sample


@operation(per_sample)
@kernel
def half_squared_error(p, t, loss):
    """Compute ½ Σ (p − t)²."""
    half = p.dtype.type(0.5)
    for s in range(p.shape[0]):
        total = p.dtype.type(0)
        for k in range(p.shape[1]):
            total += (p[s, k] - t[s, k]) ** 2
        loss[s] = half * total


@elementwise
def half_squared_error_dp(p, t, dp, batch=None):
    """Compute (p − t)/batch."""
    divisor = p.dtype.type(p.shape[0] if batch is None else batch)
    for s in range(p.shape[0]):
        for k in range(p.shape[1]):
            dp[s, k] = (p[s, k] - t[s, k]) / divisor


@operation(per_sample)
@kernel
def mean_squared_error(p, t, loss):
    """Compute 1/K Σ (p − t)²."""
    for s in range(p.shape[0]):
        total = p.dtype.type(0)
        for k in range(p.shape[1]):
            total += (p[s, k] - t[s, k]) ** 2
        loss[s] = total / p.dtype.type(p.shape[1])


@elementwise
def mean_squared_error_dp(p, t, dp, batch=None):
    """Compute 2/K (p − t)/batch."""
    divisor = p.dtype.type((p.shape[0] if batch is None else batch) * p.shape[1]) / p.dtype.type(2)
    for s in range(p.shape[0]):
        for k in range(p.shape[1]):
            dp[s, k] = (p[s, k] - t[s, k]) / divisor


@kernel
def _clipped(value, low, high):
    """Return a value clipped to [low, high]. NaN propagates."""
    return low if value < low else (high if value > high else value)


@operation(per_sample)
@kernel
def mean_absolute_error(p, t, loss):
    """Compute 1/K Σ |p − t|."""
    for s in range(p.shape[0]):
        total = p.dtype.type(0)
        for k in range(p.shape[1]):
            total += abs(p[s, k] - t[s, k])
        loss[s] = total / p.dtype.type(p.shape[1])


@elementwise
def mean_absolute_error_dp(p, t, dp, batch=None):
    """Compute sgn(p − t)/K/batch."""
    unit = p.dtype.type(1)
    divisor = p.dtype.type((p.shape[0] if batch is None else batch) * p.shape[1])
    for s in range(p.shape[0]):
        for k in range(p.shape[1]):
            e = p[s, k] - t[s, k]
            dp[s, k] = (unit if e > 0 else (-unit if e < 0 else e)) / divisor


@operation(per_sample)
@kernel
def huber(p, t, loss):
    """Compute 1/K Σ s (e − s/2), where e = p − t, and s is e clipped to [−1, 1]."""
    half, unit = p.dtype.type(0.5), p.dtype.type(1)
    for s in range(p.shape[0]):
        total = p.dtype.type(0)
        for k in range(p.shape[1]):
            e = p[s, k] - t[s, k]
            slope = _clipped(e, -unit, unit)
            total += slope * (e - half * slope)
        loss[s] = total / p.dtype.type(p.shape[1])


@elementwise
def huber_dp(p, t, dp, batch=None):
    """Compute (p − t, clipped to [−1, 1])/K/batch."""
    unit = p.dtype.type(1)
    divisor = p.dtype.type((p.shape[0] if batch is None else batch) * p.shape[1])
    for s in range(p.shape[0]):
        for k in range(p.shape[1]):
            dp[s, k] = _clipped(p[s, k] - t[s, k], -unit, unit) / divisor


@operation(per_sample)
@kernel
def binary_cross_entropy(p, t, loss):
    """Compute −1/K Σ t log p + (1 − t) log(1 − p)."""
    unit = p.dtype.type(1)
    tiny = p.dtype.type(np.finfo(p.dtype).eps)
    for s in range(p.shape[0]):
        total = p.dtype.type(0)
        for k in range(p.shape[1]):
            q = _clipped(p[s, k], tiny, unit - tiny)
            total += t[s, k] * np.log(q) + (unit - t[s, k]) * np.log(unit - q)
        loss[s] = -total / p.dtype.type(p.shape[1])


@elementwise
def binary_cross_entropy_dp(p, t, dp, batch=None):
    """Compute 1/K ((1 − t)/(1 − p) − t/p)/batch."""
    unit = p.dtype.type(1)
    tiny = p.dtype.type(np.finfo(p.dtype).eps)
    divisor = p.dtype.type((p.shape[0] if batch is None else batch) * p.shape[1])
    for s in range(p.shape[0]):
        for k in range(p.shape[1]):
            q = _clipped(p[s, k], tiny, unit - tiny)
            dp[s, k] = ((unit - t[s, k]) / (unit - q) - t[s, k] / q) / divisor


@operation(per_sample)
@kernel
def categorical_cross_entropy(p, t, loss):
    """Compute −Σ t log p."""
    unit = p.dtype.type(1)
    tiny = p.dtype.type(np.finfo(p.dtype).eps)
    for s in range(p.shape[0]):
        total = p.dtype.type(0)
        for k in range(p.shape[1]):
            if t[s, k] != 0 or p[s, k] != p[s, k]:
                total += t[s, k] * np.log(_clipped(p[s, k], tiny, unit))
        loss[s] = -total


@elementwise
def categorical_cross_entropy_dp(p, t, dp, batch=None):
    """Compute −t/p/batch."""
    unit = p.dtype.type(1)
    tiny = p.dtype.type(np.finfo(p.dtype).eps)
    divisor = p.dtype.type(p.shape[0] if batch is None else batch)
    for s in range(p.shape[0]):
        for k in range(p.shape[1]):
            dp[s, k] = -t[s, k] / _clipped(p[s, k], tiny, unit) / divisor


@kernel
def _row_sums(row):
    """Return the maximum m of a row, and Σ e^(x − m) over the row."""
    maximum = row[0]
    for k in range(row.size):
        maximum = row[k] if row[k] > maximum else maximum
    total = row.dtype.type(0)
    for k in range(row.size):
        total += exponential(row[k] - maximum)
    return maximum, total


@operation(per_sample)
@kernel
def softmax_cross_entropy(p, t, loss):
    """Compute Σ t (log Σ e^x − x) for logits x, which are passed as p."""
    for s in range(p.shape[0]):
        maximum, total = _row_sums(p[s])
        level = maximum + np.log(total)
        total_loss = p.dtype.type(0)
        for k in range(p.shape[1]):
            total_loss += t[s, k] * (level - p[s, k])
        loss[s] = total_loss


@elementwise
def softmax_cross_entropy_dp(p, t, dp, batch=None):
    """Compute (softmax(x)·Σ t − t)/batch for logits x, which are passed as p. With one-hot targets, Σ t = 1."""
    divisor = p.dtype.type(p.shape[0] if batch is None else batch)
    for s in range(p.shape[0]):
        maximum, total = _row_sums(p[s])
        target_sum = p.dtype.type(0)
        for k in range(p.shape[1]):
            target_sum += t[s, k]
        for k in range(p.shape[1]):
            dp[s, k] = (exponential(p[s, k] - maximum) / total * target_sum - t[s, k]) / divisor


@operation(per_sample)
@kernel
def correct(p, t, right):
    """Compute 1 for each sample where the maxima of p and t have the same index, else 0."""
    for s in range(p.shape[0]):
        right[s] = 1 if np.argmax(p[s]) == np.argmax(t[s]) else 0


@operation(per_sample)
@kernel
def correct_labels(p, t, right):
    """Compute the fraction of each sample's labels where p and t are on the same side of ½."""
    half, unit = p.dtype.type(0.5), p.dtype.type(1)
    for s in range(p.shape[0]):
        matches = p.dtype.type(0)
        for k in range(p.shape[1]):
            yes = p[s, k] >= half and t[s, k] >= half
            no = p[s, k] < half and t[s, k] < half
            matches += unit if yes or no else unit - unit
        right[s] = matches / p.dtype.type(p.shape[1])
