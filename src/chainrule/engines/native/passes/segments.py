"""Division of a plan into segments, and of a sharded plan into stages.

A segment is a sequence of steps that a thread applies to its samples, block by block.

A block of samples should fit into the cache together with all arrays of its segment, so networks for large images have
small blocks. But a layer reads all its weights for every block. In a network whose arrays call for small blocks, layers
with more weights than activations therefore form separate segments, with blocks of `WIDE_BLOCK` samples.

The shards of a batch run one program per stage and synchronize in between (`batch_norm_sync`). A stage ends after a
batch normalization has summed its statistics over the samples of the shard.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from chainrule.core.plan import Tensor
from chainrule.engines.native.passes.steps import PlanStep, Sharing, StepPlan, tensors_of
from chainrule.errors import EngineError

CACHE_BYTES = (
    1 << 21
)  # of a block's arrays; with half as much, numpy-cnn trains 8 % slower (it reads weights more often)
INFERENCE_BYTES = 1 << 19  # of a block's arrays in inference, which packs no weights for a block
BLOCKS = (4, 32)  # minimum and maximum samples in a block; with fewer, dense layers are inefficient
WIDE_BLOCK = BLOCKS[1]
# Kernel that ends a stage → index of its first result that is summed over shards.
STAGE_ENDS = {"batch_norm_statistics": 0, "batch_norm_coefficients": 2}
WHOLE_BATCH_KERNELS = ("batch_norm", "batch_norm_dx", "batch_norm_backward")  # these need all samples
SMALL_BYTES = CACHE_BYTES // WIDE_BLOCK  # of the arrays for one sample; smaller operations may run in wide blocks


class Segment(NamedTuple):
    """Consecutive steps that are computed together.

    A segment of scope "batch" consists of one step that is divided among the threads, or of two steps that different
    threads compute at the same time.

    wide  whether it has more weights than activations: its blocks have `WIDE_BLOCK` samples, and its arrays have space
          for all samples of a chunk instead of one block
    """

    operations: list[PlanStep]
    scope: str
    wide: bool


def segments(operations: Iterable[PlanStep], itemsize: int) -> list[Segment]:
    """Return the segments of a plan's operations, in execution order."""
    listed = list(operations)
    activations = {tensor.storage: tensor.size for tensor in tensors_of(listed) if tensor.per_sample}
    divided = sum(activations.values()) * itemsize > CACHE_BYTES // WIDE_BLOCK
    wide_ones = [False] * len(listed)
    if divided:
        wide_ones = _wide(listed, itemsize)
    result = list[Segment]()
    before: tuple[int, bool] | None = None
    for operation, number, wide in zip(listed, _numbers(listed), wide_ones, strict=True):
        key = number, wide and number >= 0
        if key != before:
            result.append(Segment([], operation.scope, key[1]))
        result[-1].operations.append(operation)
        before = key
    return result


def runs_of(numbers: Iterable[int], listed: Sequence[Segment]) -> list[list[int]]:
    """Return the numbers of segments, grouped into runs.

    Consecutive segments of scope "sample" form one run: a thread takes its samples through all of them without waiting
    for other threads. Every other segment is a run of its own.
    """
    runs = groupby(numbers, key=lambda number: "sample" if listed[number].scope == "sample" else number)
    return [list(run) for _, run in runs]


def block_size(sample_bytes: int, *, training: bool) -> int:
    """Return the number of samples in a block.

    sample_bytes  size of the arrays of one sample
    """
    return min(max((CACHE_BYTES if training else INFERENCE_BYTES) // max(sample_bytes, 1), BLOCKS[0]), BLOCKS[1])


def _numbers(operations: Iterable[PlanStep]) -> Iterator[int]:
    """Yield a number for each operation. Operations of a segment have the same number, negative for scope "batch"."""
    count = 0
    for operation in operations:
        batch = operation.scope == "batch"
        count += batch and operation.sharing is not Sharing.CONCURRENT
        yield -count if batch else count


def _wide(operations: Iterable[PlanStep], itemsize: int) -> Iterator[bool]:
    """Yield whether each operation should run in wide blocks.

    It should if it has more weights than activations, or if it is small and the previous operation runs in wide blocks.
    An operation without activations, such as folding a batch normalization, does not matter.
    """
    wide = False
    for operation in operations:
        activations = weights = 0  # bytes
        for tensor in tensors_of([operation]):
            if tensor.per_sample:
                activations += tensor.size * itemsize
            else:
                weights += tensor.size * itemsize
        wide = weights > activations > 0 or (wide and activations <= SMALL_BYTES)
        yield wide


def stages_of(plan: StepPlan, segments: Sequence[Segment]) -> list[range]:
    """Return the numbers of the segments in each stage. A plan that is not sharded has one stage.

    Errors   EngineError if a batch normalization was not divided into steps, so that the shards cannot exchange its
             statistics
    """
    undivided = [step.kernel for step in plan.operations if step.kernel in WHOLE_BATCH_KERNELS]
    if plan.sharded and undivided:
        raise EngineError(f"{undivided[0]} was not divided into steps, so that shards cannot exchange its statistics")
    last = [number for number, segment in enumerate(segments) if segment.operations[0].kernel in STAGE_ENDS]
    ends = []
    if plan.sharded:
        ends = [number + 1 for number in last]
    return [range(*edges) for edges in itertools.pairwise([0, *ends, len(segments)])]


def synchronized_statistics(segment: Segment) -> tuple[Tensor, ...]:
    """Return the statistics of a shard that are replaced, after a stage, by those of the whole batch.

    These are two tensors of shape (C,): mean and variance; or one tensor (3, C), of which only rows 0 and 1 are
    replaced: the means that the gradient of a batch normalization needs. `batch_norm_sync` combines those of all
    shards.

    segment  last segment of the stage
    """
    operation = segment.operations[0]
    return operation.writes[STAGE_ENDS[operation.kernel] :]
