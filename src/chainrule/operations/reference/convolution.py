"""Cross-correlation and its two gradients. All three have the same form: products, summed over different indices.

Derived step by step in docs/derivations/convolution.md.
"""

from collections.abc import Iterator

import numpy as np

from chainrule.core.shapes import Padding, Pair, text
from chainrule.errors import ShapeError
from chainrule.operations.reference.dense import add_bias
from chainrule.operations.reference.windows import Array, Axis, check_axes, check_shape, sliding, taps


def cross_correlate(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Padding = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
    flip: bool = False,
) -> Array:
    """Slide every kernel over the image and add the bias.

    y[n,o,i,j] = b[o] + Σ_{c,u,v} x̄[n,c, s·i + d·u, s·j + d·v] · w[o,c,u,v]        x̄: x padded with zeros

    groups   output group g reads only input group g: in w, c counts from 0; in x̄, c is replaced by g·C_in/groups + c
    flip     true convolution: w[o,c, KH−1−u, KW−1−v] instead of w[o,c,u,v]

    Shapes   x (N, C_in, H, W), w (C_out, C_in/groups, KH, KW), b (C_out,) or (C_out, H', W')  →  y (N, C_out, H', W')
             H' = ⌊(H + p_top + p_bottom − d(KH−1) − 1)/s⌋ + 1, W' likewise
    Kept     x and w
    Errors   ShapeError when the channels do not match or the kernel is larger than the padded image
    Source   VanillaCNN eq. 1–5, 13–14, 17–18; numpy-cnn eq. 6, 8; Independent Code, "Forward propagation"; Venchislaw
    """
    check_axes("cross_correlate", "x", x, "N, C_in, H, W")
    check_axes("cross_correlate", "w", w, "C_out, C_in/groups, KH, KW")
    _check_channels("cross_correlate", x.shape[1], w.shape, groups)
    rows, columns = sliding("cross_correlate", "kernel", x.shape[2:], w.shape[2:], stride, padding, dilation)
    slid = _rotated(w) if flip else w
    y = np.zeros((x.shape[0], w.shape[0], rows.outputs, columns.outputs), np.result_type(x, w))
    for n, o, i, j, c, u, v, (a, h, k) in _products(x.shape[0], w.shape, rows, columns, groups):
        y[n, o, i, j] += x[n, a, h, k] * slid[o, c, u, v]
    return y if b is None else add_bias(y, b)


def cross_correlate_dx(
    dy: Array,
    w: Array,
    *,
    size: Pair,
    stride: Pair = (1, 1),
    padding: Padding = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
    flip: bool = False,
) -> Array:
    """dx[n,c,h,k] = Σ_{o,i,j,u,v} dy[n,o,i,j] · w[o,c,u,v]        where h = s·i + d·u − p_top, k = s·j + d·v − p_left
    dx[n,c,h,k] = Σ_{o,u,v} dȳ[n,o, (h + p − d·u)/s, (k + q − d·v)/s] · w[o,c,u,v]        dȳ: 0 where there is no output

    The first line is the form used in the loops: each dy is added to all elements under its window. The second line is
    the same sum for a single element, with p = p_top and q = p_left.

    With s = d = 1 this is the full convolution of dy and w. ``size`` is (H, W) of x.

    Source   VanillaCNN eq. 3, 38; numpy-cnn eq. 10; Independent Code, (3) ∂E/∂x; Venchislaw, "Moonwalking"
    """
    check_axes("cross_correlate_dx", "w", w, "C_out, C_in/groups, KH, KW")
    check_axes("cross_correlate_dx", "dy", dy, "N, C_out, H', W'")
    _check_channels("cross_correlate_dx", groups * w.shape[1], w.shape, groups)
    rows, columns = sliding("cross_correlate_dx", "kernel", size, w.shape[2:], stride, padding, dilation)
    check_shape("cross_correlate_dx", "dy", dy, (dy.shape[0], w.shape[0], rows.outputs, columns.outputs))
    slid = _rotated(w) if flip else w
    dx = np.zeros((dy.shape[0], groups * w.shape[1], *size), np.result_type(dy, w))
    for n, o, i, j, c, u, v, (a, h, k) in _products(dy.shape[0], w.shape, rows, columns, groups):
        dx[n, a, h, k] += dy[n, o, i, j] * slid[o, c, u, v]
    return dx


def cross_correlate_dw(
    x: Array,
    dy: Array,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Padding = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
    flip: bool = False,
) -> Array:
    """dw[o,c,u,v] = Σ_{n,i,j} dy[n,o,i,j] · x̄[n,c, s·i + d·u, s·j + d·v]

    With s = d = 1 this is the cross-correlation of x and dy. ``kernel`` is (KH, KW) of w.

    Source   VanillaCNN eq. 36, 41; numpy-cnn eq. 11; Independent Code, (1) ∂E/∂k; Zayan, ∂c/∂X; Venchislaw
    """
    check_axes("cross_correlate_dw", "x", x, "N, C_in, H, W")
    check_axes("cross_correlate_dw", "dy", dy, "N, C_out, H', W'")
    shape = (dy.shape[1], x.shape[1] // max(groups, 1), *kernel)
    _check_channels("cross_correlate_dw", x.shape[1], shape, groups)
    rows, columns = sliding("cross_correlate_dw", "kernel", x.shape[2:], kernel, stride, padding, dilation)
    check_shape("cross_correlate_dw", "dy", dy, (x.shape[0], dy.shape[1], rows.outputs, columns.outputs))
    dw = np.zeros(shape, np.result_type(x, dy))
    slid = _rotated(dw) if flip else dw  # a view of dw
    for n, o, i, j, c, u, v, (a, h, k) in _products(x.shape[0], shape, rows, columns, groups):
        slid[o, c, u, v] += dy[n, o, i, j] * x[n, a, h, k]
    return dw


def _products(
    samples: int, shape: tuple[int, ...], rows: Axis, columns: Axis, groups: int
) -> Iterator[tuple[int, int, int, int, int, int, int, tuple[int, int, int]]]:
    """Yield the indices of all products in the sum: n,o,i,j of y, then c,u,v of w, then the element (a,h,k) of x."""
    C_out, C_group = shape[:2]
    for n in range(samples):
        for o in range(C_out):
            g = o // (C_out // groups)
            for i in range(rows.outputs):
                for j in range(columns.outputs):
                    for c in range(C_group):
                        for u, h in taps(rows, i):
                            for v, k in taps(columns, j):
                                yield n, o, i, j, c, u, v, (g * C_group + c, h, k)


def _rotated(w: Array) -> Array:
    """Return a view of the kernel rotated by 180°: w[o,c, KH−1−u, KW−1−v]."""
    return w[:, :, ::-1, ::-1]


def _check_channels(operation: str, channels: int, shape: tuple[int, ...], groups: int) -> None:
    if groups < 1 or shape[0] % groups or channels % groups:
        raise ShapeError(f"{operation}: {groups} groups do not divide {channels} input and {shape[0]} output channels")
    if shape[1] * groups != channels:
        raise ShapeError(
            f"{operation}: w {text(shape)} in {groups} groups reads {shape[1] * groups} channels, x has {channels}"
        )
