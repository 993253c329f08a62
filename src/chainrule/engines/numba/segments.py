"""Division of a plan into segments: runs of operations that a thread carries its samples through, block by block.

A block of samples should fit into the cache with all arrays of its segment, so networks of large images have small
blocks. But a layer with many weights reads all of them for every block. Where both meet in a network, its layers with
more weights than activations are segments of their own, with blocks of `WIDE_BLOCK` samples.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from chainrule.plan import Operation, Tensor

CACHE_BYTES = 1 << 21  # of a block's arrays: half of it cost numpy-cnn 8 % (weights are read again for every block)
BLOCKS = (4, 32)  # the fewest and the most samples of a block: fewer starve the dense layers
WIDE_BLOCK = BLOCKS[1]
SMALL_BYTES = CACHE_BYTES // WIDE_BLOCK // 4  # of an operation's arrays for one sample: it may run in wide blocks too


class Segment(NamedTuple):
    """Operations that follow each other; a segment of scope "batch" has one operation.

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
    keys = zip(_scopes(listed), _wide(listed, itemsize) if divided else (False for _ in listed), strict=True)
    numbered = groupby(zip(keys, listed, strict=True), key=lambda pair: pair[0])
    found = [([operation for _, operation in run], wide) for (_, wide), run in numbered]
    return [Segment(run, run[0].scope, wide and run[0].scope == "sample") for run, wide in found]


def block_size(sample_bytes: int) -> int:
    """Return the samples of a block whose arrays have this size for each."""
    return min(max(CACHE_BYTES // max(sample_bytes, 1), BLOCKS[0]), BLOCKS[1])


def tensors_of(operations: Iterable[Operation]) -> list[Tensor]:
    """Return every tensor that operations read or write, in order, with repeats."""
    return [t for operation in operations for t in (*operation.reads, *operation.writes) if t is not None]


def _scopes(operations: Iterable[Operation]) -> Iterator[int]:
    """Yield a number for each operation: the same for neighbours of scope "sample", its own for each other one."""
    count = 0
    for operation in operations:
        count += operation.scope == "batch"
        yield -count if operation.scope == "batch" else count


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
