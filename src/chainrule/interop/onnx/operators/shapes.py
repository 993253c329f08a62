"""Operators that move values or change shapes, without arithmetic."""

import math
from collections.abc import Sequence

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.assembly import permuted, reshaped
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature, Value
from chainrule.interop.onnx.operators.operator import Operator

OPEN_END = 2**31 - 1  # exporters write this or a larger number for the end of an axis


def read_identity(call: Call) -> Feature:
    """Return the input."""
    return call.feature()


def read_cast(call: Call) -> Feature:
    """Return the input; the target type must be a floating-point type."""
    if (kind := call.integer("to", 1)) not in (1, 10, 11, 16):
        raise call.unsupported(f"to {kind}, integers or booleans", "a type of floats")
    return call.feature()


def read_cast_like(call: Call) -> Value:
    """Return the first input; the type of the second must be a floating-point type."""
    like = call.values[1] if call.has_input(1) else None
    if isinstance(like, np.ndarray) and like.dtype.kind != "f":
        raise call.unsupported(f"a type like {like.dtype}", "a type of floats")
    value = call.values[0] if call.has_input(0) else None
    return value.astype(np.float64) if isinstance(value, np.ndarray) else call.feature()


def reshape_with_batch(call: Call, x: Feature, shape: Sequence[int]) -> Feature:
    """Return a value in another shape; FormatError unless the batch axis remains the first axis.

    A batch axis of size 1 may be removed, or become an axis of the sample.

    shape   shape in the file, with the batch axis
    """
    if math.prod(shape) != math.prod(x.shape):
        raise call.invalid(f"from {x.shape} to {tuple(shape)}", "the same number of elements")
    if len(shape) > 1 and shape[0] == x.batch:
        return Feature(call.reshape(x, shape[1:]).node, x.batch)
    if x.batch != 1:
        raise call.unsupported(
            f"from {x.shape} to {tuple(shape)}", "the batch axis first, and one axis or more after it"
        )
    if not shape:
        raise call.unsupported(f"from {x.shape} to a number without axes", "one axis or more")
    return Feature(call.reshape(x, shape).node, x.batch, batched=False)


def read_reshape(call: Call) -> Feature:
    """Return Reshape or Flatten."""
    x = call.feature()
    shape = call.integer_input(1) if call.opset >= 5 else call.integers("shape")
    return reshape_with_batch(call, x, target_shape(call, x.shape, shape))


def target_shape(call: Call, shape: Sequence[int], requested: Sequence[int]) -> list[int]:
    """Return the shape that a Reshape node requests.

    A size of 0 means the input's size on the same axis, unless the attribute allowzero is set. One size may be −1:
    it is computed from the number of elements.

    shape       shape of the input
    requested   sizes in the file
    """
    zero_keeps_size = not call.integer("allowzero", 0)
    if requested.count(-1) > 1 or any(size < -1 for size in requested):
        raise call.unsupported(f"shape {list(requested)}", "sizes with at most one −1")
    sizes = [
        shape[index] if size == 0 and zero_keeps_size and index < len(shape) else size
        for index, size in enumerate(requested)
    ]
    if -1 in sizes:
        others = math.prod(size for size in sizes if size != -1)
        if not others or math.prod(shape) % others:
            raise call.invalid(
                f"shape {list(requested)} for {tuple(shape)}", "sizes that divide its number of elements"
            )
        sizes[sizes.index(-1)] = math.prod(shape) // others
    return sizes


