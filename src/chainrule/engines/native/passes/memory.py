"""Memory layout of a program: workspaces, chunks of the batch, and parts of the parameters.

Arrays that are not needed at the same time share memory. The less memory a sample needs, the more samples fit into the
cache, and the more often a result overwrites an array that is still in the cache. Inference needs at most two arrays at
any time. In training, the gradient of an activation is only needed until the next step.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.arena import Placed, place
from chainrule.engines.native.passes.segments import Segment, runs_of
from chainrule.engines.native.passes.steps import PlanStep, Sharing, StepPlan, tensors_of

WORKSPACES = ("work", "indices", "share_work", "share_indices", "batch_work", "batch_indices")
ALIGNMENT_ELEMENTS = 16  # one cache line in float32, two in float64


@dataclass
class MemoryPlan:
    """The positions of a plan's arrays in the workspaces, which store a block, a chunk or the whole batch.

    Offsets and sizes are in elements per sample.

    offsets  storage of a tensor → its workspace, and its offset in the workspace
    sizes    workspace → its size
    """

    offsets: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WORKSPACES, 0))


@dataclass
class _PlacedArray(Placed):
    """An array to place, with its workspace."""

    workspace: str = ""


def plan_memory(segments: Sequence[Segment], arguments: Iterable[str], kept: Iterable[str]) -> MemoryPlan:
    """Return the memory plan of a program's tensors.

    arguments  storages that are arguments of the program
    kept       storages that are read after the program has run

    A tensor used by a single segment of scope "sample" is stored for one block, and its lifetime is measured in
    operations. A tensor used only within one run of such segments is stored for one chunk, and its lifetime is measured
    in segments. Any other tensor is stored for the whole batch. Its lifetime is measured in runs of segments, because
    threads progress through a run at different speeds.
    """
    kept = set(kept)
    memory = MemoryPlan()
    arrays = _arrays(segments, set(arguments))
    end = sum(len(segment.operations) for segment in segments)
    for name in WORKSPACES:
        group = [array for array in arrays if array.workspace == name]
        for array in group:
            if array.storage in kept:
                array.last = end
        memory.sizes[name] = place(group)
        memory.offsets |= {array.storage: (name, array.offset) for array in group}
    return memory


def _arrays(segments: Sequence[Segment], arguments: set[str]) -> list[_PlacedArray]:
    """Return the arrays to place, with their workspaces and lifetimes, without arguments of the program.

    The lifetime of an array is a range of operations, segments or runs, whichever the array is used within:

        used by                          workspace    lifetime
        one segment of scope "sample"    work         operations      one block is computed after the other
        one run of such segments         share_work   segments        one thread computes its whole chunk
        several runs                     batch_work   runs            threads are at different places within a run
    """
    users = _users(segments)
    arrays = dict[str, _PlacedArray]()
    operation_number = 0
    run_of = dict[int, tuple[int, set[int]]]()  # number of a segment → number of its run, and the run's segments
    for number, run in enumerate(runs_of(range(len(segments)), segments)):
        run_of |= dict.fromkeys(run, (number, set(run)))
    for segment_number, segment in enumerate(segments):
        run_number, run = run_of[segment_number]
        for operation in segment.operations:
            operation_number += 1
            for tensor in tensors_of([operation]):
                if tensor.kind not in ("activation", "statistic") or tensor.storage in arguments:
                    continue
                storage = tensor.storage
                per_chunk = segment.scope == "sample" and users[storage] <= run
                per_block = per_chunk and not segment.wide and len(users[storage]) == 1
                workspace = "work"
                if tensor.integer:
                    workspace = "indices"
                moment = operation_number
                if per_chunk and not per_block:
                    workspace = f"share_{workspace}"
                    moment = segment_number
                elif not per_chunk:
                    workspace = f"batch_{workspace}"
                    moment = run_number
                size = -(-tensor.size // ALIGNMENT_ELEMENTS) * ALIGNMENT_ELEMENTS
                array = arrays.setdefault(storage, _PlacedArray(storage, size, moment, moment, workspace=workspace))
                array.size = max(array.size, size)
                array.last = moment
    return list(arrays.values())


def _users(segments: Sequence[Segment]) -> dict[str, set[int]]:
    """Return the indices of the segments that read or write each storage."""
    users: dict[str, set[int]] = {}
    for number, segment in enumerate(segments):
        for tensor in tensors_of(segment.operations):
            users.setdefault(tensor.storage, set()).add(number)
    return users


MIN_THREADS = 3  # with two threads, several chunks or parts per thread took 1 to 2 % longer
MAX_CHUNKS = 5  # chunks per thread
MIN_CHUNK = 2  # samples per chunk
MAX_GRADIENT_BYTES = 1 << 25  # total size of the gradients of all chunks
PARTS_PER_THREAD = 4  # iterations per thread of the loops over the parameters, in updates and sums of gradients
MIN_PART = 1 << 12  # minimum number of elements of a parameter that forms a separate part
LINE = 16  # float32 elements in a cache line


def max_chunks(threads: int, gradient_bytes: int) -> int:
    """Return the maximum number of chunks per thread.

    gradient_bytes  size of the gradient buffer of each chunk
    """
    if threads < MIN_THREADS:
        return 1
    return max(1, min(MAX_CHUNKS, MAX_GRADIENT_BYTES // max(1, threads * gradient_bytes)))


def chunk_bounds(count: int, threads: int, most: int, fewest: int) -> NDArray[np.int64]:
    """Return the index of the first sample in each chunk of a batch, followed by the batch size.

    Each chunk consists of half of the thread's remaining samples, so the last chunks are small and balance the load.

    count   batch size
    most    maximum number of chunks per thread
    fewest  minimum number of samples in a chunk, if a thread has enough samples
    """
    halvings = range(1, min(most, (count // threads // max(MIN_CHUNK, fewest)).bit_length()))
    edges = [0]
    for thread in range(threads):
        first, last = (edge * count // threads for edge in (thread, thread + 1))
        edges += [*(last - ((last - first) >> shift) for shift in halvings), last]
    return np.array(edges, np.int64)


def part_count(threads: int) -> int:
    """Return the number of iterations of the parallel loops over the parameters (`parts` in programs)."""
    return threads * (PARTS_PER_THREAD if threads >= MIN_THREADS else 1)


class ParameterPart(NamedTuple):
    """A range of the flat parameter buffer, divided into rows of equal width. The last row may be shorter.

    first  offset of the range in the buffer
    size   number of parameters
    width  number of parameters in a row
    outer  operation for the rows' gradient dy xᵀ if it is deferred to the update, or None
    whole  operation that computes the rows' gradient once for the whole batch instead of once per chunk, or None
    """

    first: int
    size: int
    width: int = LINE
    outer: PlanStep | None = None
    whole: PlanStep | None = None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return -(-self.size // self.width)


def parameter_count(plan: StepPlan, layout: Mapping[str, tuple[int, int]]) -> int:
    """Return a plan's number of parameters. Every parameter is read by the plan."""
    read = [tensor for tensor in tensors_of(plan.operations) if tensor.kind == "parameter"]
    return max((layout[tensor.storage][1] for tensor in read), default=0)


