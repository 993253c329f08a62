"""Values whose elements were moved: the layers that select, permute and repeat the elements of each sample.

Operators such as Transpose and Gather are applied to the positions of the elements, with NumPy. The layers follow from
the positions after the last of several such operators, so that detours through other shapes leave no layers.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule.core.shapes import text
from chainrule.interop.assembly import permuted, reshaped
from chainrule.interop.onnx.operator_call import Array, Call, Feature
from chainrule.interop.onnx.operators.resampling import Positions, expand, resample_axes

MAX_SLICES = 128  # of one axis
STEPS_PER_SPLIT = 16  # of a comparison of positions with those of separate axes


@dataclass
class Block:
    """Adjacent axes of a source, as one axis: `size` elements at a distance of `stride`."""

    stride: int
    size: int


def settled(x: Feature, *, any_axis: bool = False) -> Feature:
    """Return a value after layers that move its elements, with the batch axis first.

    any_axis   whether the file may have the batch axis at another place

    Errors   FormatError if the elements of several samples are mixed, or no layers can move the elements
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
    axes = _separate_axes(call, places)
    for parts in ([part for axis in axes for part in _split(axis)], axes):
        start = int(places.flat[0]) + sum(int(part.min()) for part in parts)
        y = _selected(call, x, start, [part - part.min() for part in parts])
        if y is not None:
            return x.with_node(reshaped(y.node, places.shape))
    raise call.unsupported(
        f"a selection of {text(places.shape)} elements of {text(x.node.shape)}", "one that slices and permutes axes"
    )


def _separate_axes(call: Call, places: Array) -> list[Array]:
    """Return distances along axes whose sums are the places relative to the first.

    Adjacent axes are merged if necessary. Of all ways to merge them, one with the most axes is chosen.
    """
    borders = range(1, places.ndim)
    for count in range(places.ndim - 1, 0, -1):
        for inner in itertools.combinations(borders, count):
            cuts = itertools.pairwise((0, *inner, places.ndim))
            call.visit(STEPS_PER_SPLIT)
            merged = places.reshape([math.prod(places.shape[first:last]) for first, last in cuts])
            axes = [
                np.moveaxis(merged, k, 0).reshape(size, -1)[:, 0] - merged.flat[0]
                for k, size in enumerate(merged.shape)
            ]
            if np.array_equal(sum(np.ix_(*axes), merged.flat[0]), merged):
                return axes
    return [places.reshape(-1) - places.flat[0]]


def _split(distances: Array) -> list[Array]:
    """Split the distances along an axis into those along several axes, each with elements at equal distances."""
    breaks = np.flatnonzero(np.diff(distances, 2))
    run = int(breaks[0]) + 2 if len(breaks) else len(distances)
    if run == len(distances) or len(distances) % run:
        return [distances]
    rows = distances.reshape(-1, run)
    if (rows - rows[:, :1] != rows[0] - rows[0, 0]).any():
        return [distances]
    return [*_split(rows[:, 0]), rows[0] - rows[0, 0]]


