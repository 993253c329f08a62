"""Padding, cropping and permutation of axes, compiled. The equations are in reference/geometry.py."""

from collections.abc import Sequence
from typing import Any

from chainrule.engines.compiled.compiler import inlined, kernel
from chainrule.engines.compiled.kernels.registry import Attributes, Shapes, operation


def padded(arrays: Sequence[Any], given: Attributes) -> Shapes:
    """Return the shape of the samples with their zeros."""
    count, *sizes = arrays[0].shape
    return [(count, *(sum(axis) for axis in zip(sizes, given["before"], given["after"], strict=True)))]


def cropped(arrays: Sequence[Any], given: Attributes) -> Shapes:
    """Return the shape of what is left of the samples."""
    count, *sizes = arrays[0].shape
    axes = zip(sizes, given["before"], given["after"], strict=True)
    return [(count, *(size - front - back for size, front, back in axes))]


def permuted(arrays: Sequence[Any], given: Attributes) -> Shapes:
    """Return the shape of the samples with their axes permuted."""
    count, *sizes = arrays[0].shape
    return [(count, *(sizes[axis] for axis in given["axes"]))]


@operation(padded)
@kernel
def pad(x, y, before=(0, 0, 0)):
    """Write zeros, and x into their midst, a run of neighbours at a time."""
    y[:] = 0
    source, target = x.reshape(x.size), y.reshape(y.size)
    axis, inner = _run(x.shape, y.shape)
    length = inner * x.shape[axis]
    for run in range(source.size // length):
        given, found = run * length, _start(run, axis, inner, x.shape, y.shape, before)
        for k in range(length):
            target[found + k] = source[given + k]


@operation(cropped)
@kernel
def crop(x, y, before=(0, 0, 0)):
    """Copy what is left, a run of neighbours at a time."""
    source, target = x.reshape(x.size), y.reshape(y.size)
    axis, inner = _run(y.shape, x.shape)
    length = inner * y.shape[axis]
    for run in range(target.size // length):
        given, found = _start(run, axis, inner, y.shape, x.shape, before), run * length
        for k in range(length):
            target[found + k] = source[given + k]


@operation(permuted)
@kernel
def permute(x, y, axes=(0, 1, 2)):
    """Copy runs of y: along the last axes that stay in place, or along the last axis, with steps in x."""
    source, target = x.reshape(x.size), y.reshape(y.size)
    axis, length, step = len(axes), 1, 1
    while axis > 1 and axes[axis - 1] == axis - 1:
        length *= y.shape[axis]
        axis -= 1
    if axis == len(axes):
        length, step = y.shape[axis], _step(x.shape, axes[axis - 1] + 1)
        axis -= 1
    for run in range(target.size // length):
        rest, given, found = run, 0, run * length
        for other in range(axis, 0, -1):
            given += rest % y.shape[other] * _step(x.shape, axes[other - 1] + 1)
            rest //= y.shape[other]
        given += rest * _step(x.shape, 0)
        if step == 1:
            for k in range(length):
                target[found + k] = source[given + k]
        else:
            for k in range(length):
                target[found + k] = source[given + k * step]


@inlined
def _step(shape, axis):
    """Return the distance between neighbours along an axis."""
    step = 1
    for other in range(axis + 1, len(shape)):
        step *= shape[other]
    return step


@inlined
def _run(inside, outside):
    """Return the last axis along which a box is smaller than what surrounds it, and the entries of one step along it.

    Entries of the axes behind that one are neighbours in both.
    """
    axis, inner = len(inside) - 1, 1
    while axis > 1 and inside[axis] == outside[axis]:
        inner *= inside[axis]
        axis -= 1
    return axis, inner


@inlined
def _start(run, axis, inner, inside, outside, before):
    """Return the offset in the surroundings at which a run of the box begins."""
    offset, step = inner * before[axis - 1], inner * outside[axis]
    for other in range(axis - 1, 0, -1):
        offset += (run % inside[other] + before[other - 1]) * step
        run //= inside[other]
        step *= outside[other]
    return offset + run * step
