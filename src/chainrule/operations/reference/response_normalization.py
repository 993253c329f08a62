"""Local response normalization: every value is divided by a power of the squares in neighbouring channels.

The window of channel c is the channels m with |m − c| ≤ (size − 1)/2 that exist; size is odd, so that c is in the
window of m where m is in the window of c.

Derived step by step in docs/derivations/response_normalization.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.operations.reference.checks import check_axes, check_same


def local_response_norm(
    x: NDArray[Any], *, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> NDArray[Any]:
    """Divide every value by a power of a constant and the mean square in its window of channels.

    y[n,c,i,j] = x[n,c,i,j] · s[n,c,i,j]^(−beta)        s[n,c,i,j] = k + alpha/size Σ_m x[n,m,i,j]²

    Shapes   x (N, C, H, W)  →  y like x
    Kept     x
    Errors   ShapeError when x is not (N, C, H, W)
    Source   Krizhevsky, Sutskever, Hinton 2012, section 3.3, with alpha/size in place of alpha, as PyTorch and ONNX
    """
    check_axes("local_response_norm", "x", x, "N, C, H, W")
    s, y = _scales(x, size, alpha, k), np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = x[e] * s[e] ** -beta
    return y


def local_response_norm_dx(
    dy: NDArray[Any], x: NDArray[Any], *, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> NDArray[Any]:
    """dx[n,c,i,j] = dy[n,c,i,j] · s[n,c,i,j]^(−beta) − 2 · alpha · beta/size · x[n,c,i,j] · d[n,c,i,j]

    d[n,c,i,j] = Σ_m dy[n,m,i,j] · x[n,m,i,j] · s[n,m,i,j]^(−beta − 1)
    """
    check_axes("local_response_norm_dx", "x", x, "N, C, H, W")
    check_same("local_response_norm_dx", dy=dy, x=x)
    s, dx = _scales(x, size, alpha, k), np.empty_like(x)
    for n, c, i, j in np.ndindex(x.shape):
        d = sum(dy[n, m, i, j] * x[n, m, i, j] * s[n, m, i, j] ** (-beta - 1) for m in _window(c, x, size))
        dx[n, c, i, j] = dy[n, c, i, j] * s[n, c, i, j] ** -beta - 2 * alpha * beta / size * x[n, c, i, j] * d
    return dx


def _scales(x: NDArray[Any], size: int, alpha: float, k: float) -> NDArray[Any]:
    """Return s."""
    s = np.empty_like(x)
    for n, c, i, j in np.ndindex(x.shape):
        squares = sum(x[n, m, i, j] * x[n, m, i, j] for m in _window(c, x, size))
        s[n, c, i, j] = k + alpha / size * squares
    return s


def _window(c: int, x: NDArray[Any], size: int) -> range:
    """Return the channels in the window of a channel."""
    return range(max(0, c - size // 2), min(x.shape[1], c + size // 2 + 1))