def _selected(call: Call, x: Feature, start: int, factors: Sequence[Array]) -> Feature | None:
    """Return the elements at the positions start + Σ distances; None if it is impossible.

    The source is reshaped such that each factor selects elements along an axis of its own. For x[1:3, ::2].T with x of
    shape (4, 6), start is 6 and the factors are [0, 2, 4] and [0, 6]. The blocks are the axes of x:

        axis 0, stride 6    factor 1, indices (tables) 1, 2
        axis 1, stride 1    factor 0, indices 0, 2, 4        finally, the axes get the order of the factors

    A block with several factors is divided into an axis for each, in the order of their steps: (6,) into (2, 3) for the
    factors [0, 3] and [0, 1, 2]. A block without factors has one index. A factor without a block repeats elements.

    factors   distances along each axis of the result
    """
    sizes, tables, order = list[int](), list[Array](), dict[int, int]()
    for block in _blocks(x.node.shape, start, factors):
        inside = [k for k, factor in enumerate(factors) if _contains(block, _step(factor))]
        inside.sort(key=lambda k: -_step(factors[k]))
        size, first = block.size, start // block.stride % block.size
        if not inside:
            sizes.append(size)
            tables.append(np.array([first]))
        for k in inside:
            unit = 1 if k == inside[-1] else _step(factors[k]) // block.stride
            table = first // unit % (size // unit) + factors[k] // (unit * block.stride)
            if size % unit or table.max() >= size // unit:
                return None  # the distances do not fit the axis
            order[k] = len(sizes)
            sizes.append(size // unit)
            tables.append(table)
            size = unit
    y = _select(call, x.with_node(reshaped(x.node, tuple(sizes) or (1,))), tables)
    moving = [order[k] for k in range(len(factors)) if k in order]
    y = y.with_node(permuted(y.node, [*moving, *(axis for axis in range(len(sizes)) if axis not in moving)]))
    shape = [len(factor) if k in order else 1 for k, factor in enumerate(factors)]
    y = y.with_node(reshaped(y.node, tuple(shape) or (1,)))
    return expand(call, y, tuple(len(factor) for factor in factors))


def _step(distances: Array) -> int:
    """Return the greatest common divisor of distances; 0 for a repeated element."""
    return int(np.gcd.reduce(distances))


def _contains(block: Block, step: int) -> bool:
    return block.stride <= step < block.stride * block.size


def _blocks(shape: Sequence[int], start: int, factors: Sequence[Array]) -> list[Block]:
    """Return the axes of a source, merged where the elements of a factor are in several of them.

    For axes of (4, 6), whose strides are 6 and 1, the distances [0, 8, 16] are no multiples of 6 and do not fit into
    the inner axis; they need one block of 24 elements.
    """
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    blocks = [Block(stride, size) for stride, size in zip(strides, shape, strict=True) if size > 1]
    place = 0
    while place < len(blocks):
        block = blocks[place]
        inside = [factor for factor in factors if _contains(block, _step(factor))]
        last = start // block.stride % block.size + sum(int(factor.max()) for factor in inside) // block.stride
        # Merge the inner neighbor until the stride divides all steps, and the outer one if elements are beyond the end.
        if any(_step(factor) % block.stride for factor in inside) and place + 1 < len(blocks):
            lower = blocks.pop(place + 1)
            blocks[place] = Block(lower.stride, lower.size * block.size)
        elif last >= block.size and place:
            higher = blocks.pop(place - 1)
            blocks[place - 1] = Block(block.stride, higher.size * block.size)
            place -= 1
        else:
            place += 1
    return blocks


def _select(call: Call, x: Feature, tables: Sequence[Array]) -> Feature:
    """Return the elements with the indices in a table along each axis of a sample.

    Consecutive indices become a Slice, those at equal distances Resample2D, and others Concatenate of Slices.
    """
    distant, y = dict[int, Positions](), x
    for axis, table in enumerate(tables):
        differences = {*np.diff(table).tolist()}
        if len(differences) == 1 and differences != {1}:
            distant[axis] = Positions(len(table), (differences.pop(), int(table[0]), 1))
        else:
            y = _slices(call, y, axis, table)
    return resample_axes(call, y, distant)


def _slices(call: Call, x: Feature, axis: int, table: Array) -> Feature:
    """Return the elements with the indices in a table along an axis: a Slice for each run of consecutive indices."""
    runs = np.split(table, np.flatnonzero(np.diff(table) != 1) + 1)
    if len(runs) > MAX_SLICES:
        raise call.unsupported(f"{len(runs)} separate parts of an axis", f"at most {MAX_SLICES}")
    if len(runs) == 1 and len(table) == x.node.shape[axis]:
        return x
    parts = [call.layer("Slice", x, axis=axis, start=int(run[0]), stop=int(run[-1]) + 1) for run in runs]
    return call.layer("Concatenate", *parts, axis=axis) if len(parts) > 1 else parts[0]
