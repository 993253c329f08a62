"""Operators that move, select or repeat elements, or change shapes, without arithmetic."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import INDEX_TYPE, Call, Feature
from chainrule.interop.onnx.operators.operator import Operator, Results, Writer
from chainrule.interop.onnx.operators.resampling import write_resize
from chainrule.interop.onnx.operators.terms import ScaledTerm
from chainrule.interop.onnx.tensors import BFLOAT16, BOOLEAN, FLOAT32, FLOAT64, TYPES
from chainrule.layers import Compare

Shape = Sequence[int]
FLOATS = (FLOAT32, TYPES.index("float16"), FLOAT64, BFLOAT16)  # TensorProto.DataType
OPEN_END = 2**31 - 1  # exporters write this or a larger number for the end of an axis
T = TypeVar("T")


def read_identity(call: Call) -> Feature:
    """Return the input."""
    return call.feature()


def read_cast(call: Call) -> Feature:
    """Return the input for a floating-point type, and for truth values 1 minus Compare with 0."""
    kind = call.integer("to", FLOAT32)
    x = call.feature()
    if kind == BOOLEAN:
        if isinstance(x.node.layer, Compare):
            return x
        return (1 - ScaledTerm(call, x).equals(0.0)).feature
    if kind not in FLOATS:
        raise call.unsupported(f"to {kind}, integers", "a type of floats or truth values")
    return x


# ---------------------------------------------------------------------- other shapes


def reshape(call: Call, x: Array) -> Array:
    """Return the elements in the shape that a Reshape node requests.

    A size of 0 means the input's size on the same axis, unless the attribute allowzero is set. One size may be −1:
    it is computed from the number of elements.
    """
    sizes = call.integer_input(1)
    if sizes.count(-1) > 1 or any(size < -1 for size in sizes):
        raise call.unsupported(f"shape {sizes}", "sizes with at most one −1")
    if not call.integer("allowzero", 0):
        sizes = [*sizes]
        for axis, own in enumerate(x.shape[: len(sizes)]):
            sizes[axis] = sizes[axis] or own
    return _reshaped(call, x, sizes)


def _reshaped(call: Call, x: Array, shape: Shape) -> Array:
    """Return the elements in another shape. Unless they are contiguous, they are copied."""
    if not x.flags.c_contiguous:
        call.charge(x.nbytes)
    return x.reshape(shape)


def flatten(call: Call, x: Array) -> Array:
    """Merge the axes before an axis, and the others."""
    axis = call.integer("axis", 1)
    if axis != x.ndim:
        axis = call.normalize_axis(axis, x.ndim)
    return _reshaped(call, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def squeeze(call: Call, x: Array) -> Array:
    """Remove axes of size 1."""
    axes = call.input_or_attribute("axes", 1, 13)
    return x.squeeze(tuple(axes) if axes else None)


def unsqueeze(call: Call, x: Array) -> Array:
    """Add axes of size 1."""
    return np.expand_dims(x, tuple(call.input_or_attribute("axes", 1, 13) or ()))


# ---------------------------------------------------------------------- other indices


def transpose(call: Call, x: Array) -> Array:
    """Permute the axes."""
    return x.transpose(call.integers("perm", range(x.ndim)[::-1]))


def depth_to_space(call: Call, x: Array) -> Array:
    """Move channels to blocks of pixels; mode DCR orders channels by position in the block, then by depth."""
    n, channels, height, width = x.shape
    size = _block_size(call)
    depth = channels // size**2
    if _depth_first(call):
        moved = x.reshape(n, size, size, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
    else:
        moved = x.reshape(n, depth, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
    return _reshaped(call, moved, (n, depth, height * size, width * size))


def space_to_depth(call: Call, x: Array) -> Array:
    """Move blocks of pixels to channels."""
    n, channels, height, width = x.shape
    size = _block_size(call)
    rows = height // size
    columns = width // size
    blocks = x.reshape(n, channels, rows, size, columns, size)
    order = (0, 3, 5, 1, 2, 4) if _depth_first(call) else (0, 1, 3, 5, 2, 4)
    return _reshaped(call, blocks.transpose(order), (n, channels * size**2, rows, columns))


def _depth_first(call: Call) -> bool:
    return call.choice("mode", "DCR", "CRD") == "DCR"


def _block_size(call: Call) -> int:
    """Return the height and width of the square blocks of pixels that become channels, or are made from channels."""
    size = call.integer("blocksize")
    if size < 1:
        raise call.unsupported(f"blocksize {size}", "a size of 1 or more")
    return size


def split(call: Call, x: Array) -> tuple[Array, ...]:
    """Divide an axis into the parts of the outputs."""
    axis = call.axis("axis", 0, x.ndim)
    outputs = len(call.operation.outputs)
    total = x.shape[axis]
    sizes = call.input_or_attribute("split", 1, 13)
    if sizes is None:
        length = -(-total // outputs)
        sizes = [min(length, total - length * index) for index in range(outputs)]
    if sum(sizes) != total:
        raise call.invalid(f"sizes {sizes} of {total}", "sizes with that sum")
    if min(sizes) < 0 or len(sizes) != outputs:
        raise call.unsupported(f"sizes {sizes} of {total}", "a size for each output")
    return tuple(np.split(x, np.cumsum(sizes)[:-1].tolist(), axis))


def slice_(call: Call, x: Array) -> Array:
    """Cut a range with a step from each axis."""
    starts = call.input_or_attribute("starts", 1, 10) or []
    ends = call.input_or_attribute("ends", 2, 10) or []
    axes = call.input_or_attribute("axes", 3, 10) or [*range(len(starts))]
    steps = [1] * len(starts)
    if call.opset >= 10 and call.has_input(4):
        steps = call.integer_input(4)
    cuts = [slice(None)] * x.ndim
    for file_axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        axis = call.normalize_axis(file_axis, x.ndim)
        size = x.shape[axis]
        is_cut = size < end < OPEN_END or -OPEN_END < start < -size
        if call.open_batch and is_cut and _mixes_samples(call, x, axis):
            raise call.unsupported(f"elements {start} to {end} of the batch axis", "all samples")
        stop = end
        if step < 0 and end < -size:  # before the first element
            stop = None
        cuts[axis] = slice(start, stop, step)
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
    axis = call.axis("axis", 0, x.ndim)
    numbers = call.constant(1)
    call.allocated((*x.shape[:axis], *numbers.shape, *x.shape[axis + 1 :]), x.itemsize)
    return np.take(x, numbers, axis)


def expand(call: Call, x: Array) -> Array:
    """Repeat elements along axes of size 1."""
    shape = np.broadcast_shapes(x.shape, call.allocated(call.integer_input(1), 0))
    return np.broadcast_to(x, call.allocated(shape, x.itemsize))


def tile(call: Call, x: Array) -> Array:
    """Repeat all elements along axes."""
    repeats = call.integer_input(1)
    shape = [size * count for size, count in zip(x.shape, repeats, strict=True)]
    call.allocated(shape, x.itemsize)
    return np.tile(x, repeats)


RESHAPING: dict[str, Callable[[Call, Array], Array]] = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
}
MOVING: dict[str, Callable[[Call, Array], Array | tuple[Array, ...]]] = {
    **RESHAPING,
    "Transpose": transpose,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Slice": slice_,
    "Gather": gather,
    "Expand": expand,
    "Tile": tile,
}


def read_moving(call: Call) -> Results:
    """Return layers that reshape, permute, select and repeat elements: Reshape, Permute, Slice and Broadcast, or
    Gather; several such operators in a row are read as one.
    """
    x = call.feature()
    result = _moved_indices(call, x, partial(MOVING[call.operation.operator], call))
    if isinstance(result, tuple):
        return _at(call, x, result)
    return replace(x, indices=result, moved_by=call)


def moved(call: Call, x: Feature, move: Callable[[Array], Array]) -> Feature:
    """Return a value whose elements a function of arrays moves."""
    return replace(x, indices=_moved_indices(call, x, move), moved_by=call)


def _at(call: Call, x: Feature, parts: tuple[Array, ...]) -> tuple[Feature, ...]:
    """Return the elements of a value at the indices of each part."""
    return tuple(replace(x, indices=part, moved_by=call) for part in parts)


def _moved_indices(call: Call, x: Feature, move: Callable[[Array], T]) -> T:
    """Return the indices of the elements of a value, after a function of arrays has moved them."""
    try:
        if x.indices is None:
            call.allocated(x.shape, INDEX_TYPE.itemsize)
        return move(x.element_indices)
    except (IndexError, ValueError) as error:
        raise call.invalid(f"an input of {x.shape} ({error})", "another shape, or existing elements") from None


def write_broadcast(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Expand; nothing before operators that repeat their inputs themselves."""
    return graph.view(operation.reads[0])


