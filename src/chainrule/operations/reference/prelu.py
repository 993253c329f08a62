"""Parametric ReLU: leaky ReLU with one learnt slope per channel.

Derived step by step in docs/derivations/prelu.md.
"""

import numpy as np

from chainrule.core.shapes import text
from chainrule.errors import ShapeError
from chainrule.operations.reference.windows import Array, check_same, check_shape, real_part


def prelu(x: Array, slope: Array) -> Array:
    """Multiply the negative elements of each channel by the channel's slope; NaN propagates.

    y[n,c,i,j] = x[n,c,i,j] where x[n,c,i,j] > 0, else slope[c] · x[n,c,i,j]

    Shapes   x (N, C, H, W) or (N, C), slope (C,)  →  y like x
    Kept     x and slope
    Errors   ShapeError unless slope has one element for each channel
    Source   He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers", eq. 1
    """
    _check("prelu", x, slope)
    y = np.empty(x.shape, np.result_type(x, slope))
    for n, c, *ij in np.ndindex(x.shape):
        y[n, c, *ij] = slope[c] * x[n, c, *ij] if real_part(x[n, c, *ij]) <= 0 else x[n, c, *ij]
    return y


def prelu_dx(dy: Array, x: Array, slope: Array) -> Array:
    """dx[n,c,i,j] = dy[n,c,i,j] where x[n,c,i,j] > 0, else slope[c] · dy[n,c,i,j]"""
    _check("prelu_dx", x, slope)
    check_same("prelu_dx", dy=dy, x=x)
    dx = np.empty(x.shape, np.result_type(dy, slope))
    for n, c, *ij in np.ndindex(x.shape):
        dx[n, c, *ij] = slope[c] * dy[n, c, *ij] if real_part(x[n, c, *ij]) <= 0 else dy[n, c, *ij]
    return dx


def prelu_dw(dy: Array, x: Array) -> Array:
    """dslope[c] = Σ_{n,i,j} dy[n,c,i,j] · min(0, x[n,c,i,j])

    Source   He, Zhang, Ren, Sun 2015, eq. 2–3
    """
    _check("prelu_dw", x)
    check_same("prelu_dw", dy=dy, x=x)
    dslope = np.zeros(x.shape[1], np.result_type(dy, x))
    for n, c, *ij in np.ndindex(x.shape):
        if real_part(x[n, c, *ij]) <= 0:
            dslope[c] += dy[n, c, *ij] * x[n, c, *ij]
    return dslope


def _check(operation: str, x: Array, slope: Array | None = None) -> None:
    if x.ndim not in (2, 4):
        raise ShapeError(f"{operation}: x is {text(x.shape)}, expected (N, C, H, W) or (N, C)")
    if slope is not None:
        check_shape(operation, "slope", slope, (x.shape[1],))
