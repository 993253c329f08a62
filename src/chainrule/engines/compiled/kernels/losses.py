"""Losses and their gradients, compiled. The equations are in reference/losses.py.

A loss has one value per row: per sample, or per position of a dense prediction. Rows are read as (N, K, positions).
`batch` is the number of rows in the batch, over which the loss is averaged; None: the arrays contain the whole batch.

The element-wise gradients are generated; `python -m chainrule.operations.generator NAME` prints their source.
"""

import numpy as np

from chainrule.engines.compiled.compiler import inlined, kernel
from chainrule.engines.compiled.kernels.registry import elementwise, operation, per_row, per_sample
from chainrule.operations import generator
from chainrule.operations.scalar_code import loss_kernel_source


@inlined
def positions_of(p):
    """Return the number of positions per sample; 1 for vectors (N, K)."""
    return p.size // max(p.shape[0] * p.shape[1], 1)


@inlined
def rows_of(p):
    """Return a view (N, K, positions)."""
    return p.reshape(p.shape[0], p.shape[1], positions_of(p))


@inlined
def row_count(p, batch):
    """Return the number of rows over which the loss is averaged."""
    return p.shape[0] * positions_of(p) if batch is None else batch


def define_gradients(letters, names):
    """Define and register the element-wise gradients of losses in a module's namespace.

    letters   "p" for gradients with respect to predictions, "z" for those with respect to scores
    """
    sources = generator.loss_sources(loss_kernel_source, letters)
    generator.define(sources, "kernel", names)
    for name in sources:
        names[name] = elementwise(names[name])


define_gradients("p", globals())


@inlined
def sum_rows(term, p, t, loss, divisor):
    """Store Σ term(p, t, 1, ε)/divisor over the K predictions of each row."""
    unit, tiny = p.dtype.type(1), p.dtype.type(np.finfo(p.dtype).eps)
    outputs, targets, results = rows_of(p), rows_of(t), loss.reshape(p.shape[0], positions_of(p))
    for n in range(p.shape[0]):
        for q in range(results.shape[1]):
            total = p.dtype.type(0)
            for k in range(p.shape[1]):
                total += term(outputs[n, k, q], targets[n, k, q], unit, tiny)
            results[n, q] = total / p.dtype.type(divisor)


@kernel
def _clipped(value, low, high):
    """Return a value clipped to [low, high]. NaN propagates."""
    return low if value < low else (high if value > high else value)


@inlined
def _squared_difference(p, t, unit, tiny):
    return (p - t) ** 2


@operation(per_row)
@kernel
def half_squared_error(p, t, loss):
    """Compute ½ Σ (p − t)²."""
    sum_rows(_squared_difference, p, t, loss, 2)


@operation(per_row)
@kernel
def mean_squared_error(p, t, loss):
    """Compute 1/K Σ (p − t)²."""
    sum_rows(_squared_difference, p, t, loss, p.shape[1])


@inlined
def _absolute_difference(p, t, unit, tiny):
    return abs(p - t)


@operation(per_row)
@kernel
def mean_absolute_error(p, t, loss):
    """Compute 1/K Σ |p − t|."""
    sum_rows(_absolute_difference, p, t, loss, p.shape[1])


@elementwise
def mean_absolute_error_dp(p, t, dp, batch=None):
    """Compute sgn(p − t)/K/batch."""
    unit, divisor = p.dtype.type(1), p.dtype.type(row_count(p, batch) * p.shape[1])
    outputs, targets, results = p.reshape(p.size), t.reshape(p.size), dp.reshape(p.size)
    for e in range(p.size):
        difference = outputs[e] - targets[e]
        results[e] = (unit if difference > 0 else (-unit if difference < 0 else difference)) / divisor


@inlined
def _huber_term(p, t, unit, tiny):
    slope = _clipped(p - t, -unit, unit)
    return slope * ((p - t) - slope / (unit + unit))


@operation(per_row)
@kernel
def huber(p, t, loss):
    """Compute 1/K Σ s (e − s/2), where e = p − t, and s is e clipped to [−1, 1]."""
    sum_rows(_huber_term, p, t, loss, p.shape[1])


@inlined
def _binary_term(p, t, unit, tiny):
    q = _clipped(p, tiny, unit - tiny)
    return -(t * np.log(q) + (unit - t) * np.log(unit - q))


