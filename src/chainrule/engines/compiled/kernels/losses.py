"""Losses and their gradients, compiled. The equations are in reference/losses.py.

A loss has one value per row: per sample, or per position of a dense prediction. Rows are read as (N, K, positions).
`batch` is the number of rows in the batch, over which the loss is averaged; None: the arrays contain the whole batch.
"""

import numpy as np

from chainrule.engines.compiled.compiler import exponential, inlined, kernel
from chainrule.engines.compiled.kernels.registry import elementwise, operation, per_row, per_sample


@inlined
def _positions(p):
    """Return the number of positions per sample; 1 for vectors (N, K)."""
    return p.size // max(p.shape[0] * p.shape[1], 1)


@inlined
def _rows(p):
    """Return a view (N, K, positions)."""
    return p.reshape(p.shape[0], p.shape[1], _positions(p))


@operation(per_row)
@kernel
def half_squared_error(p, t, loss):
    """Compute ½ Σ (p − t)²."""
    half = p.dtype.type(0.5)
    outputs, targets, results = _rows(p), _rows(t), loss.reshape(p.shape[0], _positions(p))
    for s in range(p.shape[0]):
        for q in range(results.shape[1]):
            total = p.dtype.type(0)
            for k in range(p.shape[1]):
                total += (outputs[s, k, q] - targets[s, k, q]) ** 2
            results[s, q] = half * total


@elementwise
def half_squared_error_dp(p, t, dp, batch=None):
    """Compute (p − t)/batch."""
    divisor = p.dtype.type(p.shape[0] * _positions(p) if batch is None else batch)
    outputs, targets, results = p.reshape(p.size), t.reshape(p.size), dp.reshape(p.size)
    for e in range(p.size):
        results[e] = (outputs[e] - targets[e]) / divisor


@operation(per_row)
@kernel
def mean_squared_error(p, t, loss):
    """Compute 1/K Σ (p − t)²."""
    outputs, targets, results = _rows(p), _rows(t), loss.reshape(p.shape[0], _positions(p))
    for s in range(p.shape[0]):
        for q in range(results.shape[1]):
            total = p.dtype.type(0)
            for k in range(p.shape[1]):
                total += (outputs[s, k, q] - targets[s, k, q]) ** 2
            results[s, q] = total / p.dtype.type(p.shape[1])


@elementwise
def mean_squared_error_dp(p, t, dp, batch=None):
    """Compute 2/K (p − t)/batch."""
    divisor = p.dtype.type((p.shape[0] * _positions(p) if batch is None else batch) * p.shape[1]) / p.dtype.type(2)
    outputs, targets, results = p.reshape(p.size), t.reshape(p.size), dp.reshape(p.size)
    for e in range(p.size):
        results[e] = (outputs[e] - targets[e]) / divisor


@kernel
def _clipped(value, low, high):
    """Return a value clipped to [low, high]. NaN propagates."""
    return low if value < low else (high if value > high else value)


@operation(per_row)
@kernel
def mean_absolute_error(p, t, loss):
    """Compute 1/K Σ |p − t|."""
    outputs, targets, results = _rows(p), _rows(t), loss.reshape(p.shape[0], _positions(p))
    for s in range(p.shape[0]):
        for q in range(results.shape[1]):
            total = p.dtype.type(0)
            for k in range(p.shape[1]):
                total += abs(outputs[s, k, q] - targets[s, k, q])
            results[s, q] = total / p.dtype.type(p.shape[1])


@elementwise
def mean_absolute_error_dp(p, t, dp, batch=None):
    """Compute sgn(p − t)/K/batch."""
    unit = p.dtype.type(1)
    divisor = p.dtype.type((p.shape[0] * _positions(p) if batch is None else batch) * p.shape[1])
    outputs, targets, results = p.reshape(p.size), t.reshape(p.size), dp.reshape(p.size)
    for e in range(p.size):
        difference = outputs[e] - targets[e]
        results[e] = (unit if difference > 0 else (-unit if difference < 0 else difference)) / divisor


@operation(per_row)
@kernel
def huber(p, t, loss):
    """Compute 1/K Σ s (e − s/2), where e = p − t, and s is e clipped to [−1, 1]."""
    half, unit = p.dtype.type(0.5), p.dtype.type(1)
    outputs, targets, results = _rows(p), _rows(t), loss.reshape(p.shape[0], _positions(p))
    for s in range(p.shape[0]):
        for q in range(results.shape[1]):
            total = p.dtype.type(0)
            for k in range(p.shape[1]):
                e = outputs[s, k, q] - targets[s, k, q]
                slope = _clipped(e, -unit, unit)
                total += slope * (e - half * slope)
            results[s, q] = total / p.dtype.type(p.shape[1])


