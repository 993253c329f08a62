"""Values whose elements were moved: the layers that select, permute and repeat the elements of each sample.

Operators such as Transpose and Gather are applied to the positions of the elements, with NumPy. The layers follow from
the positions after the last of several such operators, so that detours through other shapes leave no layers.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.core.shapes import text
from chainrule.interop.assembly import reshaped
from chainrule.interop.onnx.operator_call import Call, Feature


def materialized(x: Feature, *, any_axis: bool = False) -> Feature:
    """Return a value after layers that move its elements, with the batch axis first.

    any_axis   whether the file may have the batch axis at another place

    Errors   FormatError if the elements of several samples are mixed
    """
    if x.indices is None or x.moved_by is None:
        return x
    call = x.moved_by
    indices = x.indices
    source = Feature(x.node, x.batch, quantization=x.quantization)
    call.charge(indices.nbytes)
    if not indices.size:
        raise call.unsupported(f"a result of shape {text(indices.shape)}", "one element or more")
    if x.batch == 1:
        if indices.ndim > 1 and len(indices) == 1:
            return Feature(_moved(call, source, indices[0]).node, 1, quantization=x.quantization)
        return Feature(_moved(call, source, np.atleast_1d(indices)).node, 1, batched=False, quantization=x.quantization)
    axis = batch_axis(x)
    if axis is None:
        raise call.unsupported(f"a result of {indices.shape} from several samples", "all samples, each on its own")
    if axis and not any_axis:
        raise call.unsupported(f"a result of {indices.shape} with samples along axis {axis}", "the batch axis first")
    sample = np.take(indices, 0, axis)
    starts = math.prod(x.node.shape) * np.arange(x.batch)
    if not np.array_equal(np.moveaxis(indices, axis, 0), sample + _along(starts, 0, indices.ndim)):
        raise call.unsupported("other elements of each sample", "the same elements of all samples")
    y = _moved(call, source, np.atleast_1d(sample))
    return Feature(y.node, x.batch, quantization=x.quantization, scalar=sample.ndim == 0)


def batch_axis(x: Feature) -> int | None:
    """Return the axis along which the samples of a moved value follow each other; None if there is none."""
    indices = x.indices
    assert indices is not None
    samples = indices // math.prod(x.node.shape)
    for axis, size in enumerate(indices.shape):
        order = _along(np.arange(x.batch), axis, indices.ndim)
        if size == x.batch and np.array_equal(samples, np.broadcast_to(order, indices.shape)):
            return axis
    return None


def _along(numbers: Array, axis: int, rank: int) -> Array:
    """Return numbers along an axis of an array, in a shape that can be broadcast to its `rank` axes."""
    return numbers.reshape(-1, *[1] * (rank - axis - 1))


def samples_apart(x: Feature) -> Feature | None:
    """Return the rows (N·k, F) of a moved value as (N, k, F); None if they are not the k rows of N samples in order."""
    if x.indices is None or x.batch == 1 or len(x.shape) != 2 or len(x.indices) % x.batch:
        return None
    apart = replace(x, indices=x.indices.reshape(x.batch, -1, x.shape[1]))
    if batch_axis(x) is not None or batch_axis(apart) != 0:
        return None
    return apart


def samples_merged(y: Feature, moved_by: Call) -> Feature:
    """Return the rows (N, k, F) of N samples as (N·k, F)."""
    indices = y.element_indices
    return replace(y, indices=indices.reshape(-1, *indices.shape[2:]), moved_by=moved_by)


def _moved(call: Call, x: Feature, indices: Array) -> Feature:
    """Return the elements of a sample at these indices, an array in the shape of the result."""
    flat = indices.reshape(-1)
    if indices.size == math.prod(x.node.shape) and np.array_equal(flat, np.arange(indices.size)):
        return x.with_node(reshaped(x.node, indices.shape))
    axes = _axes_of(indices) or _axes_of(flat)
    y = None
    if axes is not None:
        y = _along_axes(call, x, int(flat[0]), axes)
    if y is None:
        weights = {"indices": flat.astype(np.float64)}
        y = x.with_node(call.assembly.apply_weighted("Gather", x.node, {"shape": indices.shape}, weights, None))
    return x.with_node(reshaped(y.node, indices.shape))


def repeated(call: Call, x: Feature, shape: Shape) -> Feature:
    """Return a value repeated along axes of size 1 to the shape of a sample."""
    return x if x.node.shape == shape else call.layer("Broadcast", x, shape=shape)


class EvenAxis(NamedTuple):
    """Elements at equal distances: their number, and the distance; 0 for a repeated element."""

    size: int
    step: int


def _axes_of(indices: Array) -> list[EvenAxis] | None:
    """Return axes whose elements, in row-major order, have these indices relative to the first; else None.

    Axes of indices that are not at equal distances are divided, and neighbors are merged where possible.
    """
    start = indices.flat[0]
    axes: list[EvenAxis] = []
    total = np.full((1,) * indices.ndim, start)
    for axis in range(indices.ndim):
        line = np.moveaxis(indices, axis, 0).reshape(indices.shape[axis], -1)[:, 0] - start
        total = total + _along(line, axis, indices.ndim)
        parts = _split(line)
        if parts is None:
            return None
        for part in parts:
            if axes and axes[-1].step == part.size * part.step:
                outer = axes.pop()
                part = EvenAxis(outer.size * part.size, part.step)
            if part.size > 1:
                axes.append(part)
    if not np.array_equal(total, indices):
        return None
    return axes


def _split(line: Array) -> list[EvenAxis] | None:
    """Return axes whose elements, in row-major order, have these distances; None if there are none."""
    step = 0
    if len(line) > 1:
        step = int(line[1] - line[0])
    changes = np.flatnonzero(np.diff(line, 2))  # places after which the distance is another one
    if not len(changes):
        return [EvenAxis(len(line), step)]
    run = int(changes[0]) + 2
    if len(line) % run:
        return None
    rows = line.reshape(-1, run)
    outer = _split(rows[:, 0])
    if outer is None or (rows - rows[:, :1] != rows[0] - rows[0, 0]).any():
        return None
    return [*outer, EvenAxis(run, step)]


def _along_axes(call: Call, x: Feature, start: int, axes: Sequence[EvenAxis]) -> Feature | None:
    """Return the elements of a sample at a distance from the first along axes; None if they are not those of its axes.

    The sample is reshaped such that each axis has the step of one axis of the result or of the sample itself. The
    layers are a Slice for each axis that is cut, Permute, and Broadcast for axes that repeat elements.
    """
    sizes: dict[int, int] = {}  # by the step of each axis that does not repeat elements
    order: list[int] = []  # the steps of these axes, in the order of the result
    repeated_shape: list[int] = []
    unrepeated_shape: list[int] = []
    for part in _divided_axes(axes, x.node.shape):
        repeated_shape.append(part.size)
        unrepeated_shape.append(part.size if part.step else 1)
        if part.step:
            sizes[part.step] = part.size
            order.append(part.step)
    steps = _axis_steps(x.node.shape, sizes)
    if steps is None:
        return None
    shape: list[int] = []
    outer_step = math.prod(x.node.shape)
    for step in steps:
        shape.append(outer_step // step)
        outer_step = step
    y = x.with_node(reshaped(x.node, tuple(shape)))
    for axis, step in enumerate(steps):
        size = y.node.shape[axis]
        first = start // step % size
        count = sizes.get(step, 1)
        if first + count > size:
            return None
        if count < size:
            y = call.layer("Slice", y, axis=axis, start=first, stop=first + count)
    if len(order) > len(sizes):
        return None
    moving = [*map(steps.index, order)]
    others = [axis for axis in range(len(steps)) if axis not in moving]
    y = y.permuted([*moving, *others])
    y = y.with_node(reshaped(y.node, tuple(unrepeated_shape) or (1,)))
    return repeated(call, y, tuple(repeated_shape) or (1,))


def _axis_steps(shape: Shape, sizes: Mapping[int, int]) -> list[int] | None:
    """Return the steps of axes that have all steps of a result, from the longest to 1; None if there are none.

    Axes of the sample itself that fit between them are kept.

    sizes   size by step of each axis of the result
    """
    if min(sizes, default=1) < 1:
        return None
    steps = {1, *sizes}
    for stride in _strides(shape):
        if all(step % stride == 0 or stride % step == 0 for step in sizes):
            steps.add(stride)
    in_order = sorted(steps, reverse=True)
    for outer, inner in itertools.pairwise([math.prod(shape), *in_order]):
        if outer % inner:
            return None
    return in_order


def _strides(shape: Shape) -> list[int]:
    """Return the distance of neighbors along each axis, in row-major order."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _divided_axes(axes: Sequence[EvenAxis], shape: Shape) -> list[EvenAxis]:
    """Divide axes where their elements fill one or more axes of a sample of this shape."""
    strides = _strides(shape)
    parts: list[EvenAxis] = []
    for axis in axes:
        parts += _divided(axis, strides)
    return parts


def _divided(axis: EvenAxis, strides: Sequence[int]) -> list[EvenAxis]:
    """Divide an axis where its elements fill one or more axes of a source with these strides."""
    if axis.step == 0:
        return [axis]
    for stride in strides:
        count = stride // axis.step
        if 1 < count < axis.size and stride % axis.step == 0 and axis.size % count == 0:
            return [EvenAxis(axis.size // count, stride), *_divided(EvenAxis(count, axis.step), strides)]
    return [axis]
