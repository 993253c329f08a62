"""Operators that select or repeat elements along axes."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature, Value
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.resampling import Positions, expand, resample_axes, write_resize
from chainrule.interop.onnx.operators.shapes import reshape_with_batch

OPEN_END = 2**31 - 1  # exporters write this or a larger number for the end of an axis
MAX_SLICES = 128  # of one node


def slice_axis(call: Call, x: Feature, axis: int, start: int, stop: int) -> Feature:
    """Return the elements start … stop − 1 along an axis.

    axis   index in the file, where the batch axis is axis 0
    """
    if (start, stop) == (0, x.shape[axis]):
        return x
    if not 0 <= start < stop <= x.shape[axis]:
        raise call.unsupported(f"elements {start} to {stop} of {x.shape[axis]}", "one element or more")
    x, (sample_axis,) = call.sample_axes(x, [axis])
    return call.layer("Slice", x, axis=sample_axis, start=start, stop=stop)


def read_split(call: Call) -> tuple[Value, ...]:
    """Return a Slice for each output."""
    x = call.feature()
    axis = call.axis("axis", 0, len(x.shape))
    sizes = call.input_or_attribute("split", 1, 13)
    if sizes is None:
        outputs = len(call.operation.outputs)
        length = -(-x.shape[axis] // outputs)
        sizes = [min(length, x.shape[axis] - length * index) for index in range(outputs)]
    if sum(sizes) != x.shape[axis]:
        raise call.invalid(f"sizes {sizes} of {x.shape[axis]}", "sizes with that sum")
    if min(sizes) < 1 or len(sizes) != len(call.operation.outputs):
        raise call.unsupported(f"sizes {sizes} of {x.shape[axis]}", "a size above 0 for each output")
    ends = np.cumsum(sizes).tolist()
    return tuple(slice_axis(call, x, axis, end - size, end) for size, end in zip(sizes, ends, strict=True))


def read_slice(call: Call) -> Feature:
    """Return a Slice for each axis that is cut, or Resample2D for steps other than 1."""
    x = call.feature()
    rank = len(x.shape)
    starts, ends = (call.input_or_attribute(name, index, 10) or [] for index, name in ((1, "starts"), (2, "ends")))
    axes = call.input_or_attribute("axes", 3, 10) or [*range(len(starts))]
    steps = call.integer_input(4) if call.opset >= 10 and call.has_input(4) else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise call.unsupported(f"starts {starts}, ends {ends}, axes {axes}, steps {steps}", "lists of equal length")
    strided: dict[int, Positions] = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        file_axis = call.normalize_axis(axis, rank)
        if x.batched and file_axis == 0 and call.open_batch and not _is_open_ended(start, end, step, x.batch):
            raise call.unsupported(f"elements {start} to {end} of the batch axis", "all samples")
        if not step:
            raise call.invalid("a step of 0", "another number")
        entries = range(*slice(start, end, step).indices(x.shape[file_axis]))
        if len(entries) > 1 and step != 1:
            strided[file_axis] = Positions(len(entries), (step, entries[0], 1))
        else:
            first, last = (entries[0], entries[-1] + 1) if entries else (0, 0)
            x = slice_axis(call, x, file_axis, first, last)
    x, sample_axes = call.sample_axes(x, [*strided])
    return resample_axes(call, x, dict(zip(sample_axes, strided.values(), strict=True)))


def _is_open_ended(start: int, stop: int, step: int, batch: int) -> bool:
    """Return whether a slice of the batch axis contains all samples for any batch size.

    This is true if its step is 1 and it extends from the first sample to the end of the axis, or to the batch size.

    batch   batch size in this translation
    """
    return step == 1 and (start in (0, -batch) or start <= -OPEN_END) and (stop == batch or stop >= OPEN_END)


def write_slice(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return one Slice for all axes that are cut."""
    before, shape = operation.attributes["before"], operation.writes[0].shape
    x = graph.view(operation.reads[0])
    cut_axes = [axis for axis in range(len(shape)) if x.shape[axis] != shape[axis]]
    starts, stops = [before[axis] for axis in cut_axes], [before[axis] + shape[axis] for axis in cut_axes]
    names = [graph.integer_constant(numbers) for numbers in (starts, stops, [axis + 1 for axis in cut_axes])]
    return graph.node("Slice", x, *names, shape=shape) if cut_axes else x