@elementwise
def huber_dp(p, t, dp, batch=None):
    """Compute (p − t, clipped to [−1, 1])/K/batch."""
    unit = p.dtype.type(1)
    divisor = p.dtype.type((p.shape[0] * _positions(p) if batch is None else batch) * p.shape[1])
    outputs, targets, results = p.reshape(p.size), t.reshape(p.size), dp.reshape(p.size)
    for e in range(p.size):
        results[e] = _clipped(outputs[e] - targets[e], -unit, unit) / divisor


@operation(per_row)
@kernel
def binary_cross_entropy(p, t, loss):
    """Compute −1/K Σ t log p + (1 − t) log(1 − p)."""
    unit = p.dtype.type(1)
    tiny = p.dtype.type(np.finfo(p.dtype).eps)
    outputs, targets, results = _rows(p), _rows(t), loss.reshape(p.shape[0], _positions(p))
    for s in range(p.shape[0]):
        for q in range(results.shape[1]):
            total = p.dtype.type(0)
            for k in range(p.shape[1]):
                inside, target = _clipped(outputs[s, k, q], tiny, unit - tiny), targets[s, k, q]
                total += target * np.log(inside) + (unit - target) * np.log(unit - inside)
            results[s, q] = -total / p.dtype.type(p.shape[1])


@elementwise
def binary_cross_entropy_dp(p, t, dp, batch=None):
    """Compute 1/K ((1 − t)/(1 − p) − t/p)/batch."""
    unit = p.dtype.type(1)
    tiny = p.dtype.type(np.finfo(p.dtype).eps)
    divisor = p.dtype.type((p.shape[0] * _positions(p) if batch is None else batch) * p.shape[1])
    outputs, targets, results = p.reshape(p.size), t.reshape(p.size), dp.reshape(p.size)
    for e in range(p.size):
        q = _clipped(outputs[e], tiny, unit - tiny)
        results[e] = ((unit - targets[e]) / (unit - q) - targets[e] / q) / divisor


@operation(per_row)
@kernel
def categorical_cross_entropy(p, t, loss):
    """Compute −Σ t log p."""
    unit = p.dtype.type(1)
    tiny = p.dtype.type(np.finfo(p.dtype).eps)
    outputs, targets, results = _rows(p), _rows(t), loss.reshape(p.shape[0], _positions(p))
    for s in range(p.shape[0]):
        for q in range(results.shape[1]):
            total = p.dtype.type(0)
            for k in range(p.shape[1]):
                if targets[s, k, q] != 0 or outputs[s, k, q] != outputs[s, k, q]:
                    total += targets[s, k, q] * np.log(_clipped(outputs[s, k, q], tiny, unit))
            results[s, q] = -total


@elementwise
def categorical_cross_entropy_dp(p, t, dp, batch=None):
    """Compute −t/p/batch."""
    unit = p.dtype.type(1)
    tiny = p.dtype.type(np.finfo(p.dtype).eps)
    divisor = p.dtype.type(p.shape[0] * _positions(p) if batch is None else batch)
    outputs, targets, results = p.reshape(p.size), t.reshape(p.size), dp.reshape(p.size)
    for e in range(p.size):
        results[e] = -targets[e] / _clipped(outputs[e], tiny, unit) / divisor


@operation(per_row)
@kernel
def binary_focal_cross_entropy(p, t, loss):
    """Compute −1/K Σ t (1 − p)² log p + (1 − t) p² log(1 − p)."""
    unit = p.dtype.type(1)
    tiny = p.dtype.type(np.finfo(p.dtype).eps)
    outputs, targets, results = _rows(p), _rows(t), loss.reshape(p.shape[0], _positions(p))
    for s in range(p.shape[0]):
        for q in range(results.shape[1]):
            total = p.dtype.type(0)
            for k in range(p.shape[1]):
                yes, target = _clipped(outputs[s, k, q], tiny, unit - tiny), targets[s, k, q]
                no = unit - yes
                total += target * no * no * np.log(yes) + (unit - target) * yes * yes * np.log(no)
            results[s, q] = -total / p.dtype.type(p.shape[1])


@elementwise
def binary_focal_cross_entropy_dp(p, t, dp, batch=None):
    """Compute 1/K (t (2 (1 − p) log p − (1 − p)²/p) + (1 − t) (p²/(1 − p) − 2 p log(1 − p)))/batch."""
    unit = p.dtype.type(1)
    two, tiny = unit + unit, p.dtype.type(np.finfo(p.dtype).eps)
    divisor = p.dtype.type((p.shape[0] * _positions(p) if batch is None else batch) * p.shape[1])
    outputs, targets, results = p.reshape(p.size), t.reshape(p.size), dp.reshape(p.size)
    for e in range(p.size):
        yes = _clipped(outputs[e], tiny, unit - tiny)
        no = unit - yes
        of_yes = two * no * np.log(yes) - no * no / yes
        of_no = yes * yes / no - two * yes * np.log(no)
        results[e] = (targets[e] * of_yes + (unit - targets[e]) * of_no) / divisor