def write_gather(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Gather of elements of a sample."""
    x, indices = operation.reads
    assert x is not None
    assert indices is not None
    indices = graph.network.weights[indices.storage]
    existing = np.where((indices > 0) & (indices < x.size), indices, 0)
    numbers = graph.integer_constant([*map(int, existing)])
    return graph.node("Gather", graph.view(x), numbers, shape=operation.result.shape, axis=1)


def write_constant(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Expand of an initializer to as many samples as the input has."""
    x, b = operation.reads
    assert b is not None
    shape = graph.network.weights[b.storage].shape
    first = graph.integer_constant([0])
    end = graph.integer_constant([1])
    batch = graph.node("Slice", graph.node("Shape", graph.stored(x)), first, end)
    sizes = graph.node("Concat", batch, graph.integer_constant((1,) * len(shape)), axis=0)
    return graph.node("Expand", graph.weight(b, (1, *shape)), sizes, shape=shape)


def write_transpose(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Transpose."""
    order = (0, *(axis + 1 for axis in operation.attributes["axes"]))
    return graph.node("Transpose", graph.view(operation.reads[0]), shape=operation.result.shape, perm=order)


def write_slice(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return one Slice for all axes that are cut."""
    shape = operation.result.shape
    x = graph.view(operation.reads[0])
    starts: list[int] = []
    stops: list[int] = []
    axes: list[int] = []
    for axis, (before, size) in enumerate(zip(operation.attributes["before"], shape, strict=True)):
        if x.shape[axis] != size:
            starts.append(before)
            stops.append(before + size)
            axes.append(axis + 1)
    if not axes:
        return x
    bounds = [graph.integer_constant(numbers) for numbers in (starts, stops, axes)]
    return graph.node("Slice", x, *bounds, shape=shape)


WRITTEN: dict[str, dict[str, Writer]] = {
    "Expand": {"broadcast": write_broadcast, "constant": write_constant},
    "Transpose": {"permute": write_transpose},
    "Slice": {"crop": write_slice},
    "Gather": {"gather": write_gather, "resample": write_resize},
}
OPERATORS = (
    Operator("Identity", read_identity),
    Operator("Cast", read_cast),
    *(Operator(name, read_moving, WRITTEN.get(name, {})) for name in MOVING),
)
