"""Division of a plan into segments: runs of operations that a thread carries its samples through, block by block.

A block of samples should fit into the cache with all arrays of its segment, so networks of large images have small
blocks. But a layer with many weights reads all of them for every block. Where both meet in a network, its layers with
more weights than activations are segments of their own, with blocks of `WIDE_BLOCK` samples.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from chainrule.core.plan import Operation, Tensor
from chainrule.engines.compiled.kernels.registry import always
from chainrule.engines.compiled.kernels.selection import KERNELS, sharing

CACHE_BYTES = 1 << 21  # of a block's arrays: half of it cost numpy-cnn 8 % (weights are read again for every block)
BLOCKS = (4, 32)  # the fewest and the most samples of a block: fewer starve the dense layers
WIDE_BLOCK = BLOCKS[1]
BESIDE = "beside"  # the attribute of an operation that one thread does while another does the one before
BY_FILTERS = "by_filters"  # the attribute of the gradient of a convolution's weights whose filters threads share
BY_OUTPUTS = "by_outputs"  # the attribute of the gradient of an input, of whose sum over outputs threads have parts
PARTS = 2  # of that sum, however many threads there are: the bits do not depend on their number
SMALL_BYTES = CACHE_BYTES // WIDE_BLOCK  # of an operation's arrays for one sample: it may run in wide blocks too


class Segment(NamedTuple):
    """Operations that follow each other; a segment of scope "batch" has one, and those that a thread goes on to with
    its channels, or its rows, of the result, or two that different threads do at the same time.

    wide  the weights outweigh the activations: blocks have `WIDE_BLOCK` samples, and arrays hold a whole share at least
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


def runs_of(numbers: Iterable[int], listed: Sequence[Segment]) -> list[list[int]]:
    """Return the numbers of segments in runs: through those of scope "sample" that follow each other, a thread carries
    its share of the batch without meeting others.
    """
    runs = groupby(numbers, key=lambda number: "sample" if listed[number].scope == "sample" else number)
    return [list(run) for _, run in runs]


def shared_runs(
    operations: Iterable[Operation],
    itemsize: int,
    is_shared: Callable[[Operation], bool],
    may_follow: Callable[[Operation], bool] = always,
) -> Iterator[tuple[Operation, bool]]:
    """Yield operations, and whether a thread goes on to each with its share of the one before.

    is_shared    whether threads share an operation, if no thread goes on to it
    may_follow   whether a thread may go on to an operation
    """
    before: Operation | None = None
    rows = False
    for operation in operations:
        on = before is not None and may_follow(operation) and _goes_on(before, operation, rows=rows)
        yield operation, on
        if on:
            before = operation
        elif is_shared(operation) and KERNELS[operation.name].piece is None and not _divided(operation):
            before, rows = operation, sharing(operation, itemsize).axis == 1
        else:
            before = None


def _divided(operation: Operation) -> bool:
    """Return whether a thread's share of an operation is no part of the result that it could go on with."""
    return bool(operation.attributes.get(BESIDE) or operation.attributes.get(BY_OUTPUTS))


def part_by_outputs(operation: Operation) -> Operation:
    """Return the gradient of an input by one part of the outputs: of dy, and of the filters or rows of W."""
    parts = [each and each.viewed((-(-each.shape[0] // PARTS), *each.shape[1:])) for each in operation.reads]
    return replace(operation, reads=tuple(parts))


def _goes_on(before: Operation, operation: Operation, *, rows: bool) -> bool:
    """Return whether a thread can go on to an operation with those channels, or rows, of the result before it."""
    facts, x, y = KERNELS[operation.name], before.writes[0], operation.writes[0]
    if operation.reads[0] != x or not x.shape or y.shape[:1] != x.shape[:1]:
        return False
    if rows:
        return y.shape == x.shape and (facts.piece == 0 or bool(facts.by_row))
    return (facts.piece is not None or is_by_channel(operation)) and len(y.shape) > (facts.piece or 0)


def is_by_channel(operation: Operation) -> bool:
    """Return whether a channel of the result depends on the same channel of the first array read only."""
    x, y = operation.reads[0], operation.writes[0]
    if not KERNELS[operation.name].by_channel or x is None or x.shape[:1] != y.shape[:1]:
        return False
    return bool(operation.attributes.get("groups", y.shape[0]) == y.shape[0])


def block_size(sample_bytes: int) -> int:
    """Return the samples of a block whose arrays have this size for each."""
    return min(max(CACHE_BYTES // max(sample_bytes, 1), BLOCKS[0]), BLOCKS[1])


def tensors_of(operations: Iterable[Operation]) -> list[Tensor]:
    """Return every tensor that operations read or write, in order, with repeats."""
    return [t for operation in operations for t in (*operation.reads, *operation.writes) if t is not None]


def _numbers(operations: Iterable[Operation], itemsize: int) -> Iterator[int]:
    """Yield a number for each operation, the same for those of a segment; less than 0 for scope "batch"."""
    count = 0
    for operation, on in shared_runs(operations, itemsize, _is_batch, _is_batch):
        batch = _is_batch(operation)
        count += batch and not on and not operation.attributes.get(BESIDE)
        yield -count if batch else count


def _is_batch(operation: Operation) -> bool:
    return operation.scope == "batch"


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