def read_gather(call: Call) -> Feature:
    """Return a Slice for one index or for consecutive indices along an axis, Resample2D for indices at equal distances,
    and Concatenate of Slices for others.
    """
    x, indices = call.feature(), call.constant(1)
    axis = call.axis("axis", 0, len(x.shape))
    size = x.shape[axis]
    if indices.dtype.kind not in "iu" or not indices.size:
        raise call.unsupported(f"indices of type {indices.dtype} and shape {indices.shape}", "one whole number or more")
    numbers: list[int] = indices.reshape(-1).tolist()
    if not all(-size <= number < size for number in numbers):
        raise call.invalid(f"elements {numbers[:5]} of an axis of {size}", "existing elements")
    numbers = [number % size for number in numbers]
    if x.batched and axis == 0 and call.open_batch:
        raise call.unsupported(f"elements {numbers[:5]} of the batch axis", "all samples")
    y = select(call, x, axis, numbers)
    shape = y.shape
    if indices.ndim == 1:
        return y
    return reshape_with_batch(call, y, [*shape[:axis], *indices.shape, *shape[axis + 1 :]])


def select(call: Call, x: Feature, axis: int, numbers: Sequence[int]) -> Feature:
    """Return the elements with these indices along an axis.

    axis   index in the file, where the batch axis has index 0
    """
    if [*numbers] == [*range(numbers[0], numbers[0] + len(numbers))]:
        return slice_axis(call, x, axis, numbers[0], numbers[-1] + 1)
    x, (sample_axis,) = call.sample_axes(x, [axis])
    steps = {following - number for number, following in itertools.pairwise(numbers)}
    if len(steps) == 1:
        return resample_axes(call, x, {sample_axis: Positions(len(numbers), (steps.pop(), numbers[0], 1))})
    breaks = [place for place in range(1, len(numbers)) if numbers[place] != numbers[place - 1] + 1]
    if len(breaks) >= MAX_SLICES:
        raise call.unsupported(f"{len(breaks) + 1} separate parts of an axis", f"at most {MAX_SLICES}")
    runs = [(numbers[start], numbers[stop - 1] + 1) for start, stop in itertools.pairwise((0, *breaks, len(numbers)))]
    parts = [slice_axis(call, x, sample_axis + x.batched, *run) for run in runs]
    return call.layer("Concatenate", *parts, axis=sample_axis)


def read_expand(call: Call) -> Feature:
    """Return Resample2D that repeats elements along axes of size 1."""
    x, sizes = call.feature(), call.integer_input(1)
    shape = np.broadcast_shapes(x.shape, tuple(sizes))
    if len(shape) > len(x.shape) or (x.batched and shape[0] != x.batch):
        if x.batch != 1:
            raise call.unsupported(f"from {x.shape} to {tuple(sizes)}", "the same batch axis")
        x = x.with_axes(len(shape)).as_sample() if shape[0] != 1 else x.with_axes(len(shape))
    return expand(call, x, tuple(int(size) for size in shape[x.batched :]))


def read_tile(call: Call) -> Feature:
    """Return Resample2D that repeats the value along axes."""
    x, repeats = call.feature(), call.integer_input(1)
    if len(repeats) != len(x.shape) or min(repeats) < 1:
        raise call.unsupported(f"repeats {repeats} of {x.shape}", "a number above 0 for each axis")
    x, axes = call.sample_axes(x, [axis for axis, count in enumerate(repeats) if count > 1])
    for axis, count in zip(axes, (count for count in repeats if count > 1), strict=True):
        shape = x.node.shape
        parts = call.reshape(x, (math.prod(shape[:axis]), 1, math.prod(shape[axis:])))
        y = expand(call, parts, (parts.node.shape[0], count, parts.node.shape[2]))
        x = call.reshape(y, (*shape[:axis], count * shape[axis], *shape[axis + 1 :]))
    return x


OPERATORS = (
    Operator("Split", read_split),
    Operator("Slice", read_slice, {"crop": write_slice, "resample": write_resize}),
    Operator("Gather", read_gather),
    Operator("Expand", read_expand),
    Operator("Tile", read_tile),
)
