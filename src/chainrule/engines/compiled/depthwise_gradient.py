"""Kernel gradients of cross-correlations where a group has few filters (see `depthwise.py`).

Each of nine taps has a vector of sums, over all outputs of all samples; the lanes are added up at the end:

    dw[u, v] += Σ_{i,j} dy[i, j] · rows[i + u, j + v]        u and v over a square of 3×3 taps, j over the lanes

A tile takes a vector from each of a few rows of dy, and loads each row of the image once for three taps. With a stride
or a dilation the rows of neighbouring taps are not neighbours: nine taps then share the loads of dy only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.engines.compiled.depthwise import FEW, ROWS, groups_per_block
from chainrule.engines.compiled.filling import kernel_gradient_fit
from chainrule.engines.compiled.layout import (
    PaddedLayout,
    Sliding,
    buffer_size,
    copy_rows,
    correlate_dw_shape,
    forward_taps,
    lay_out_channels,
    padded_layout,
)
from chainrule.engines.compiled.registry import Attributes, operation
from chainrule.engines.compiled.tiles import add_products, add_row_products, load, load_rows, store, store_sums
from chainrule.engines.compiled.toolchain import WIDTH, kernel

SQUARE = 3  # rows and columns of taps of a tile
TAPS = SQUARE * SQUARE


def gradients_are_few(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether groups have so few filters, and channels, that other tiles of a kernel gradient stay empty."""
    groups = given.get("groups", 1)
    channels = arrays[0].shape[-3] // groups
    most = FEW if channels == 1 else FEW - 1 if channels < FEW else 0
    return arrays[1].shape[-3] <= most * groups and kernel_gradient_fit("convolution")(arrays, given, itemsize)


@operation(correlate_dw_shape, accumulates=True, replaces="cross_correlate_dw", fits=gradients_are_few)
@kernel
def correlate_few_dw(x, dy, dw, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, flip=False):
    """Add x ⋆ dy to dw, summed over the samples of a block."""
    plain = stride[0] == 1 and stride[1] == 1 and dilation[0] == 1
    if plain and dw.shape[2] >= SQUARE and dw.shape[3] >= SQUARE:
        _gradient_by_rows(x, dy, dw, groups, Sliding(stride, padding, dilation, flip))
    else:
        _gradient_by_taps(x, dy, dw, groups, Sliding(stride, padding, dilation, flip))


