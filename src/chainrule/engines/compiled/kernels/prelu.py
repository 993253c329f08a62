"""Parametric ReLU, compiled. The equations are in reference/prelu.py.

If each channel has a single element, as in vectors, the slope differs from element to element of a sample.
"""

import numpy as np

from chainrule.engines.compiled.compiler import kernel
from chainrule.engines.compiled.kernels.registry import elementwise, operation

PART = 2048  # elements that are summed in the precision of the array; these sums are added in float64


@kernel
def _as_rows(x):
    """Return an array (N, C, …) as (N, C, elements of a channel)."""
    return x.reshape((x.shape[0], x.shape[1], x.size // max(x.shape[0] * x.shape[1], 1)))


@kernel
def _select_by_sign(values, signs, slope, results):
    """Write values where signs > 0, and slope · values elsewhere."""
    count, channels, cells = values.shape
    for s in range(count):
        if cells == 1:
            value, sign, result = values[s, :, 0], signs[s, :, 0], results[s, :, 0]
            for c in range(channels):
                product = slope[c] * value[c]
                result[c] = product if sign[c] <= 0 else value[c]
            continue
        for c in range(channels):
            value, sign, result, product = values[s, c], signs[s, c], results[s, c], slope[c]
            for p in range(cells):
                result[p] = product * value[p] if sign[p] <= 0 else value[p]


@elementwise
def prelu(x, slope, y):
    """Compute y = x where x > 0, else slope·x."""
    rows = _as_rows(x)
    _select_by_sign(rows, rows, slope, _as_rows(y))


@elementwise
def prelu_dx(dy, x, slope, dx):
    """Compute dx = dy where x > 0, else slope·dy."""
    _select_by_sign(_as_rows(dy), _as_rows(x), slope, _as_rows(dx))


@kernel
def _products(upstream, row):
    """Return Σ d x over the elements x ≤ 0 of a row."""
    total, zero = row.dtype.type(0), row.dtype.type(0)
    for p in range(row.size):
        product = upstream[p] * row[p]
        total += product if row[p] <= zero else zero
    return total


@operation(lambda arrays, attributes: [arrays[0].shape[1:2]], accumulates=True)
@kernel
def prelu_dw(dy, x, dslope):
    """Add Σ dy x, where x ≤ 0, to dslope, summed in float64 over the samples of the block."""
    all_upstream, rows = _as_rows(dy), _as_rows(x)
    count, channels, cells = rows.shape
    total = np.zeros(channels)
    for s in range(count):
        for c in range(channels):
            for p in range(0, cells, PART):
                q = min(p + PART, cells)
                total[c] += _products(all_upstream[s, c, p:q], rows[s, c, p:q])
    for c in range(channels):
        dslope[c] += total[c]
