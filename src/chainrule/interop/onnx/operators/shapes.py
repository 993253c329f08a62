"""Operators that move, select or repeat elements, or change shapes, without arithmetic."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import POSITION, Array, Call, Feature, Value
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.resampling import write_resize
from chainrule.interop.onnx.operators.terms import ScaledTerm
from chainrule.layers import Compare

Shape = Sequence[int]
FLOATS, BOOLEANS = (1, 10, 11, 16), 9  # TensorProto.DataType
OPEN_END = 2**31 - 1  # exporters write this or a larger number for the end of an axis


def read_identity(call: Call) -> Feature:
    """Return the input."""
    return call.feature()


def read_cast(call: Call) -> Feature:
    """Return the input for a floating-point type, and for truth values 1 minus Compare with 0."""
    kind, x = call.integer("to", 1), call.feature()
    if kind == BOOLEANS:
        return x if isinstance(x.node.layer, Compare) else (1 - ScaledTerm(call, x).equals(0.0)).feature
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


# ---------------------------------------------------------------------- other shapes


def reshape(call: Call, x: Array) -> Array:
    """Return the elements in the shape that a Reshape node requests.

    A size of 0 means the input's size on the same axis, unless the attribute allowzero is set. One size may be −1:
    it is computed from the number of elements.
    """
    requested = call.integer_input(1) if call.opset >= 5 else call.integers("shape")
    if requested.count(-1) > 1 or any(size < -1 for size in requested):
        raise call.unsupported(f"shape {list(requested)}", "sizes with at most one −1")
    zero_keeps_size = not call.integer("allowzero", 0)
    sizes = [
        x.shape[index] if size == 0 and zero_keeps_size and index < x.ndim else size
        for index, size in enumerate(requested)
    ]
    return _reshaped(call, x, sizes)


def _reshaped(call: Call, x: Array, shape: Shape) -> Array:
    """Return the elements in another shape. Unless they are contiguous, they are copied."""
    if not x.flags.c_contiguous:
        call.charge(x.nbytes)
    return x.reshape(shape)


def flatten(call: Call, x: Array) -> Array:
    """Merge the axes before an axis, and the others."""
    axis = call.integer("axis", 1)
    axis = axis if axis == x.ndim else call.normalize_axis(axis, x.ndim)
    return _reshaped(call, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def squeeze(call: Call, x: Array) -> Array:
    """Remove axes of size 1."""
    axes = call.input_or_attribute("axes", 1, 13)
    return x.squeeze(tuple(axes) if axes else None)


def unsqueeze(call: Call, x: Array) -> Array:
    """Add axes of size 1."""
    return np.expand_dims(x, tuple(call.input_or_attribute("axes", 1, 13) or ()))


# ---------------------------------------------------------------------- other places


def transpose(call: Call, x: Array) -> Array:
    """Permute the axes."""
    return x.transpose(call.integers("perm", range(x.ndim)[::-1]))


def depth_to_space(call: Call, x: Array) -> Array:
    """Move channels to blocks of pixels; mode DCR orders channels by position in the block, then by depth."""
    (n, channels, height, width), size, depth_first = x.shape, _block_size(call), _depth_first(call)
    rest = channels // size**2
    split, order = ((size, size, rest), (0, 3, 4, 1, 5, 2)) if depth_first else ((rest, size, size), (0, 1, 4, 2, 5, 3))
    moved = x.reshape(n, *split, height, width).transpose(order)
    return _reshaped(call, moved, (n, rest, height * size, width * size))


def space_to_depth(call: Call, x: Array) -> Array:
    """Move blocks of pixels to channels."""
    (n, channels, height, width), size = x.shape, _block_size(call)
    split = x.reshape(n, channels, height // size, size, width // size, size)
    moved = split.transpose((0, 3, 5, 1, 2, 4) if _depth_first(call) else (0, 1, 3, 5, 2, 4))
    return _reshaped(call, moved, (n, channels * size**2, height // size, width // size))


def _depth_first(call: Call) -> bool:
    return call.choice("mode", "DCR", "CRD") == "DCR"


def _block_size(call: Call) -> int:
    """Return the height and width of the square blocks of pixels that become channels, or are made from channels."""
    if (size := call.integer("blocksize")) < 1:
        raise call.unsupported(f"blocksize {size}", "a size of 1 or more")
    return size


def split(call: Call, x: Array) -> tuple[Array, ...]:
    """Divide an axis into the parts of the outputs."""
    axis, outputs = call.axis("axis", 0, x.ndim), len(call.operation.outputs)
    sizes = call.input_or_attribute("split", 1, 13)
    if sizes is None:
        length = -(-x.shape[axis] // outputs)
        sizes = [min(length, x.shape[axis] - length * index) for index in range(outputs)]
    if sum(sizes) != x.shape[axis]:
        raise call.invalid(f"sizes {sizes} of {x.shape[axis]}", "sizes with that sum")
    if min(sizes) < 0 or len(sizes) != outputs:
        raise call.unsupported(f"sizes {sizes} of {x.shape[axis]}", "a size for each output")
    return tuple(np.split(x, np.cumsum(sizes)[:-1].tolist(), axis))


def slice_(call: Call, x: Array) -> Array:
    """Cut a range with a step from each axis."""
    starts, ends = (call.input_or_attribute(name, index, 10) or [] for index, name in ((1, "starts"), (2, "ends")))
    axes = call.input_or_attribute("axes", 3, 10) or [*range(len(starts))]
    steps = call.integer_input(4) if call.opset >= 10 and call.has_input(4) else [1] * len(starts)
    cuts = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        axis, size = call.normalize_axis(axis, x.ndim), x.shape[axis]
        if call.open_batch and (size < end < OPEN_END or -OPEN_END < start < -size) and _mixes_samples(call, x, axis):
            raise call.unsupported(f"elements {start} to {end} of the batch axis", "all samples")
        cuts[axis] = slice(start, end if step > 0 or end >= -size else None, step)
    return x[tuple(cuts)]


def _mixes_samples(call: Call, x: Array, axis: int) -> bool:
    """Return whether elements along an axis belong to several samples, for positions x."""
    source = call.values[0]
    if not isinstance(source, Feature) or not x.size:
        return False
    samples = x.take((0, -1), axis) // math.prod(source.node.shape)
    return not np.array_equal(samples.take(0, axis), samples.take(1, axis))


def gather(call: Call, x: Array) -> Array:
    """Select elements along an axis."""
    axis, numbers = call.axis("axis", 0, x.ndim), call.constant(1)
    call.allocated((*x.shape[:axis], *numbers.shape, *x.shape[axis + 1 :]), x.itemsize)
    return np.take(x, numbers, axis)


def gather_elements(call: Call, x: Array) -> Array:
    """Select an element along an axis for each place."""
    numbers = call.constant(1)
    call.allocated(numbers.shape, x.itemsize)
    return np.take_along_axis(x, numbers, call.axis("axis", 0, x.ndim))


def gather_nd(call: Call, x: Array) -> Array:
    """Select elements or parts by the indices along the first axes."""
    if call.integer("batch_dims", 0):
        raise call.unsupported("batch_dims", "0")
    numbers = call.constant(1)
    call.allocated((*numbers.shape[:-1], *x.shape[numbers.shape[-1] :]), x.itemsize)
    return x[tuple(np.moveaxis(numbers, -1, 0))]


def expand(call: Call, x: Array) -> Array:
    """Repeat elements along axes of size 1."""
    shape = np.broadcast_shapes(x.shape, call.allocated(call.integer_input(1), 0))
    return np.broadcast_to(x, call.allocated(shape, x.itemsize))


def tile(call: Call, x: Array) -> Array:
    """Repeat all elements along axes."""
    repeats = call.integer_input(1)
    call.allocated([size * count for size, count in zip(x.shape, repeats, strict=True)], x.itemsize)
    return np.tile(x, repeats)


RESHAPING: dict[str, Callable[[Call, Array], Array]] = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
}
MOVING: dict[str, Callable[[Call, Array], Any]] = {
    **RESHAPING,
    "Transpose": transpose,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Slice": slice_,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "Expand": expand,
    "Tile": tile,
}


def read_moving(call: Call) -> Any:
    """Return layers that reshape, permute, select and repeat elements: Reshape, Permute, Slice and Broadcast, or
    Gather; several such operators in a row are read as one.
    """
    return moved(call, call.feature(), lambda places: MOVING[call.operation.operator](call, places))


def moved(call: Call, x: Feature, move: Callable[[Array], Any]) -> Any:
    """Return a value whose elements a function of arrays moves; several values if it returns several arrays."""
    try:
        if x.positions is None:
            call.allocated(x.shape, POSITION.itemsize)
        result = move(x.places(x.shape))
    except (IndexError, ValueError) as error:
        raise call.invalid(f"an input of {x.shape} ({error})", "another shape, or existing elements") from None
    if isinstance(result, tuple):
        return tuple(replace(x, positions=part, mover=call) for part in cast("tuple[Array, ...]", result))
    return replace(x, positions=result, mover=call)


def write_broadcast(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Expand; nothing before operators that repeat their inputs themselves."""
    return graph.view(operation.reads[0])


