"""Batch normalisation, compiled. The equations are in reference/normalization.py.

The statistics need the whole batch: threads meet here, and share the channels instead of the samples, so that every
sum has one order whatever the number of threads. `first` and `last` are the channels of one thread's share.
"""

import numpy as np

from chainrule.engines.numba.registry import elementwise, like, operation
from chainrule.engines.numba.toolchain import kernel


@kernel
def _as_rows(x):
    """Return an array (N, C, …) as (N, C, positions)."""
    return x.reshape((x.shape[0], x.shape[1], x.size // max(x.shape[0] * x.shape[1], 1)))


@operation(like(0, 1, 1))
@kernel
def batch_norm(x, gamma, beta, y, mean, variance, epsilon=1e-5, first=0, last=-1):
    """Compute mean, variance and y, channel by channel; sums in float64."""
    rows, results = _as_rows(x), _as_rows(y)
    count, channels, cells = rows.shape
    for c in range(first, channels if last < 0 else last):
        total = 0.0
        for s in range(count):
            row = rows[s, c]
            for p in range(cells):
                total += row[p]
        middle = total / (count * cells)
        spread = 0.0
        for s in range(count):
            row = rows[s, c]
            for p in range(cells):
                spread += (row[p] - middle) ** 2
        mean[c] = middle
        variance[c] = spread / (count * cells)
        scale = x.dtype.type(gamma[c] / np.sqrt(spread / (count * cells) + epsilon))
        for s in range(count):
            row, result = rows[s, c], results[s, c]
            for p in range(cells):
                result[p] = (row[p] - mean[c]) * scale + beta[c]


@kernel
def _slope_sums(upstream, rows, mean, c):
    """Return Σ dy (x − μ) and Σ dy over a channel."""
    along, total = 0.0, 0.0
    for s in range(rows.shape[0]):
        slope, row = upstream[s, c], rows[s, c]
        for p in range(row.size):
            along += slope[p] * (row[p] - mean[c])
            total += slope[p]
    return along, total


@operation(like(2, 2), accumulates=True)
@kernel
def batch_norm_dw(dy, x, mean, variance, dgamma, dbeta, epsilon=1e-5, first=0, last=-1):
    """Add Σ dy x̂ to dγ and Σ dy to dβ."""
    upstream, rows = _as_rows(dy), _as_rows(x)
    for c in range(first, rows.shape[1] if last < 0 else last):
        along, total = _slope_sums(upstream, rows, mean, c)
        dgamma[c] += along / np.sqrt(variance[c] + epsilon)
        dbeta[c] += total


@elementwise
def batch_norm_dx(dy, x, gamma, mean, variance, dx, epsilon=1e-5, first=0, last=-1):
    """Compute dx = γ/√(σ² + ε) (dy − mean dy − x̂ mean(dy x̂))."""
    upstream, rows, results = _as_rows(dy), _as_rows(x), _as_rows(dx)
    count, channels, cells = rows.shape
    for c in range(first, channels if last < 0 else last):
        along, total = _slope_sums(upstream, rows, mean, c)
        inverse = 1.0 / np.sqrt(variance[c] + epsilon)
        level = x.dtype.type(total / (count * cells))
        tilt = x.dtype.type(along * inverse * inverse / (count * cells))
        scale = x.dtype.type(gamma[c] * inverse)
        for s in range(count):
            slope, row, result = upstream[s, c], rows[s, c], results[s, c]
            for p in range(cells):
                result[p] = scale * (slope[p] - level - (row[p] - mean[c]) * tilt)


@elementwise
def batch_norm_inference(x, gamma, beta, running_mean, running_variance, y, epsilon=1e-5):
    """Compute y = γ (x − μ)/√(σ² + ε) + β with the running statistics."""
    rows, results = _as_rows(x), _as_rows(y)
    for s in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            scale = x.dtype.type(gamma[c] / np.sqrt(running_variance[c] + epsilon))
            row, result = rows[s, c], results[s, c]
            for p in range(row.size):
                result[p] = (row[p] - running_mean[c]) * scale + beta[c]


@operation(like(2, 2))
@kernel
def running_statistics(mean, variance, running_mean, running_variance, new_mean, new_variance, momentum=0.1, count=1):
    """Compute running ← (1 − m)·running + m·batch, the variance unbiased."""
    for c in range(mean.size):
        unbiased = variance[c] * (count / max(count - 1, 1))
        new_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c]
        new_variance[c] = (1 - momentum) * running_variance[c] + momentum * unbiased
