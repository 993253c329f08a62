"""Local response normalization, compiled. The equations are in reference/normalization.py.

The rows of a sample are its channels. s^−¾, of the default β, is made of square roots, which fill vectors, unlike
powers.
"""

import numpy as np

from chainrule.engines.compiled.compiler import inlined, kernel
from chainrule.engines.compiled.kernels.registry import elementwise


@inlined
def _lessened(value, s, beta):
    """Return value · s^−β."""
    return value / np.sqrt(s * np.sqrt(s)) if beta == 0.75 else value * s ** (-beta)


@kernel
def _as_rows(x):
    """Return an array (N, C, H, W) as (N, C, cells)."""
    return x.reshape((x.shape[0], x.shape[1], x.size // max(x.shape[0] * x.shape[1], 1)))


@kernel
def _add_window(rows, c, half, total):
    """Set total to the sums over the window of a channel."""
    for p in range(total.size):
        total[p] = 0
    for m in range(max(0, c - half), min(rows.shape[0], c + half + 1)):
        row = rows[m]
        for p in range(total.size):
            total[p] += row[p]


@kernel
def _set_scales(rows, squares, scales, half, share, k):
    """Set s of all channels of a sample; squares is room for x²."""
    for c in range(rows.shape[0]):
        row, square = rows[c], squares[c]
        for p in range(row.size):
            square[p] = row[p] * row[p]
    for c in range(rows.shape[0]):
        scale = scales[c]
        _add_window(squares, c, half, scale)
        for p in range(scale.size):
            scale[p] = k + share * scale[p]


@elementwise
def local_response_norm(x, y, size=1, alpha=1e-4, beta=0.75, k=1.0):
    """Compute y = x s^−β, s = k + α/size Σ x² over the window of channels."""
    rows, results, kind = _as_rows(x), _as_rows(y), x.dtype.type
    squares, scales, power = np.empty_like(rows[0]), np.empty_like(rows[0]), kind(beta)
    for s in range(x.shape[0]):
        _set_scales(rows[s], squares, scales, size // 2, kind(alpha / size), kind(k))
        for c in range(x.shape[1]):
            row, result, scale = rows[s, c], results[s, c], scales[c]
            for p in range(row.size):
                result[p] = _lessened(row[p], scale[p], power)


@elementwise
def local_response_norm_dx(dy, x, dx, size=1, alpha=1e-4, beta=0.75, k=1.0):
    """Compute dx = dy s^−β − 2αβ/size · x Σ dy x s^(−β−1) over the window of channels."""
    above, rows, results, kind = _as_rows(dy), _as_rows(x), _as_rows(dx), x.dtype.type
    products, scales, total = np.empty_like(rows[0]), np.empty_like(rows[0]), np.empty_like(rows[0, 0])
    share, power = kind(2 * alpha * beta / size), kind(beta)
    for s in range(x.shape[0]):
        _set_scales(rows[s], products, scales, size // 2, kind(alpha / size), kind(k))
        for c in range(x.shape[1]):
            upstream, row, result, scale, product = above[s, c], rows[s, c], results[s, c], scales[c], products[c]
            for p in range(row.size):
                result[p] = _lessened(upstream[p], scale[p], power)
                product[p] = result[p] * row[p] / scale[p]
        for c in range(x.shape[1]):
            _add_window(products, c, size // 2, total)
            row, result = rows[s, c], results[s, c]
            for p in range(row.size):
                result[p] -= share * row[p] * total[p]
