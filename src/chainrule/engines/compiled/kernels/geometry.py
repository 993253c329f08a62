"""Padding, cropping, permutation of axes and resampling, compiled. The equations are in reference/geometry.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.shapes import RESAMPLINGS
from chainrule.engines.compiled.compiler import inlined, kernel
from chainrule.engines.compiled.kernels.pooling import spread
from chainrule.engines.compiled.kernels.registry import COSTLY_FROM, Attributes, Shapes, operation


def padded(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape of the padded samples, including the batch axis."""
    count, *sizes = arrays[0].shape
    return [(count, *(sum(axis) for axis in zip(sizes, attributes["before"], attributes["after"], strict=True)))]


def cropped(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape of the cropped samples, including the batch axis."""
    count, *sizes = arrays[0].shape
    axes = zip(sizes, attributes["before"], attributes["after"], strict=True)
    return [(count, *(size - front - back for size, front, back in axes))]


def permuted(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape of the samples with their axes permuted, including the batch axis."""
    count, *sizes = arrays[0].shape
    return [(count, *(sizes[axis] for axis in attributes["axes"]))]


@operation(padded)
@kernel
def pad(x, y, before=(0, 0, 0)):
    """Fill y with zeros, and copy x into it. Elements that are contiguous in both are copied together, as a run.

    before  number of zeros before x along each axis of a sample
    """
    y[:] = 0
    source, target = x.reshape(x.size), y.reshape(y.size)
    axis, inner = _run(x.shape, y.shape)
    length = inner * x.shape[axis]
    for run in range(source.size // length):
        source_start, target_start = run * length, _start(run, axis, inner, x.shape, y.shape, before)
        for k in range(length):
            target[target_start + k] = source[source_start + k]


@operation(cropped)
@kernel
def crop(x, y, before=(0, 0, 0)):
    """Copy a part of x to y. Elements that are contiguous in both are copied together, as a run.

    before  number of elements cropped at the start of each axis of a sample
    """
    source, target = x.reshape(x.size), y.reshape(y.size)
    axis, inner = _run(y.shape, x.shape)
    length = inner * y.shape[axis]
    for run in range(target.size // length):
        source_start, target_start = _start(run, axis, inner, y.shape, x.shape, before), run * length
        for k in range(length):
            target[target_start + k] = source[source_start + k]


@operation(permuted)
@kernel
def permute(x, y, axes=(0, 1, 2)):
    """Copy x to y, whose axis k (of a sample) is axis axes[k] of x.

    If the last axes are not permuted, all elements along them form a run, which is contiguous in x and y. Otherwise, a
    run consists of the elements of y along the last axis, which are not contiguous in x.
    """
    source, target = x.reshape(x.size), y.reshape(y.size)
    axis, length, step = len(axes), 1, 1
    while axis > 1 and axes[axis - 1] == axis - 1:
        length *= y.shape[axis]
        axis -= 1
    if axis == len(axes):
        length, step = y.shape[axis], _step(x.shape, axes[axis - 1] + 1)
        axis -= 1
    rows, columns, down, along = 1, 1, 0, 0  # the two axes before the run, which are the innermost loops
    if axis > 0:
        columns, along = y.shape[axis], _step(x.shape, axes[axis - 1] + 1)
        axis -= 1
    if axis > 0:
        rows, down = y.shape[axis], _step(x.shape, axes[axis - 1] + 1)
        axis -= 1
    target_start = 0
    for block in range(target.size // (rows * columns * length)):
        rest, block_start = block, 0
        for other in range(axis, 0, -1):
            block_start += rest % y.shape[other] * _step(x.shape, axes[other - 1] + 1)
            rest //= y.shape[other]
        block_start += rest * _step(x.shape, 0)
        for r in range(rows):
            for c in range(columns):
                source_start = block_start + r * down + c * along
                if step == 1:
                    for k in range(length):
                        target[target_start + k] = source[source_start + k]
                else:
                    for k in range(length):
                        target[target_start + k] = source[source_start + k * step]
                target_start += length


@operation(lambda arrays, attributes: [(arrays[0].shape[0], arrays[1].shape[0])])
@kernel
def gather(x, i, y):
    """Copy the element i[e] of each sample of x to the element e of y."""
    for n in range(y.shape[0]):
        for e in range(y.shape[1]):
            y[n, e] = x[n, _place(i[e], x.shape[1])]


@operation(lambda arrays, attributes: [(arrays[0].shape[0], *attributes["shape"])])
@kernel
def gather_dx(dy, i, dx):
    """Add the element e of each sample of dy to the element i[e] of dx."""
    dx[:] = 0
    for n in range(dy.shape[0]):
        for e in range(dy.shape[1]):
            dx[n, _place(i[e], dx.shape[1])] += dy[n, e]


@inlined
def _place(index, size):
    """Return an index as an integer; 0 for one outside 0 … size − 1."""
    return int(index) if index > 0 and index < size else 0


@inlined
def _step(shape, axis):
    """Return the distance between neighbors along an axis of a contiguous array."""
    step = 1
    for other in range(axis + 1, len(shape)):
        step *= shape[other]
    return step


@inlined
def _run(inside, outside):
    """Return the last axis along which a box is smaller than the surrounding array, and the size of the later axes.

    Elements along the later axes are contiguous in both arrays. The second result is the number of these elements.

    inside, outside  shapes of the box and of the surrounding array, including the batch axis
    """
    axis, inner = len(inside) - 1, 1
    while axis > 1 and inside[axis] == outside[axis]:
        inner *= inside[axis]
        axis -= 1
    return axis, inner


@inlined
def _start(run, axis, inner, inside, outside, before):
    """Return the offset in the surrounding array where a run of the box starts.

    run          index of the run
    axis, inner  results of `_run`
    """
    offset, step = inner * before[axis - 1], inner * outside[axis]
    for other in range(axis - 1, 0, -1):
        offset += (run % inside[other] + before[other - 1]) * step
        run //= inside[other]
        step *= outside[other]
    return offset + run * step


def resampled(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (N, C, H', W') of the resampled images."""
    return [(*arrays[0].shape[:2], *attributes["outputs"])]


@operation(resampled, names={"mode": RESAMPLINGS}, piece=2, shared_from=COSTLY_FROM)
@kernel
def resample(x, y, mode=0, lines=((0, 0, 0), (0, 0, 0))):
    """Compute each row of outputs in two steps.

    First, a weighted sum of rows of x is computed. The outputs are then weighted sums of the elements of this row.
    """
    height, width, high, wide = x.shape[2], x.shape[3], y.shape[2], y.shape[3]
    planes = x.shape[0] * x.shape[1]
    images, results = x.reshape(planes, height, width), y.reshape(planes, high, wide)
    rows, down = _weights(mode, height, high, lines[0], x)
    columns, across = _weights(mode, width, wide, lines[1], x)
    total = np.empty(width, x.dtype)
    for c in range(planes):
        for i in range(high):
            total[:] = 0
            for u in range(rows[i], rows[i + high]):
                weight, row = down[i, u - rows[i]], images[c, u]
                for k in range(width):
                    total[k] += weight * row[k]
            for j in range(wide):
                value = x.dtype.type(0)
                for k in range(columns[j], columns[j + wide]):
                    value += across[j, k - columns[j]] * total[k]
                results[c, i, j] = value


@operation(spread, names={"mode": RESAMPLINGS})
@kernel
def resample_dx(dy, dx, mode=0, lines=((0, 0, 0), (0, 0, 0))):
    """Compute dx. The gradient of each row of outputs is distributed over the columns of x that the outputs read.

    The resulting row is then distributed over the rows of x that the outputs read.
    """
    height, width, high, wide = dx.shape[2], dx.shape[3], dy.shape[2], dy.shape[3]
    planes = dx.shape[0] * dx.shape[1]
    images, upstream = dx.reshape(planes, height, width), dy.reshape(planes, high, wide)
    rows, down = _weights(mode, height, high, lines[0], dx)
    columns, across = _weights(mode, width, wide, lines[1], dx)
    total = np.empty(width, dx.dtype)
    images[:] = 0
    for c in range(planes):
        for i in range(high):
            total[:] = 0
            for j in range(wide):
                for k in range(columns[j], columns[j + wide]):
                    total[k] += across[j, k - columns[j]] * upstream[c, i, j]
            for u in range(rows[i], rows[i + high]):
                weight, row = down[i, u - rows[i]], images[c, u]
                for k in range(width):
                    row[k] += weight * total[k]


@kernel
def _weights(mode, size, outputs, line, like):
    """Return the ranges of elements that outputs read along an axis, and the weights, as `resampling_weights` does.

    With `cells` as the first result, output i reads the elements cells[i] to cells[i + outputs] − 1. Row i of the
    second result contains their weights.

    mode  index in `RESAMPLINGS`
    line  as in `resampling_weights`
    like  array whose dtype the weights have
    """
    cells = np.empty(2 * outputs, np.int64)
    weights = np.zeros((outputs, size // outputs + 2), like.dtype)
    slope, start, divisor = line[0], line[1], line[2]
    if divisor == 0:
        slope, start, divisor = size, 0, outputs
        if mode == 2:
            slope, start, divisor = 2 * size, size - outputs, 2 * outputs
    for i in range(outputs):
        first, count = i * size // outputs, 1
        weights[i, 0] = 1
        if mode == 0:
            count = ((i + 1) * size + outputs - 1) // outputs - first
            weights[i, :count] = like.dtype.type(1) / like.dtype.type(count)
        else:
            position = min(max(slope * i + start, 0), (size - 1) * divisor)
            first = position // divisor
            if mode == 2 and first + 1 < size:
                fraction = position % divisor / divisor
                count, weights[i, 0], weights[i, 1] = 2, 1 - fraction, fraction
        cells[i], cells[i + outputs] = first, first + count
    return cells, weights