def write_gather(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Gather of elements of a sample."""
    x, indices = operation.reads
    assert x is not None
    assert indices is not None
    places = graph.network.weights[indices.storage]
    existing = np.where((places > 0) & (places < x.size), places, 0)
    numbers = graph.integer_constant([*map(int, existing)])
    return graph.node("Gather", graph.view(x), numbers, shape=operation.writes[0].shape, axis=1)


def write_constant(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Expand of an initializer to as many samples as the input has."""
    x, b = operation.reads
    assert b is not None
    shape = graph.network.weights[b.storage].shape
    ends = [graph.integer_constant([end]) for end in (0, 1)]
    batch = graph.node("Slice", graph.node("Shape", graph.stored(x)), *ends)
    sizes = graph.node("Concat", batch, graph.integer_constant((1,) * len(shape)), axis=0)
    return graph.node("Expand", graph.weight(b, (1, *shape)), sizes, shape=shape)


def write_transpose(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Transpose."""
    order = (0, *(axis + 1 for axis in operation.attributes["axes"]))
    return graph.node("Transpose", graph.view(operation.reads[0]), shape=operation.writes[0].shape, perm=order)


def write_slice(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return one Slice for all axes that are cut."""
    before, shape = operation.attributes["before"], operation.writes[0].shape
    x = graph.view(operation.reads[0])
    cut_axes = [axis for axis in range(len(shape)) if x.shape[axis] != shape[axis]]
    starts, stops = [before[axis] for axis in cut_axes], [before[axis] + shape[axis] for axis in cut_axes]
    names = [graph.integer_constant(numbers) for numbers in (starts, stops, [axis + 1 for axis in cut_axes])]
    return graph.node("Slice", x, *names, shape=shape) if cut_axes else x


WRITTEN: dict[str, dict[str, Any]] = {
    "Expand": {"broadcast": write_broadcast, "constant": write_constant},
    "Transpose": {"permute": write_transpose},
    "Slice": {"crop": write_slice},
    "Gather": {"gather": write_gather, "resample": write_resize},
}
OPERATORS = (
    Operator("Identity", read_identity),
    Operator("Cast", read_cast),
    Operator("CastLike", read_cast_like),
    *(Operator(name, read_moving, WRITTEN.get(name, {})) for name in MOVING),
)
