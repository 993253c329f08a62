"""Padding, cropping, permutation of axes and resampling, compiled. The equations are in reference/geometry.py."""

from collections.abc import Sequence
from typing import Any

from chainrule.core.shapes import RESAMPLINGS
from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.pooling import spread
from chainrule.engines.native.kernels.registry import COSTLY_FROM, Attributes, Shapes, operation


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
@in_c
def pad(x, y, before=(0, 0, 0)):
    """Fill y with zeros, and copy x into it. Elements that are contiguous in both are copied together, as a run.

    before  number of zeros before x along each axis of a sample
    """


@operation(cropped)
@in_c
def crop(x, y, before=(0, 0, 0)):
    """Copy a part of x to y. Elements that are contiguous in both are copied together, as a run.

    before  number of elements cropped at the start of each axis of a sample
    """


@operation(permuted)
@in_c
def permute(x, y, axes=(0, 1, 2)):
    """Copy x to y, whose axis k (of a sample) is axis axes[k] of x.

    If the last axes are not permuted, all elements along them form a run, which is contiguous in x and y. Otherwise, a
    run consists of the elements of y along the last axis, which are not contiguous in x.
    """


@operation(lambda arrays, attributes: [(arrays[0].shape[0], arrays[1].shape[0])])
@in_c
def gather(x, i, y):
    """Copy the element i[e] of each sample of x to the element e of y."""


@operation(lambda arrays, attributes: [(arrays[0].shape[0], *attributes["shape"])])
@in_c
def gather_dx(dy, i, dx):
    """Add the element e of each sample of dy to the element i[e] of dx."""


def resampled(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (N, C, H', W') of the resampled images."""
    return [(*arrays[0].shape[:2], *attributes["outputs"])]


@operation(resampled, names={"mode": RESAMPLINGS}, piece=2, shared_from=COSTLY_FROM)
@in_c
def resample(x, y, mode=0, lines=((0, 0, 0), (0, 0, 0))):
    """Compute each row of outputs in two steps.

    First, a weighted sum of rows of x is computed. The outputs are then weighted sums of the elements of this row.
    """


@operation(spread, names={"mode": RESAMPLINGS})
@in_c
def resample_dx(dy, dx, mode=0, lines=((0, 0, 0), (0, 0, 0))):
    """Compute dx. The gradient of each row of outputs is distributed over the columns of x that the outputs read.

    The resulting row is then distributed over the rows of x that the outputs read.
    """