@operation(per_row)
@kernel
def categorical_focal_cross_entropy(p, t, loss):
    """Compute −Σ t (1 − p)² log p."""
    unit = p.dtype.type(1)
    tiny = p.dtype.type(np.finfo(p.dtype).eps)
    outputs, targets, results = _rows(p), _rows(t), loss.reshape(p.shape[0], _positions(p))
    for s in range(p.shape[0]):
        for q in range(results.shape[1]):
            total = p.dtype.type(0)
            for k in range(p.shape[1]):
                inside = _clipped(outputs[s, k, q], tiny, unit)
                total += targets[s, k, q] * (unit - inside) * (unit - inside) * np.log(inside)
            results[s, q] = -total


@elementwise
def categorical_focal_cross_entropy_dp(p, t, dp, batch=None):
    """Compute t (2 (1 − p) log p − (1 − p)²/p)/batch."""
    unit = p.dtype.type(1)
    two, tiny = unit + unit, p.dtype.type(np.finfo(p.dtype).eps)
    divisor = p.dtype.type(p.shape[0] * _positions(p) if batch is None else batch)
    outputs, targets, results = p.reshape(p.size), t.reshape(p.size), dp.reshape(p.size)
    for e in range(p.size):
        inside = _clipped(outputs[e], tiny, unit)
        other = unit - inside
        results[e] = targets[e] * (two * other * np.log(inside) - other * other / inside) / divisor


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
    outputs, targets = _rows(p), _rows(t)
    for s in range(p.shape[0]):
        total = p.dtype.type(0)
        for k in range(p.shape[1]):
            overlap, areas = _areas(outputs[s, k], targets[s, k])
            total += (overlap + overlap + unit) / (areas + unit)
        loss[s] = unit - total / p.dtype.type(p.shape[1])


@elementwise
def dice_dp(p, t, dp, batch=None):
    """Compute 1/K ((2 Σ p t + 1)/(Σ p + t + 1)² − 2 t/(Σ p + t + 1))/batch."""
    unit = p.dtype.type(1)
    divisor = p.dtype.type((p.shape[0] if batch is None else batch) * p.shape[1])
    outputs, targets, results = _rows(p), _rows(t), _rows(dp)
    for s in range(p.shape[0]):
        for k in range(p.shape[1]):
            overlap, areas = _areas(outputs[s, k], targets[s, k])
            share = (overlap + overlap + unit) / (areas + unit)
            for q in range(_positions(p)):
                results[s, k, q] = (share - targets[s, k, q] - targets[s, k, q]) / (areas + unit) / divisor


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


@operation(per_row)
@kernel
def softmax_cross_entropy(p, t, loss):
    """Compute Σ t (log Σ e^x − x) for logits x, which are passed as p."""
    outputs, targets, results = _rows(p), _rows(t), loss.reshape(p.shape[0], _positions(p))
    for s in range(p.shape[0]):
        for q in range(results.shape[1]):
            maximum, total = _column_sums(outputs[s], q)
            level = maximum + np.log(total)
            total_loss = p.dtype.type(0)
            for k in range(p.shape[1]):
                total_loss += targets[s, k, q] * (level - outputs[s, k, q])
            results[s, q] = total_loss


@elementwise
def softmax_cross_entropy_dp(p, t, dp, batch=None):
    """Compute (softmax(x)·Σ t − t)/batch for logits x, which are passed as p. With one-hot targets, Σ t = 1."""
    outputs, targets, results = _rows(p), _rows(t), _rows(dp)
    divisor = p.dtype.type(p.shape[0] * _positions(p) if batch is None else batch)
    for s in range(p.shape[0]):
        for q in range(_positions(p)):
            maximum, total = _column_sums(outputs[s], q)
            target_sum = p.dtype.type(0)
            for k in range(p.shape[1]):
                target_sum += targets[s, k, q]
            for k in range(p.shape[1]):
                share = exponential(outputs[s, k, q] - maximum) / total
                results[s, k, q] = (share * target_sum - targets[s, k, q]) / divisor


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
    outputs, targets, results = _rows(p), _rows(t), right.reshape(p.shape[0], _positions(p))
    for s in range(p.shape[0]):
        for q in range(results.shape[1]):
            results[s, q] = 1 if _index_of_largest(outputs[s], q) == _index_of_largest(targets[s], q) else 0


@operation(per_row)
@kernel
def correct_labels(p, t, right):
    """Compute the fraction of labels where p and t are on the same side of ½."""
    half, unit = p.dtype.type(0.5), p.dtype.type(1)
    outputs, targets, results = _rows(p), _rows(t), right.reshape(p.shape[0], _positions(p))
    for s in range(p.shape[0]):
        for q in range(results.shape[1]):
            matches = p.dtype.type(0)
            for k in range(p.shape[1]):
                yes = outputs[s, k, q] >= half and targets[s, k, q] >= half
                no = outputs[s, k, q] < half and targets[s, k, q] < half
                matches += unit if yes or no else unit - unit
            results[s, q] = matches / p.dtype.type(p.shape[1])
