"""Operators that move values or change shapes, without arithmetic."""

import math
from collections.abc import Sequence

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.assembly import permuted, reshaped
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature, Value
from chainrule.interop.onnx.operators.operator import Operator

FLOATS, BOOLEANS = (1, 10, 11, 16), 9  # TensorProto.DataType


def read_identity(call: Call) -> Feature:
    """Return the input."""
    return call.feature()


def read_cast(call: Call) -> Feature:
    """Return the input for a floating-point type, and Heaviside of the absolute value for truth values."""
    kind = call.integer("to", 1)
    if kind == BOOLEANS:
        return call.layer("Heaviside", call.layer("Abs", call.feature()))
    if kind not in FLOATS:
        raise call.unsupported(f"to {kind}, integers", "a type of floats or truth values")
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
    Operator("DepthToSpace", read_depth_to_space),
    Operator("SpaceToDepth", read_space_to_depth),
)
