"""The dense (fully connected) layer and its gradients; the bias of dense and convolutional layers.

Derived step by step in docs/derivations/dense.md and docs/derivations/bias.md.
"""

import numpy as np

from chainrule.core.shapes import text
from chainrule.errors import ShapeError
from chainrule.operations.reference.windows import Array, check_axes


def add_bias(x: Array, b: Array) -> Array:
    """Add a bias for each channel (tied) or for each element of a sample (untied).

    y[n,o,i,j] = x[n,o,i,j] + b[o]        tied
    y[n,o,i,j] = x[n,o,i,j] + b[o,i,j]    untied

    Shapes   x (N, C, H, W) or (N, F), b (C,) or (C, H, W)  →  y like x
    Kept     nothing
    Errors   ShapeError unless b has one element for each channel or for each position
    Source   VanillaCNN eq. 14, 18 (tied); numpy-cnn eq. 8; Independent Code and Venchislaw eq. 4 (untied)
    """
    if x.ndim < 2 or b.shape not in ((x.shape[1],), x.shape[1:]):
        positions = text(x.shape[1:])
        channels = text(x.shape[1:2])
        raise ShapeError(f"add_bias: bias {text(b.shape)} does not fit {positions}; expected {channels} or {positions}")
    y = np.empty(x.shape, np.result_type(x, b))
    for n, o, *ij in np.ndindex(x.shape):
        y[n, o, *ij] = x[n, o, *ij] + (b[o] if b.ndim == 1 else b[o, *ij])
    return y


def constant(x: Array, b: Array) -> Array:
    """Give every sample the same numbers, whatever x is.

    y[n,o] = b[o]

    Shapes   x (N, …), b (F,)  →  y (N, F)
    Kept     nothing
    Errors   ShapeError unless b is a vector
    Source   docs/derivations/bias.md
    """
    check_axes("constant", "b", b, "F")
    y = np.empty((x.shape[0], b.shape[0]), b.dtype)
    for n, o in np.ndindex(y.shape):
        y[n, o] = b[o]
    return y


def bias_gradient(dy: Array, *, untied: bool = False) -> Array:
    """db[o] = Σ_{n,i,j} dy[n,o,i,j], and untied db[o,i,j] = Σ_n dy[n,o,i,j]

    Source   VanillaCNN eq. 30, 37, 42; numpy-cnn eq. 4; Independent Code, (2) ∂E/∂b (untied)
    """
    if dy.ndim < 2:
        raise ShapeError(f"bias_gradient: dy is {text(dy.shape) or 'a single number'}, expected (N, C, H, W) or (N, F)")
    db = np.zeros(dy.shape[1:] if untied else dy.shape[1:2], dy.dtype)
    for n, o, *ij in np.ndindex(dy.shape):
        db[(o, *ij) if untied else (o,)] += dy[n, o, *ij]
    return db


def dense(x: Array, w: Array, b: Array | None = None) -> Array:
    """Compute weighted sums of all inputs: y = W x + b.

    y[n,o] = b[o] + Σ_c w[o,c] · x[n,c]

    Shapes   x (N, F_in), w (F_out, F_in), b (F_out,)  →  y (N, F_out)
    Kept     x and w
    Errors   ShapeError when x and w do not have the same F_in
    Source   VanillaCNN eq. 23–24; numpy-cnn eq. 1, 5; Zayan, "Recap"
    """
    check_axes("dense", "x", x, "N, F_in")
    check_axes("dense", "w", w, "F_out, F_in")
    if x.shape[1] != w.shape[1]:
        raise ShapeError(f"dense: x {text(x.shape)} has {x.shape[1]} features, w {text(w.shape)} reads {w.shape[1]}")
    y = np.zeros((x.shape[0], w.shape[0]), np.result_type(x, w))
    for n in range(x.shape[0]):
        for o in range(w.shape[0]):
            for c in range(w.shape[1]):
                y[n, o] += w[o, c] * x[n, c]
    return y if b is None else add_bias(y, b)


def dense_dx(dy: Array, w: Array) -> Array:
    """dx[n,c] = Σ_o dy[n,o] · w[o,c]        dx = Wᵀ dy

    Source   VanillaCNN eq. 31; numpy-cnn eq. 2; Zayan, "Recap"
    """
    check_axes("dense_dx", "dy", dy, "N, F_out")
    check_axes("dense_dx", "w", w, "F_out, F_in")
    if dy.shape[1] != w.shape[0]:
        raise ShapeError(f"dense_dx: dy {text(dy.shape)} has {dy.shape[1]} features, w {text(w.shape)} {w.shape[0]}")
    dx = np.zeros((dy.shape[0], w.shape[1]), np.result_type(dy, w))
    for n in range(dy.shape[0]):
        for o in range(w.shape[0]):
            for c in range(w.shape[1]):
                dx[n, c] += dy[n, o] * w[o, c]
    return dx


def dense_dw(x: Array, dy: Array) -> Array:
    """dw[o,c] = Σ_n dy[n,o] · x[n,c]        dW = dy xᵀ

    Source   VanillaCNN eq. 29; numpy-cnn eq. 3; Zayan, "Recap"
    """
    check_axes("dense_dw", "x", x, "N, F_in")
    check_axes("dense_dw", "dy", dy, "N, F_out")
    if x.shape[0] != dy.shape[0]:
        raise ShapeError(f"dense_dw: x {text(x.shape)} has {x.shape[0]} samples, dy {text(dy.shape)} {dy.shape[0]}")
    dw = np.zeros((dy.shape[1], x.shape[1]), np.result_type(x, dy))
    for n in range(x.shape[0]):
        for o in range(dy.shape[1]):
            for c in range(x.shape[1]):
                dw[o, c] += dy[n, o] * x[n, c]
    return dw