@operation(per_row)
@kernel
def binary_cross_entropy(p, t, loss):
    """Compute −1/K Σ t log p + (1 − t) log(1 − p)."""
    sum_rows(_binary_term, p, t, loss, p.shape[1])


@inlined
def _categorical_term(p, t, unit, tiny):
    return -(t * np.log(_clipped(p, tiny, unit)))


@operation(per_row)
@kernel
def categorical_cross_entropy(p, t, loss):
    """Compute −Σ t log p."""
    sum_rows(_categorical_term, p, t, loss, 1)


@inlined
def _binary_focal_term(p, t, unit, tiny):
    yes = _clipped(p, tiny, unit - tiny)
    no = unit - yes
    return -(t * no * no * np.log(yes) + (unit - t) * yes * yes * np.log(no))


@operation(per_row)
@kernel
def binary_focal_cross_entropy(p, t, loss):
    """Compute −1/K Σ t (1 − p)² log p + (1 − t) p² log(1 − p)."""
    sum_rows(_binary_focal_term, p, t, loss, p.shape[1])


@inlined
def _focal_term(p, t, unit, tiny):
    inside = _clipped(p, tiny, unit)
    return -(t * (unit - inside) * (unit - inside) * np.log(inside))


@operation(per_row)
@kernel
def categorical_focal_cross_entropy(p, t, loss):
    """Compute −Σ t (1 − p)² log p."""
    sum_rows(_focal_term, p, t, loss, 1)


@kernel
def _areas(outputs, targets):
    """Return Σ p t and Σ p + t over the positions of one class."""
    overlap, areas = outputs.dtype.type(0), outputs.dtype.type(0)
    for q in range(outputs.size):
        overlap += outputs[q] * targets[q]
        areas += outputs[q] + targets[q]
    return overlap, areas


@operation(per_sample)
@kernel
def dice(p, t, loss):
    """Compute 1 − 1/K Σ (2 Σ p t + 1)/(Σ p + t + 1)."""
    unit = p.dtype.type(1)
    outputs, targets = rows_of(p), rows_of(t)
    for n in range(p.shape[0]):
        total = p.dtype.type(0)
        for k in range(p.shape[1]):
            overlap, areas = _areas(outputs[n, k], targets[n, k])
            total += (overlap + overlap + unit) / (areas + unit)
        loss[n] = unit - total / p.dtype.type(p.shape[1])


@elementwise
def dice_dp(p, t, dp, batch=None):
    """Compute 1/K ((2 Σ p t + 1)/(Σ p + t + 1)² − 2 t/(Σ p + t + 1))/batch."""
    unit = p.dtype.type(1)
    divisor = p.dtype.type((p.shape[0] if batch is None else batch) * p.shape[1])
    outputs, targets, results = rows_of(p), rows_of(t), rows_of(dp)
    for n in range(p.shape[0]):
        for k in range(p.shape[1]):
            overlap, areas = _areas(outputs[n, k], targets[n, k])
            share = (overlap + overlap + unit) / (areas + unit)
            for q in range(positions_of(p)):
                results[n, k, q] = (share - targets[n, k, q] - targets[n, k, q]) / (areas + unit) / divisor


@kernel
def _index_of_largest(rows, q):
    """Return the index of the first NaN in column q or, without NaN, of the first maximum."""
    best = 0
    for k in range(rows.shape[0]):
        larger = rows[k, q] > rows[best, q] or rows[k, q] != rows[k, q]
        best = k if larger and rows[best, q] == rows[best, q] else best
    return best


@operation(per_row)
@kernel
def correct(p, t, right):
    """Compute 1 for each row where the maxima of p and t have the same index, else 0."""
    outputs, targets, results = rows_of(p), rows_of(t), right.reshape(p.shape[0], positions_of(p))
    for n in range(p.shape[0]):
        for q in range(results.shape[1]):
            results[n, q] = 1 if _index_of_largest(outputs[n], q) == _index_of_largest(targets[n], q) else 0


@inlined
def _same_side(p, t, unit, tiny):
    half = unit / (unit + unit)
    return unit if (p >= half and t >= half) or (p < half and t < half) else unit - unit


@operation(per_row)
@kernel
def correct_labels(p, t, right):
    """Compute the fraction of labels where p and t are on the same side of ½."""
    sum_rows(_same_side, p, t, right, p.shape[1])
