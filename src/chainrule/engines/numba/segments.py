"""Division of a plan into segments: runs of operations that a thread carries its samples through, block by block.

A block of samples should fit into the cache with all arrays of its segment, so networks of large images have small
blocks. But a layer with many weights reads all of them for every block. Where both meet in a network, its layers with
more weights than activations are segments of their own, with blocks of `WIDE_BLOCK` samples.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from chainrule.engines.numba.operations import KERNELS, sharing
from chainrule.plan import Operation, Tensor

CACHE_BYTES = 1 << 21  # of a block's arrays: half of it cost numpy-cnn 8 % (weights are read again for every block)
BLOCKS = (4, 32)  # the fewest and the most samples of a block: fewer starve the dense layers
WIDE_BLOCK = BLOCKS[1]
SMALL_BYTES = CACHE_BYTES // WIDE_BLOCK // 4  # of an operation's arrays for one sample: it may run in wide blocks too


class Segment(NamedTuple):
    """Operations that follow each other; a segment of scope "batch" has one, and those that a thread goes on to with
    its channels of the result.

    wide  the weights outweigh the activations: blocks have `WIDE_BLOCK` samples, and arrays hold the whole batch
    """

    operations: list[Operation]
    scope: str
    wide: bool


def segments(operations: Iterable[Operation], itemsize: int) -> list[Segment]:
    """Return the segments of a plan's operations."""
    listed = list(operations)
    activations = {tensor.storage: tensor.size for tensor in tensors_of(listed) if tensor.per_sample}
    divided = sum(activations.values()) * itemsize > CACHE_BYTES // WIDE_BLOCK
    wide_ones = _wide(listed, itemsize) if divided else (False for _ in listed)
    keys = ((number, wide and number >= 0) for number, wide in zip(_numbers(listed, itemsize), wide_ones, strict=True))
    numbered = groupby(zip(keys, listed, strict=True), key=lambda pair: pair[0])
    found = [([operation for _, operation in run], wide) for (_, wide), run in numbered]
    return [Segment(run, run[0].scope, wide) for run, wide in found]


def leads(operation: Operation, itemsize: int) -> bool:
    """Return whether threads share the channels of an operation's result."""
    return KERNELS[operation.name].piece is None and sharing(operation, itemsize).axis == 0


def goes_on(before: Operation, operation: Operation) -> bool:
    """Return whether a thread can go on to an operation with those channels of the one before that it has computed."""
    facts, channels = KERNELS[operation.name], before.writes[0].shape[0]
    alone = facts.piece is not None or (facts.by_channel and operation.attributes.get("groups", channels) == channels)
    x, y = operation.reads[0], operation.writes[0]
    return alone and x == before.writes[0] and y.shape[0] == channels and len(y.shape) > (facts.piece or 0)


def block_size(sample_bytes: int) -> int:
    """Return the samples of a block whose arrays have this size for each."""
    return min(max(CACHE_BYTES // max(sample_bytes, 1), BLOCKS[0]), BLOCKS[1])


def tensors_of(operations: Iterable[Operation]) -> list[Tensor]:
    """Return every tensor that operations read or write, in order, with repeats."""
    return [t for operation in operations for t in (*operation.reads, *operation.writes) if t is not None]


def _numbers(operations: Iterable[Operation], itemsize: int) -> Iterator[int]:
    """Yield a number for each operation, the same for those of a segment; less than 0 for scope "batch"."""
    count = 0
    before: Operation | None = None
    for operation in operations:
        batch = operation.scope == "batch"
        on = batch and before is not None and goes_on(before, operation)
        before = operation if on or (batch and leads(operation, itemsize)) else None
        count += batch and not on
        yield -count if batch else count


def _wide(operations: Iterable[Operation], itemsize: int) -> Iterator[bool]:
    """Yield whether each operation should run in wide blocks; small ones without weights do as the one before."""
    wide = False
    for operation in operations:
        weights, activations = 0, 0
        for tensor in tensors_of([operation]):
            if tensor.per_sample:
                activations += tensor.size * itemsize
            else:
                weights += math.prod(tensor.shape) * itemsize
        wide = weights > activations or (wide and activations <= SMALL_BYTES)
        yield wide
