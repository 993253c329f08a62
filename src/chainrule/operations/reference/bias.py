"""The bias of a convolution or a dense layer: one entry for each channel, or for each output position.

Derived step by step in docs/derivations/bias.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import text
from chainrule.errors import ShapeError


def add_bias(x: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Add the bias of every channel.

    y[n,o,i,j] = x[n,o,i,j] + b[o]        tied
    y[n,o,i,j] = x[n,o,i,j] + b[o,i,j]    untied

    Shapes   x (N, C, H, W) or (N, F), b (C,) or (C, H, W)  →  y like x
    Kept     nothing
    Errors   ShapeError when b has neither one entry for each channel nor one for each position
    Source   VanillaCNN eq. 14, 18 (tied); numpy-cnn eq. 8; Independent Code and Venchislaw eq. 4 (untied)
    """
    if x.ndim < 2 or b.shape not in ((x.shape[1],), x.shape[1:]):
        positions, channels = text(x.shape[1:]), text(x.shape[1:2])
        raise ShapeError(f"add_bias: bias {text(b.shape)} does not fit {positions}; expected {channels} or {positions}")
    y = np.empty(x.shape, np.result_type(x, b))
    for n, o, *ij in np.ndindex(x.shape):
        y[n, o, *ij] = x[n, o, *ij] + (b[o] if b.ndim == 1 else b[o, *ij])
    return y


def bias_gradient(dy: NDArray[Any], *, untied: bool = False) -> NDArray[Any]:
    """db[o] = Σ_{n,i,j} dy[n,o,i,j], and untied db[o,i,j] = Σ_n dy[n,o,i,j]

    Source   VanillaCNN eq. 30, 37, 42; numpy-cnn eq. 4; Independent Code, (2) ∂E/∂b (untied)
    """
    if dy.ndim < 2:
        raise ShapeError(f"bias_gradient: dy is {text(dy.shape) or 'a single number'}, expected (N, C, H, W) or (N, F)")
    db = np.zeros(dy.shape[1:] if untied else dy.shape[1:2], dy.dtype)
    for n, o, *ij in np.ndindex(dy.shape):
        db[(o, *ij) if untied else (o,)] += dy[n, o, *ij]
    return db