def write_expand(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Reshape to (C, 1, 1) or (1, H, W). The operator that reads the result broadcasts it."""
    shape = operation.writes[0].shape
    ones = (shape[0], 1, 1) if operation.name == "expand_positions" else (1, *shape[1:])
    return graph.reshaped(graph.stored(operation.reads[0]), ones)


def read_flatten(call: Call) -> Feature:
    """Return Flatten; the axes before `axis` are merged into the batch axis."""
    x = call.feature()
    axis = call.integer("axis", 1)
    axis = axis if axis == len(x.shape) else call.normalize_axis(axis, len(x.shape))
    return reshape_with_batch(call, x, [math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])


def read_squeeze(call: Call) -> Feature:
    """Return the input without axes of size 1."""
    x, axes = call.feature(), call.input_or_attribute("axes", 1, 13)
    rank = len(x.shape)
    removed = (
        {call.normalize_axis(axis, rank) for axis in axes} if axes else {k for k in range(rank) if x.shape[k] == 1}
    )
    if any(x.shape[axis] != 1 for axis in removed):
        raise call.invalid(f"axes {sorted(removed)} of {x.shape}", "axes of size 1")
    return reshape_with_batch(call, x, [size for axis, size in enumerate(x.shape) if axis not in removed])


def read_unsqueeze(call: Call) -> Feature:
    """Return the input with additional axes of size 1."""
    x, axes = call.feature(), call.input_or_attribute("axes", 1, 13) or []
    rank = len(x.shape) + len(axes)
    added = {call.normalize_axis(axis, rank) for axis in axes}
    sizes = iter(x.shape)
    if len(added) != len(axes):
        raise call.unsupported(f"axes {axes}", "each axis once")
    return reshape_with_batch(call, x, [1 if axis in added else next(sizes) for axis in range(rank)])


def read_transpose(call: Call) -> Feature:
    """Return Permute; axes that remain adjacent are merged."""
    x = call.feature()
    rank = len(x.shape)
    order = call.integers("perm", [*range(rank)][::-1])
    if sorted(order) != [*range(rank)]:
        raise call.invalid(f"perm {order}", f"an order of the axes 0 to {rank - 1}")
    if x.batched and order[0] == 0:
        return x.with_node(permuted(x.node, [axis - 1 for axis in order[1:]]))
    if x.batch != 1:
        raise call.unsupported(f"perm {order}", "an order that begins with 0, the batch axis")
    x = x.as_sample()
    return x.with_node(permuted(x.node, order))


def write_transpose(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Transpose."""
    order = (0, *(axis + 1 for axis in operation.attributes["axes"]))
    return graph.node("Transpose", graph.view(operation.reads[0]), shape=operation.writes[0].shape, perm=order)


def read_concat(call: Call) -> Feature:
    """Return Concatenate."""
    inputs = [call.feature(index) for index in range(len(call.values))]
    axis = call.axis("axis", 1, len(inputs[0].shape))
    if len(inputs) == 1:
        return inputs[0]
    if len({len(value.shape) for value in inputs}) > 1:
        raise call.invalid(f"inputs of {', '.join(str(value.shape) for value in inputs)}", "the same number of axes")
    if len({value.batched for value in inputs}) > 1:
        inputs = [value.as_sample() for value in inputs]
    sample_inputs = [call.sample_axes(value, [axis]) for value in inputs]
    return call.layer("Concatenate", *(value for value, _ in sample_inputs), axis=sample_inputs[0][1][0])


def write_concat(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Concat."""
    inputs = [graph.view(tensor) for tensor in operation.reads]
    return graph.node("Concat", *inputs, shape=operation.writes[0].shape, axis=operation.attributes["axis"] + 1)


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


def read_slice(call: Call) -> Feature:
    """Return a Slice for each axis that is cut."""
    x = call.feature()
    rank = len(x.shape)
    starts, ends = (call.input_or_attribute(name, index, 10) or [] for index, name in ((1, "starts"), (2, "ends")))
    axes = call.input_or_attribute("axes", 3, 10) or [*range(len(starts))]
    steps = call.integer_input(4) if call.opset >= 10 and call.has_input(4) else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise call.unsupported(f"starts {starts}, ends {ends}, axes {axes}, steps {steps}", "lists of equal length")
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        file_axis = call.normalize_axis(axis, rank)
        if x.batched and file_axis == 0 and call.open_batch and not _is_open_ended(start, end, step, x.batch):
            raise call.unsupported(f"elements {start} to {end} of the batch axis", "all samples")
        if not step:
            raise call.invalid("a step of 0", "another number")
        entries = range(*slice(start, end, step).indices(x.shape[file_axis]))
        if len(entries) > 1 and step != 1:
            raise call.unsupported(f"a step of {step}", "1")
        x = (
            slice_axis(call, x, file_axis, entries[0], entries[-1] + 1)
            if entries
            else slice_axis(call, x, file_axis, 0, 0)
        )
    return x


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
    """Return a Slice for one index, or for consecutive indices, along an axis."""
    x, indices = call.feature(), call.constant(1)
    axis = call.axis("axis", 0, len(x.shape))
    size = x.shape[axis]
    numbers = [int(index) for index in indices.reshape(-1)[:4096]]
    if not all(-size <= number < size for number in numbers):
        raise call.invalid(f"elements {numbers[:5]} of an axis of {size}", "existing elements")
    numbers = [number % size for number in numbers]
    if indices.ndim > 1 or not numbers or numbers != [*range(numbers[0], numbers[0] + indices.size)]:
        raise call.unsupported(f"elements {numbers[:5]} of axis {axis}", "one index, or consecutive ones")
    y = slice_axis(call, x, axis, numbers[0], numbers[-1] + 1)
    return y if indices.ndim else reshape_with_batch(call, y, [*y.shape[:axis], *y.shape[axis + 1 :]])


def read_depth_to_space(call: Call) -> Feature:
    """Return Permute between two Reshape layers."""
    x, size = call.batched_input(4), _block_size(call)
    channels, height, width = x.node.shape
    if channels % size**2:
        raise call.unsupported(f"{channels} channels with blocks of {size}", f"a multiple of {size**2}")
    rest, first = channels // size**2, _depth_first(call)
    split, order = ((size, size, rest), (2, 3, 0, 4, 1)) if first else ((rest, size, size), (0, 3, 1, 4, 2))
    moved = permuted(reshaped(x.node, (*split, height, width)), order)
    return call.reshape(x.with_node(moved), (rest, height * size, width * size))


def read_space_to_depth(call: Call) -> Feature:
    """Return Permute between two Reshape layers."""
    x, size = call.batched_input(4), _block_size(call)
    channels, height, width = x.node.shape
    if height % size or width % size:
        raise call.unsupported(f"an image of {height}×{width} with blocks of {size}", f"multiples of {size}")
    split = (channels, height // size, size, width // size, size)
    moved = permuted(reshaped(x.node, split), (2, 4, 0, 1, 3) if _depth_first(call) else (0, 2, 4, 1, 3))
    return call.reshape(x.with_node(moved), (channels * size**2, height // size, width // size))


def _depth_first(call: Call) -> bool:
    """Return whether channels are ordered by position in the block, then by depth (DCR).

    In the other mode (CRD), they are ordered by depth, then by position.
    """
    if (mode := call.text("mode", "DCR")) not in ("DCR", "CRD"):
        raise call.unsupported(f"mode {mode!r}", "'DCR' or 'CRD'")
    return mode == "DCR"


def _block_size(call: Call) -> int:
    """Return the height and width of the square blocks of pixels that become channels, or are made from channels."""
    if (size := call.integer("blocksize")) < 1:
        raise call.unsupported(f"blocksize {size}", "a size of 1 or more")
    return size


OPERATORS = (
    Operator("Identity", read_identity),
    Operator("Cast", read_cast),
    Operator("CastLike", read_cast_like),
    Operator("Reshape", read_reshape, {"expand_positions": write_expand, "expand_channels": write_expand}),
    Operator("Flatten", read_flatten),
    Operator("Squeeze", read_squeeze),
    Operator("Unsqueeze", read_unsqueeze),
    Operator("Transpose", read_transpose, {"permute": write_transpose}),
    Operator("Concat", read_concat, {"concatenate": write_concat}),
    Operator("Split", read_split),
    Operator("Slice", read_slice, {"crop": write_slice}),
    Operator("Gather", read_gather),
    Operator("DepthToSpace", read_depth_to_space),
    Operator("SpaceToDepth", read_space_to_depth),
)
