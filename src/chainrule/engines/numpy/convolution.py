"""Cross-correlation and its gradients in NumPy, one kernel row at a time. Equations: `reference.convolution`.

If every patch of the image is stored as a column (im2col), a single matrix product is sufficient, but KH · KW copies of
the image are needed. Here the image is copied only KW times, with horizontal shifts (`_columns`). The patches for
kernel row u are then a view of rows of these copies, and the operation consists of KH matrix products. This is faster
with few channels, as in small networks, and needs 1/KH of the memory. Samples are processed in blocks (`_blocks`):
copies of the whole batch would exceed the caches, and allocating memory takes longer than writing to it.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from chainrule.core.shapes import NO_PADDING, Padding, Pair
from chainrule.engines.numpy.arrays import Array, spread_bias, window_taps

ONE: Pair = (1, 1)
BLOCK_BYTES = 1 << 21  # maximum size of the copies for one block


def cross_correlate(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Pair = ONE,
    padding: Padding = NO_PADDING,
    dilation: Pair = ONE,
    groups: int = 1,
    flip: bool = False,
) -> Array:
    """Compute `reference.cross_correlate` as one matrix product per kernel row, over all samples and positions."""
    outputs, down, across = window_taps(x.shape[2:], w.shape[2:], stride, padding, dilation)
    kernel_rows = _kernel_rows(w, groups, flip)
    y = np.empty((len(x), len(w), *outputs), x.dtype)
    for block in _blocks(x, x.shape[1] * w.shape[3] * x.shape[2] * outputs[1]):
        columns = _columns(x[block], across, outputs[1])
        y[block] = 0 if b is None else spread_bias(b, 4)
        for kernel_row, (rows, i) in zip(kernel_rows, down, strict=True):
            part = y[block, :, i]
            part += (kernel_row @ _by_group(columns[:, :, :, rows], groups)).reshape(part.shape)
    return y


def cross_correlate_dx(
    dy: Array,
    w: Array,
    *,
    size: Pair,
    stride: Pair = ONE,
    padding: Padding = NO_PADDING,
    dilation: Pair = ONE,
    groups: int = 1,
    flip: bool = False,
) -> Array:
    """Compute `reference.cross_correlate_dx` as a matrix product per block, whose rows are added into dx.

    Horizontally, dy is padded and dilated for the full convolution. Vertically, the products of each kernel row are
    added to the rows of dx, which avoids multiplications by the zeros between and around the rows of dy.
    """
    _, down, across = window_taps(size, w.shape[2:], stride, padding, dilation, dy.shape[2:])
    N, C_out, rows_out, _ = dy.shape
    C_in, KH, KW = w.shape[1] * groups, *w.shape[2:]
    kernel = _rotated(w, flip).reshape(groups, C_out // groups, -1, KH, KW).transpose(0, 3, 2, 1, 4)
    kernel = kernel.reshape(groups, KH * C_in // groups, -1)
    dx = np.zeros((N, groups, C_in // groups, *size), dy.dtype)
    for block in _blocks(dy, (C_out * KW + KH * C_in) * rows_out * size[1]):
        spread = np.zeros((len(dy[block]), C_out, KW, rows_out, size[1]), dy.dtype)
        for v, (cells, j) in enumerate(across):
            spread[:, :, v, :, cells] = dy[block, ..., j]
        products = kernel @ _by_group(spread, groups)
        products = products.reshape(-1, groups, KH, C_in // groups, rows_out, size[1])
        for u, (cells, i) in enumerate(down):
            dx[block, ..., cells, :] += products[:, :, u, :, i]
    return dx.reshape(N, C_in, *size)


def cross_correlate_dw(
    x: Array,
    dy: Array,
    *,
    kernel: Pair,
    stride: Pair = ONE,
    padding: Padding = NO_PADDING,
    dilation: Pair = ONE,
    groups: int = 1,
    flip: bool = False,
) -> Array:
    """Compute `reference.cross_correlate_dw` as one matrix product per kernel row and sample, summed over samples."""
    C_out = dy.shape[1]
    outputs, down, across = window_taps(x.shape[2:], kernel, stride, padding, dilation, dy.shape[2:])
    dw = np.zeros((C_out, x.shape[1] // groups, *kernel), x.dtype)
    for block in _blocks(x, x.shape[1] * kernel[1] * x.shape[2] * outputs[1]):
        columns = _columns(x[block], across, outputs[1])
        for u, (rows, i) in enumerate(down):
            patches = _by_group(columns[:, :, :, rows], groups)
            products = _by_group(dy[block, :, i], groups) @ patches.swapaxes(-1, -2)
            dw[:, :, u] += products.sum(axis=0).reshape(C_out, -1, kernel[1])
    return np.ascontiguousarray(_rotated(dw, flip))


def _blocks(x: Array, copied: int) -> Iterator[slice]:
    """Yield slices of the batch, each of at least one sample, whose copies fit into `BLOCK_BYTES`.

    copied   number of copied elements per sample
    """
    samples = max(1, BLOCK_BYTES // (copied * x.itemsize))
    return (slice(start, start + samples) for start in range(0, len(x), samples))


def _columns(x: Array, across: Sequence[tuple[slice, slice]], outputs: int) -> Array:
    """Return a shifted and strided copy of x for each kernel column, (N, C, KW, H, W'), with zeros as padding.

    across    slices of elements and outputs for each kernel column, from `window_taps`
    outputs   number of columns W' of the output
    """
    N, C, H, _ = x.shape
    columns = np.zeros((N, C, len(across), H, outputs), x.dtype)
    for v, (cells, j) in enumerate(across):
        columns[:, :, v, :, j] = x[..., cells]
    return columns


def _by_group(values: Array, groups: int) -> Array:
    """Reshape (N, C, …, H, W) to (N, groups, C/groups · …, H · W), for one matrix product per group."""
    N, *inner, H, W = values.shape
    return values.reshape(N, groups, math.prod(inner) // groups, H * W)


def _kernel_rows(w: Array, groups: int, flip: bool) -> Array:
    """Return the kernel rows as matrices: (KH, groups, C_out/groups, C_in/groups · KW)."""
    C_out, _, KH, _ = w.shape
    rows = _rotated(w, flip).transpose(2, 0, 1, 3)
    return rows.reshape(KH, groups, C_out // groups, -1)


def _rotated(w: Array, flip: bool) -> Array:
    """Return the kernel, rotated by 180° if `flip` (a true convolution)."""
    return w[:, :, ::-1, ::-1] if flip else w