def parameter_parts(
    plan: StepPlan, layout: Mapping[str, tuple[int, int]], count: int, deferred: Iterable[PlanStep], *, by_rows: bool
) -> list[ParameterPart]:
    """Return the parts of the parameters, in buffer order. Adjacent parameters are merged unless treated separately.

    Separate are parameters whose gradient is computed by the update, or once per batch, and large ones if threads
    divide layers by rows. Each is preceded by a part for the parameters since the previous one. Empty parts are left
    out.

    layout    name of a parameter → its range in the flat buffer
    count     number of parameters
    deferred  operations for gradients that are computed by the update
    by_rows   whether layers are split across threads, so that each thread should update the rows of its outputs
    """
    at_update = {step.writes[0].differentiated: step for step in deferred}
    once = {step.writes[0].differentiated: step for step in plan.backward if step.sharing is Sharing.ONCE_PER_BATCH}
    tensors = tensors_of(plan.backward)
    rows = {tensor.differentiated: tensor.shape[0] for tensor in tensors if tensor.kind == "gradient" and tensor.shape}
    parts = list[ParameterPart]()
    end = 0
    for start, stop, name in sorted((*layout[parameter], parameter) for parameter in rows):
        size = stop - start
        if name in at_update or name in once or (by_rows and size >= MIN_PART):
            part = ParameterPart(start, size, size // rows[name], at_update.get(name), once.get(name))
            parts += [ParameterPart(end, start - end), part]
            end = stop
    return [part for part in (*parts, ParameterPart(end, count - end)) if part.size]