@kernel
def _gradient_by_taps(x, dy, dw, groups, slide):
    """Compute the gradient of any taps, nine at a time, over rows of outputs that follow one another without an end."""
    stride, lanes = slide.stride, WIDTH // x.itemsize
    laid, outs, ins = padded_layout(x, slide), dy.shape[1] // groups, dw.shape[1]
    found = forward_taps(dw.shape, laid, slide)
    offsets = np.zeros(found.size + TAPS, np.int64)
    for k in range(found.size):
        offsets[k] = found[k]
    length = (dy.shape[2] - 1) * laid.width + dy.shape[3]
    size, cells = (length + lanes - 1) // lanes * lanes, ins * laid.plane * stride[0] * stride[1]
    block = groups_per_block(groups, cells + outs * size, x.itemsize)
    rows = np.zeros(buffer_size(block * cells, (block - 1) * cells, found, size), x.dtype)
    upstream = np.zeros(block * outs * size, x.dtype)
    vectors = np.empty(block * outs * offsets.size * lanes, x.dtype)
    gradient, sums = dw.reshape(dw.size), np.empty((TAPS + lanes - 1) // lanes * lanes, x.dtype)
    for g in range(0, groups, block):
        end = min(g + block, groups)
        vectors[:] = 0
        for s in range(x.shape[0]):
            lay_out_channels(x, s, (g * ins, end * ins), rows, laid, slide, (0, x.shape[2]))
            copy_rows(dy[s, g * outs : end * outs], upstream, 0, PaddedLayout(laid.width, size))
            for o in range((end - g) * outs):
                for k in range(0, found.size, TAPS):
                    place = (o * offsets.size + k) * lanes
                    tile = load(vectors, place, lanes, 1, TAPS)
                    for p in range(0, size, lanes):
                        tile = add_products(tile, upstream, o * size + p, 0, rows, o // outs * cells + p, offsets, k)
                    store(tile, vectors, place, lanes)
        for o in range((end - g) * outs):
            for k in range(0, found.size, TAPS):
                store_sums(load(vectors, (o * offsets.size + k) * lanes, lanes, 1, TAPS), sums, 0)
                for t in range(k, min(k + TAPS, found.size)):
                    gradient[(g * outs + o) * found.size + t] += sums[t - k]


@kernel
def _gradient_by_rows(x, dy, dw, groups, slide):
    """Compute the gradient of neighbouring taps, a square at a time; the last squares cover some taps again."""
    lanes, (_, _, height, cells) = WIDTH // x.itemsize, dw.shape
    laid, outs, ins = padded_layout(x, slide), dy.shape[1] // groups, dw.shape[1]
    found = forward_taps(dw.shape, laid, slide)
    high, broad = (height + SQUARE - 1) // SQUARE, (cells + SQUARE - 1) // SQUARE
    plane, block = laid.plane, groups_per_block(groups, ins * laid.plane, x.itemsize)
    length, squares, first = dy.shape[2] * laid.width, ins * high * broad, found[: height * cells]
    rows = np.zeros(buffer_size(block * ins * plane, (block * ins - 1) * plane, first, length), x.dtype)
    vectors, upstream = np.empty(block * outs * squares * TAPS * lanes, x.dtype), dy.reshape(dy.size)
    gradient, sums = dw.reshape(dw.size), np.empty((TAPS + lanes - 1) // lanes * lanes, x.dtype)
    along, shape = slide.dilation[1], (dy.shape[2], dy.shape[3], laid.width)
    for g in range(0, groups, block):
        end = min(g + block, groups)
        vectors[:] = 0
        for s in range(x.shape[0]):
            lay_out_channels(x, s, (g * ins, end * ins), rows, laid, slide, (0, x.shape[2]))
            for o in range((end - g) * outs):
                given = (s * dy.shape[1] + g * outs + o) * dy.shape[2] * dy.shape[3]
                for k in range(squares):
                    c, u, v = k // (high * broad), k // broad % high, k % broad
                    u, v = min(u * SQUARE, height - SQUARE), min(v * SQUARE, cells - SQUARE)
                    seen = (o // outs * ins + c) * plane + u * laid.width + v * along
                    place = (o * squares + k) * TAPS * lanes
                    _add_square(upstream, given, rows, seen, along, shape, vectors, place)
        for o in range((end - g) * outs):
            for k in range(squares):
                tile = load(vectors, (o * squares + k) * TAPS * lanes, SQUARE * lanes, SQUARE, SQUARE)
                store_sums(tile, sums, 0)
                c, u, v = k // (high * broad), k // broad % high * SQUARE, k % broad * SQUARE
                above, before = max(u - height + SQUARE, 0), max(v - cells + SQUARE, 0)
                for a in range(above, SQUARE):
                    for b in range(before, SQUARE):
                        t = (u - above + a) * cells + v - before + b
                        t = height * cells - 1 - t if slide.flip else t
                        gradient[((g * outs + o) * ins + c) * height * cells + t] += sums[a * SQUARE + b]


@kernel
def _add_square(upstream, given, rows, seen, along, shape, vectors, place):
    """Add the products of an upstream gradient and the cells under a square of taps to the vectors of their sums."""
    height, cells, width = shape
    lanes = WIDTH // rows.itemsize
    tile = load(vectors, place, SQUARE * lanes, SQUARE, SQUARE)
    for j in range(0, cells, lanes):
        for t in range(0, height - ROWS + 1, ROWS):
            g = load_rows(upstream, given + t * cells + j, cells, cells - j, ROWS, 1)
            tile = add_row_products(tile, g, rows, seen + t * width + j, width, along, cells - j)
        for t in range(height // ROWS * ROWS, height):
            g = load_rows(upstream, given + t * cells + j, cells, cells - j, 1, 1)
            tile = add_row_products(tile, g, rows, seen + t * width + j, width, along, cells - j)
    store(tile, vectors, place, SQUARE * lanes)
