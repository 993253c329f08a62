"""Division of a plan into segments, and of a sharded plan into stages.

A segment is a run of steps that a thread applies to its samples, block by block.

A block of samples should fit into the cache with all arrays of its segment, so networks of large images have small
blocks. But a layer with many weights reads all of them for every block. In a network with both kinds of layers, those
with more weights than activations form separate segments, with blocks of `WIDE_BLOCK` samples.

The shards of a batch run one program per stage and synchronize in between (`batch_norm_sync`). A stage ends after a
batch normalization has summed the contributions of its samples.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from chainrule.core.plan import Tensor
from chainrule.engines.compiled.kernels.registry import always
from chainrule.engines.compiled.passes.steps import PlanStep, Sharing, StepPlan, tensors_of
from chainrule.errors import EngineError

CACHE_BYTES = 1 << 21  # size of a block's arrays; with half of it, numpy-cnn is 8 % slower (it rereads weights)
BLOCKS = (4, 32)  # limits of the samples of a block; with fewer, dense layers are slow
WIDE_BLOCK = BLOCKS[1]
# Kernels that end a stage → index of the first of their results that the shards of a batch add up.
STAGE_ENDS = {"batch_norm_statistics": 0, "batch_norm_coefficients": 2}
WHOLE_BATCH_KERNELS = ("batch_norm", "batch_norm_dx", "batch_norm_backward")  # these need all samples
SMALL_BYTES = CACHE_BYTES // WIDE_BLOCK  # of an operation's arrays for one sample; if smaller, wide blocks are allowed


class Segment(NamedTuple):
    """Consecutive steps.

    A segment of scope "batch" is either a shared step and the steps that a thread continues with on its channels or
    rows of the result, or two steps that different threads compute at the same time.

    wide  whether there are more weights than activations: blocks have `WIDE_BLOCK` samples, and arrays hold a chunk
    """

    operations: list[PlanStep]
    scope: str
    wide: bool


def segments(operations: Iterable[PlanStep], itemsize: int) -> list[Segment]:
    """Return the segments of a plan's operations."""
    listed = list(operations)
    activations = {tensor.storage: tensor.size for tensor in tensors_of(listed) if tensor.per_sample}
    divided = sum(activations.values()) * itemsize > CACHE_BYTES // WIDE_BLOCK
    wide_ones = _wide(listed, itemsize) if divided else (False for _ in listed)
    keys = ((number, wide and number >= 0) for number, wide in zip(_numbers(listed, itemsize), wide_ones, strict=True))
    numbered = groupby(zip(keys, listed, strict=True), key=lambda pair: pair[0])
    runs = [([operation for _, operation in run], wide) for (_, wide), run in numbered]
    return [Segment(run, run[0].scope, wide) for run, wide in runs]


def runs_of(numbers: Iterable[int], listed: Sequence[Segment]) -> list[list[int]]:
    """Return the numbers of segments in runs.

    Consecutive segments of scope "sample" form one run: a thread computes them for its chunk of the batch without
    waiting for other threads.
    """
    runs = groupby(numbers, key=lambda number: "sample" if listed[number].scope == "sample" else number)
    return [list(run) for _, run in runs]


def shared_runs(
    operations: Iterable[PlanStep],
    itemsize: int,
    is_shared: Callable[[PlanStep], bool],
    may_follow: Callable[[PlanStep], bool] = always,
) -> Iterator[tuple[PlanStep, bool]]:
    """Yield each operation, and whether a thread can continue with it after its chunk of the operation before.

    is_shared    whether threads share an operation that does not continue the one before
    may_follow   whether an operation may continue the one before
    """
    before: PlanStep | None = None
    rows = False
    for operation in operations:
        on = before is not None and may_follow(operation) and _goes_on(before, operation, rows=rows)
        yield operation, on
        if on:
            before = operation
        elif is_shared(operation) and operation.entry.piece is None and not _divided(operation):
            before, rows = operation, operation.share(itemsize).axis == 1
        else:
            before = None


def _divided(operation: PlanStep) -> bool:
    """Return whether threads share an operation in a way that no later operation can continue with."""
    return operation.sharing in (Sharing.CONCURRENT, Sharing.BY_OUTPUTS)


def _goes_on(before: PlanStep, operation: PlanStep, *, rows: bool) -> bool:
    """Return whether a thread can continue with an operation on its channels or rows of the previous result."""
    facts, x, y = operation.entry, before.writes[0], operation.writes[0]
    if operation.reads[0] != x or not x.shape or y.shape[:1] != x.shape[:1]:
        return False
    if rows:
        return y.shape == x.shape and (facts.piece == 0 or bool(facts.by_row))
    return (facts.piece is not None or is_by_channel(operation)) and len(y.shape) > (facts.piece or 0)


def is_by_channel(operation: PlanStep) -> bool:
    """Return whether a channel of the result depends only on the same channel of the first array read."""
    x, y = operation.reads[0], operation.writes[0]
    if not operation.entry.by_channel or x is None or x.shape[:1] != y.shape[:1]:
        return False
    return bool(operation.options.get("groups", y.shape[0]) == y.shape[0])


def block_size(sample_bytes: int) -> int:
    """Return the number of samples of a block, given the size of its arrays per sample."""
    return min(max(CACHE_BYTES // max(sample_bytes, 1), BLOCKS[0]), BLOCKS[1])


def _numbers(operations: Iterable[PlanStep], itemsize: int) -> Iterator[int]:
    """Yield the segment number of each operation; it is not positive for scope "batch"."""
    count = 0
    for operation, on in shared_runs(operations, itemsize, _is_batch, _is_batch):
        batch = _is_batch(operation)
        count += batch and not on and operation.sharing is not Sharing.CONCURRENT
        yield -count if batch else count


def _is_batch(operation: PlanStep) -> bool:
    return operation.scope == "batch"


def _wide(operations: Iterable[PlanStep], itemsize: int) -> Iterator[bool]:
    """Yield whether each operation should run in wide blocks; small ones without weights are like the previous one."""
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


def stages_of(plan: StepPlan, segments: Sequence[Segment]) -> list[range]:
    """Return the numbers of the segments of each stage; a plan that is not sharded has one.

    Errors   EngineError if a batch normalization was not divided, so that the shards cannot add its sums
    """
    undivided = [step.kernel for step in plan.operations if step.kernel in WHOLE_BATCH_KERNELS]
    if plan.sharded and undivided:
        raise EngineError(f"{undivided[0]} of a sharded plan was not divided, so that shards cannot add up its sums")
    last = [number for number, segment in enumerate(segments) if segment.operations[0].kernel in STAGE_ENDS]
    ends = [number + 1 for number in last] if plan.sharded else []
    return [range(*edges) for edges in itertools.pairwise([0, *ends, len(segments)])]


def summed_by_shards(segment: Segment) -> tuple[Tensor, ...]:
    """Return the sums that the shards of a batch add after a stage; segment: the last one of the stage.

    They are two tensors (C,), or the first two rows of one tensor.
    """
    operation = segment.operations[0]
    return operation.writes[STAGE_ENDS[operation.kernel] :]
