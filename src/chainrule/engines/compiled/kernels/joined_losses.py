"""Losses that include the activation before them, and their gradients, compiled.

The equations are in reference/joined_losses.py. The logits are called p.
"""

import numpy as np

from chainrule.engines.compiled.compiler import exponential, inlined, kernel, log1p
from chainrule.engines.compiled.kernels.activations import logistic
from chainrule.engines.compiled.kernels.losses import (
    define_gradients,
    positions_of,
    row_count,
    rows_of,
    sum_rows,
)
from chainrule.engines.compiled.kernels.registry import elementwise, operation, per_row

define_gradients("z", globals())


@inlined
def _softplus(x, unit):
    """Return log(1 + e^x)."""
    return (x if x > 0 else unit - unit) + log1p(exponential(-abs(x)))


@inlined
def _binary_term(p, t, unit, tiny):
    return (unit - t if p > 0 else -t) * p + log1p(exponential(-abs(p)))


@operation(per_row)
@kernel
def sigmoid_cross_entropy(p, t, loss):
    """Compute 1/K Σ t log(1 + e^−p) + (1 − t) log(1 + e^p)."""
    sum_rows(_binary_term, p, t, loss, p.shape[1])


@inlined
def _binary_focal_term(p, t, unit, tiny):
    yes, no = logistic(unit, p), logistic(unit, -p)
    return t * no * no * _softplus(-p, unit) + (unit - t) * yes * yes * _softplus(p, unit)


@operation(per_row)
@kernel
def sigmoid_focal_cross_entropy(p, t, loss):
    """Compute 1/K Σ t σ(−p)² log(1 + e^−p) + (1 − t) σ(p)² log(1 + e^p)."""
    sum_rows(_binary_focal_term, p, t, loss, p.shape[1])


@kernel
def _column_sums(rows, q):
    """Return the maximum m of column q, and Σ e^(x − m) over this column."""
    maximum = rows[0, q]
    for k in range(rows.shape[0]):
        maximum = rows[k, q] if rows[k, q] > maximum else maximum
    total = rows.dtype.type(0)
    for k in range(rows.shape[0]):
        total += exponential(rows[k, q] - maximum)
    return maximum, total


@inlined
def _sum_classes(term, p, t, loss):
    """Store Σ term(y, −log y, t, 1) over the classes of each row, for y = softmax(p)."""
    unit = p.dtype.type(1)
    outputs, targets, results = rows_of(p), rows_of(t), loss.reshape(p.shape[0], positions_of(p))
    for n in range(p.shape[0]):
        for q in range(results.shape[1]):
            maximum, total = _column_sums(outputs[n], q)
            level, total_loss = maximum + np.log(total), p.dtype.type(0)
            for k in range(p.shape[1]):
                share = exponential(outputs[n, k, q] - maximum) / total
                total_loss += term(share, level - outputs[n, k, q], targets[n, k, q], unit)
            results[n, q] = total_loss


@inlined
def _store_slopes(slope, p, t, dp, batch):
    """Store (y Σ a − a)/batch, where y = softmax(p) and a = slope(y, −log y, t, 1) for each class.

    The first loop over the classes computes Σ a, and the second one the results. Both compute y and a, so that no
    buffer is needed. −log y is computed as log Σ e^p − p, which does not overflow.
    """
    outputs, targets, results = rows_of(p), rows_of(t), rows_of(dp)
    unit, divisor = p.dtype.type(1), p.dtype.type(row_count(p, batch))
    for n in range(p.shape[0]):
        for q in range(positions_of(p)):
            maximum, total = _column_sums(outputs[n], q)
            level, slopes = maximum + np.log(total), p.dtype.type(0)
            for k in range(p.shape[1]):
                share = exponential(outputs[n, k, q] - maximum) / total
                slopes += slope(share, level - outputs[n, k, q], targets[n, k, q], unit)
            for k in range(p.shape[1]):
                share = exponential(outputs[n, k, q] - maximum) / total
                own = slope(share, level - outputs[n, k, q], targets[n, k, q], unit)
                results[n, k, q] = (share * slopes - own) / divisor


@inlined
def _term(y, surprise, t, unit):
    return t * surprise


@inlined
def _slope(y, surprise, t, unit):
    return t


@operation(per_row)
@kernel
def softmax_cross_entropy(p, t, loss):
    """Compute Σ t (log Σ e^p − p)."""
    _sum_classes(_term, p, t, loss)


@elementwise
def softmax_cross_entropy_dp(p, t, dp, batch=None):
    """Compute (softmax(p)·Σ t − t)/batch. With one-hot targets, Σ t = 1."""
    _store_slopes(_slope, p, t, dp, batch)


@inlined
def _focal_term(y, surprise, t, unit):
    return t * (unit - y) * (unit - y) * surprise


@inlined
def _focal_slope(y, surprise, t, unit):
    other = unit - y
    return t * other * (other + y * (surprise + surprise))


@operation(per_row)
@kernel
def softmax_focal_cross_entropy(p, t, loss):
    """Compute −Σ t (1 − y)² log y for y = softmax(p)."""
    _sum_classes(_focal_term, p, t, loss)


@elementwise
def softmax_focal_cross_entropy_dp(p, t, dp, batch=None):
    """Compute (y Σ a − a)/batch, where a = t (1 − y) (1 − y − 2 y log y) and y = softmax(p)."""
    _store_slopes(_focal_slope, p, t, dp, batch)
