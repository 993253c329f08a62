"""Memory layout of int8 programs: the first axis of an activation (the channels) is stored last.

The values of a pixel are then adjacent, and a convolution reads runs of them.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Ints, Shape
from chainrule.core.plan import Operation, Tensor
from chainrule.interop.c.calls import CCall
from chainrule.interop.c.program import channel_arguments

BLOCK = 4  # filters that are packed together, and values of a column per group (`products_int8`)
POSITIONS = 2  # columns that are multiplied at once


def rotated(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return values for each axis, in the order of the axes in memory."""
    return (*values[1:], *values[:1])


def planes(shape: Shape) -> tuple[int, int]:
    """Return the number of channels, and of elements per channel."""
    return shape[0], math.prod(shape[1:])


def quantize(x: Tensor, y: Tensor, factors: Sequence[Array], zero: int) -> CCall:
    """Return the call that computes y = ((x − origin) − rest) · gain + zero in int8.

    factors   origin, rest and gain of each channel, or of all
    """
    *arguments, _ = channel_arguments([array.reshape(-1) for array in factors], x.size)
    return CCall("quantize", (x, y, *arguments, *planes(x.shape), zero))


def order(shape: Shape) -> Ints:
    """Return the index, in an array of this shape, of each element in memory."""
    return np.moveaxis(np.arange(math.prod(shape)).reshape(shape), 0, -1).reshape(-1)


def of_operation(operation: Operation) -> Operation:
    """Return the operation that computes the same on tensors whose axes are in the order of memory.

    The channels, axis 0, are last in memory. Axis k ≥ 1 thus becomes axis k − 1: a concatenation along axis 0 of
    (C, H, W) is one along axis 2 of (H, W, C).
    """
    attributes = dict(operation.attributes)
    rank = len(operation.result.shape)

    def view(x: Tensor) -> Tensor:
        return x.viewed(rotated(x.shape))

    for name in {"before", "shape"} & attributes.keys():
        attributes[name] = rotated(attributes[name])
    if "axis" in attributes:
        attributes["axis"] = (attributes["axis"] - 1) % rank
    if "axes" in attributes:
        attributes["axes"] = tuple((axis - 1) % rank for axis in rotated(attributes["axes"]))
    reads, writes = (tuple(map(view, filter(None, tensors))) for tensors in (operation.reads, operation.writes))
    return replace(operation, reads=reads, writes=writes, attributes=attributes)


def permutations(x: Tensor, stored: Shape) -> list[Operation]:
    """Return the operations that copy x, which was stored as an array of another shape, to the order of its own shape.

    Operations permute the axes of memory: first to the order of the elements of x, then to that with the channels last.
    """
    operations = list[Operation]()
    for shape, source_shape, axes in (
        (stored, rotated(stored), (len(stored) - 1, *range(len(stored) - 1))),
        (x.shape, x.shape, rotated(tuple(range(len(x.shape))))),
    ):
        if not np.array_equal(order(shape), range(x.size)):
            y = Tensor(f"{x.storage}.order{len(operations)}", tuple(source_shape[axis] for axis in axes))
            operations.append(Operation("permute", (x.viewed(source_shape),), (y,), {"axes": axes}))
            x = y
    return operations


def pack_filters(weights: Array, groups: int, *, is_depthwise: bool) -> Array:
    """Pack weights (filters, channels, KH, KW) as `cross_correlate_int8` reads them.

    The filters of each group are packed as [block][group of values][filter][value], with 4 filters per block and 4
    values per group; both are padded with zeros. Those of a depthwise convolution have their channels last.
    """
    if is_depthwise:
        return np.moveaxis(weights[:, 0], 0, -1)
    flat = np.moveaxis(weights, 1, -1).reshape(groups, len(weights) // groups, -1)
    filters, depth = (-size % BLOCK for size in flat.shape[1:])
    padded = np.pad(flat, ((0, 0), (0, filters), (0, depth)))
    blocks = padded.reshape(groups, padded.shape[1] // BLOCK, BLOCK, -1, BLOCK)
    return blocks.transpose(0, 1, 3, 2, 4).reshape(-1)


def column_bytes(weights: Array, positions: int) -> int:
    """Return the size of the workspace for columns of int16."""
    return math.ceil(math.prod(weights.shape[1:]) / BLOCK) * BLOCK * 2 * min(positions, POSITIONS)
