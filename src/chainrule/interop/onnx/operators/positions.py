"""Values whose elements were moved: the layers that select, permute and repeat the elements of each sample.

Operators such as Transpose and Gather are applied to the positions of the elements, with NumPy. The layers follow from
the positions after the last of several such operators, so that detours through other shapes leave no layers.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from chainrule.core.arrays import Shape
from chainrule.core.shapes import text
from chainrule.interop.assembly import permuted, reshaped
from chainrule.interop.onnx.operator_call import Array, Call, Feature


def settled(x: Feature, *, any_axis: bool = False) -> Feature:
    """Return a value after layers that move its elements, with the batch axis first.

    any_axis   whether the file may have the batch axis at another place

    Errors   FormatError if the elements of several samples are mixed
    """
    if x.positions is None or x.mover is None:
        return x
    call, places, size = x.mover, x.positions, math.prod(x.node.shape)
    source = Feature(x.node, x.batch, grid=x.grid)
    call.charge(places.nbytes)
    if not places.size:
        raise call.unsupported(f"a result of shape {text(places.shape)}", "one element or more")
    if x.batch == 1:
        is_batched = places.ndim > 1 and len(places) == 1
        y = _moved(call, source, places[0] if is_batched else np.atleast_1d(places))
        return Feature(y.node, 1, is_batched, x.grid)
    if (axis := batch_axis(x)) is None:
        raise call.unsupported(f"a result of {places.shape} from several samples", "all samples, each on its own")
    if axis and not any_axis:
        raise call.unsupported(f"a result of {places.shape} with samples along axis {axis}", "the batch axis first")
    sample = np.take(places, 0, axis)
    starts = size * np.arange(x.batch).reshape(-1, *[1] * sample.ndim)
    if not np.array_equal(np.moveaxis(places, axis, 0), sample + starts):
        raise call.unsupported("other elements of each sample", "the same elements of all samples")
    return Feature(_moved(call, source, np.atleast_1d(sample)).node, x.batch, True, x.grid, scalar=not sample.ndim)


def batch_axis(x: Feature) -> int | None:
    """Return the axis along which the samples of a moved value follow each other; None if there is none."""
    places = x.positions
    assert places is not None
    samples = places // math.prod(x.node.shape)
    for axis, size in enumerate(places.shape):
        order = np.arange(x.batch).reshape(-1, *[1] * (places.ndim - axis - 1))
        if size == x.batch and np.array_equal(samples, np.broadcast_to(order, places.shape)):
            return axis
    return None


def unmerged(x: Feature, axis: int) -> Feature:
    """Return a value (N·k, F) as (N, k, F) if the axis of its samples is −1; others unchanged."""
    if axis >= 0 or x.positions is None:
        return x
    return replace(x, positions=x.positions.reshape(x.batch, -1, *x.shape[1:]))


def with_rows(places: Array, axis: int) -> Array:
    """Move the samples to an axis; −1: merge the first two axes."""
    return np.moveaxis(places, 0, axis) if axis > 0 else places.reshape(-1, *places.shape[2:])


def _moved(call: Call, x: Feature, places: Array) -> Feature:
    """Return the elements of a sample at these places, an array in the shape of the result."""
    if places.size == math.prod(x.node.shape) and (places.reshape(-1) == np.arange(places.size)).all():
        return x.with_node(reshaped(x.node, places.shape))
    axes = _axes_of(places) or _axes_of(places.reshape(-1))
    y = None if axes is None else _along_axes(call, x, int(places.flat[0]), axes)
    if y is None:
        indices = {"indices": places.reshape(-1).astype(np.float64)}
        y = x.with_node(call.assembly.apply_weighted("Gather", x.node, {"shape": places.shape}, indices, ""))
    return x.with_node(reshaped(y.node, places.shape))


def repeated(call: Call, x: Feature, shape: Shape) -> Feature:
    """Return a value repeated along axes of size 1 to the shape of a sample."""
    return x if x.node.shape == shape else call.layer("Broadcast", x, shape=shape)


class EvenAxis(NamedTuple):
    """Elements at equal distances: their number, and the distance; 0 for a repeated element."""

    size: int
    step: int


def _axes_of(places: Array) -> list[EvenAxis] | None:
    """Return axes whose elements, in row-major order, have these places relative to the first; None if there are none.

    Axes of places that are not at equal distances are divided, and neighbors are merged where possible.
    """
    start, axes = places.flat[0], list[EvenAxis]()
    total = np.full((1,) * places.ndim, start)
    for k in range(places.ndim):
        line = np.moveaxis(places, k, 0).reshape(places.shape[k], -1)[:, 0] - start
        total = total + line.reshape(-1, *[1] * (places.ndim - k - 1))
        parts = _split(line)
        if parts is None:
            return None
        for part in parts:
            if axes and axes[-1].step == part.size * part.step:
                part = EvenAxis(axes.pop().size * part.size, part.step)
            if part.size > 1:
                axes.append(part)
    return axes if np.array_equal(total, places) else None


def _split(line: Array) -> list[EvenAxis] | None:
    """Return axes whose elements, in row-major order, have these distances; None if there are none."""
    breaks = np.flatnonzero(np.diff(line, 2))
    run = int(breaks[0]) + 2 if len(breaks) else len(line)
    step = int(line[1] - line[0]) if len(line) > 1 else 0
    if run == len(line):
        return [EvenAxis(run, step)]
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
    strides = [math.prod(x.node.shape[axis + 1 :]) for axis in range(len(x.node.shape))]
    parts = [part for axis in axes for part in _divided(axis, strides)]
    sizes = {part.step: part.size for part in parts if part.step}
    kept = [stride for stride in strides if all(step % stride == 0 or stride % step == 0 for step in sizes)]
    borders = [math.prod(x.node.shape), *sorted({1, *sizes, *kept}, reverse=True)]
    if min(sizes, default=1) < 1 or any(outer % inner for outer, inner in itertools.pairwise(borders)):
        return None
    y = x.with_node(reshaped(x.node, tuple(outer // inner for outer, inner in itertools.pairwise(borders))))
    for axis, (size, step) in enumerate(zip(y.node.shape, borders[1:], strict=True)):
        first, count = start // step % size, sizes.get(step, 1)
        if first + count > size:
            return None
        if count < size:
            y = call.layer("Slice", y, axis=axis, start=first, stop=first + count)
    moving = [borders.index(part.step, 1) - 1 for part in parts if part.step]
    if len(moving) > len(sizes):
        return None
    others = [axis for axis in range(len(y.node.shape)) if axis not in moving]
    y = y.with_node(permuted(y.node, [*moving, *others]))
    single = tuple(part.size if part.step else 1 for part in parts) or (1,)
    return repeated(call, y.with_node(reshaped(y.node, single)), tuple(part.size for part in parts) or (1,))


def _divided(axis: EvenAxis, strides: Sequence[int]) -> list[EvenAxis]:
    """Divide an axis where its elements fill one or more axes of a source with these strides."""
    for stride in strides:
        count = stride // axis.step if axis.step else 0
        if 1 < count < axis.size and stride % axis.step == 0 and axis.size % count == 0:
            return [EvenAxis(axis.size // count, stride), *_divided(EvenAxis(count, axis.step), strides)]
    return [axis]
