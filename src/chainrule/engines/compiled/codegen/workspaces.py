"""Layout of a program's workspaces: arrays that are not needed at the same time share memory.

The fewer bytes the arrays of a sample take, the more samples fit into the cache at a time, and the more often a result
replaces an array that is still in the cache and no longer needed. Inference needs at most two arrays at any time; in
training a gradient lives from one step to the next.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.arena import Placed, place
from chainrule.engines.compiled.passes.branches import ArrayPart
from chainrule.engines.compiled.passes.segments import Segment, runs_of
from chainrule.engines.compiled.passes.steps import PlanStep, Sharing, StepPlan, tensors_of

WORKSPACES = ("work", "indices", "share_work", "share_indices", "batch_work", "batch_indices")
WHOLE = 16  # entries that fill a line, in float32; in float64 they fill two


@dataclass
class MemoryPlan:
    """Offsets of the arrays of a plan, in entries for each sample, in the workspaces for a block, a share or a batch.

    offsets  storage of a tensor → its workspace and its offset there
    sizes    entries of each workspace for one sample
    """

    offsets: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WORKSPACES, 0))


@dataclass
class _Array(Placed):
    """An array and its workspace."""

    workspace: str = ""


def plan_memory(
    segments: Sequence[Segment], given: Iterable[str], kept: Iterable[str], parts: Mapping[str, ArrayPart]
) -> MemoryPlan:
    """Return where the tensors of a program lie.

    given  storages that are arguments of the program
    kept   storages that are read after it
    parts  storages that lie in others

    A tensor that one segment of scope "sample" touches lies in the workspace of a thread, for one block, and its time
    is counted in operations. One that only a run of them touches lies there for the share of the batch with which a
    thread goes through the run, and its time is counted in segments. Any other holds the whole batch, and its time is
    counted in runs: threads go through one at their own pace.
    """
    kept, memory = set(kept), MemoryPlan()
    arrays, end = _arrays(segments, set(given), parts), sum(len(segment.operations) for segment in segments)
    for name in WORKSPACES:
        found = [array for array in arrays if array.workspace == name]
        for array in found:
            array.last = end if array.storage in kept else array.last
        memory.sizes[name] = place(found)
        memory.offsets |= {array.storage: (name, array.offset) for array in found}
    for storage in parts:
        whole, before = place_of(storage, parts)
        name, offset = memory.offsets[whole]
        memory.offsets[storage] = (name, offset + before)
    return memory


def place_of(storage: str, parts: Mapping[str, ArrayPart]) -> ArrayPart:
    """Return the array that a storage lies in which lies in no other, and the entries before it there."""
    before = 0
    while storage in parts:
        before += parts[storage].before
        storage = parts[storage].whole
    return ArrayPart(storage, before)


def _arrays(segments: Sequence[Segment], given: set[str], parts: Mapping[str, ArrayPart]) -> list[_Array]:
    """Return the arrays of all tensors that are not given and lie in no other, with their workspaces and times.

    One that has parts is needed as long as any of them, and holds the whole batch.
    """
    users, arrays, time = _users(segments), dict[str, _Array](), 0
    runs = [{*run} for run in runs_of(range(len(segments)), segments)]
    run_of = {number: (time_of_run, run) for time_of_run, run in enumerate(runs) for number in run}
    joined = {place_of(storage, parts).whole for storage in parts}
    for number, segment in enumerate(segments):
        time_of_run, run = run_of[number]
        for operation in segment.operations:
            time += 1
            for tensor in tensors_of([operation]):
                if tensor.kind not in ("activation", "statistic") or tensor.storage in given:
                    continue
                storage = place_of(tensor.storage, parts).whole
                of_share = segment.scope == "sample" and storage not in joined and users[storage] <= run
                of_block = of_share and not segment.wide and len(users[storage]) == 1
                kind = "" if of_block else "share_" if of_share else "batch_"
                name = kind + ("indices" if tensor.integer else "work")
                now = time if of_block else number if of_share else time_of_run
                size = -(-tensor.size // WHOLE) * WHOLE
                array = arrays.setdefault(storage, _Array(storage, size, now, now, workspace=name))
                array.size, array.last = max(array.size, size), now
    return list(arrays.values())


def _users(segments: Sequence[Segment]) -> dict[str, set[int]]:
    """Return the numbers of the segments that touch each storage."""
    users: dict[str, set[int]] = {}
    for number, segment in enumerate(segments):
        for tensor in tensors_of(segment.operations):
            users.setdefault(tensor.storage, set()).add(number)
    return users


MIN_THREADS = 3  # with several shares each: with two threads, more shares cost 1 to 2 % and gained nothing
MAX_SHARES = 5  # of the samples of each thread
MIN_SHARE = 2  # samples
MAX_GRADIENT_BYTES = 1 << 25  # of all shares
PARTS_OF_THREAD = 4  # of the parameters
MIN_PART = 1 << 12  # entries of a parameter that justify a part of its own
LINE = 16  # entries of float32 that fill a line of the cache


def most_shares(threads: int, gradient_bytes: int) -> int:
    """Return how many shares the samples of each thread may have; gradient_bytes: of the gradient of each share."""
    if threads < MIN_THREADS:
        return 1
    return max(1, min(MAX_SHARES, MAX_GRADIENT_BYTES // max(1, threads * gradient_bytes)))


def share_edges(count: int, threads: int, most: int, fewest: int) -> NDArray[np.int32]:
    """Return where the shares of a batch of `count` samples begin, in order, and its end: halves of what is left.

    most    shares of the samples of each thread
    fewest  samples of the smallest share, if each thread has that many
    """
    halvings = range(1, min(most, (count // threads // max(MIN_SHARE, fewest)).bit_length()))
    edges = [0]
    for thread in range(threads):
        first, last = (edge * count // threads for edge in (thread, thread + 1))
        edges += [*(last - ((last - first) >> times) for times in halvings), last]
    return np.array(edges, np.int32)


def parts(threads: int) -> int:
    """Return the number of parts into which the parameters are divided evenly."""
    return threads * (PARTS_OF_THREAD if threads >= MIN_THREADS else 1)


class ParameterPart(NamedTuple):
    """A part of the parameters, in their flat buffer: rows of equal width; the last may be shorter.

    outer  the operation that makes the gradient dy xᵀ of these rows, where the update does that instead
    whole  the operation that makes their gradient for the whole batch, where it is not made for each share and added up
    """

    first: int
    size: int
    width: int = LINE
    outer: PlanStep | None = None
    whole: PlanStep | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return -(-self.size // self.width)

    @property
    def share(self) -> str:
        """The expressions for the first entry of turn `k` of `parts` turns, and for the one after its last."""
        edges = [f"{k} * {self.rows} // parts * {self.width}" for k in ("k", "(k + 1)")]
        if self.size % self.width:
            edges = [f"min({self.size}, {edge})" for edge in edges]
        return ", ".join(f"{self.first} + {edge}" for edge in edges)


def parameter_count(plan: StepPlan, layout: Mapping[str, tuple[int, int]]) -> int:
    """Return the number of parameters of a plan, which reads all of them."""
    read = [each for each in tensors_of(plan.operations) if each.kind == "parameter"]
    return max((layout[each.storage][1] for each in read), default=0)


def parts_of(
    plan: StepPlan, layout: Mapping[str, tuple[int, int]], count: int, deferred: Iterable[PlanStep], *, by_rows: bool
) -> list[ParameterPart]:
    """Return the parts of the parameters, in their order; neighbours that need no distinction are one part.

    layout    name of a parameter → its range in the flat buffer
    deferred  operations that make gradients, which are left to the update
    by_rows   whether threads share layers, so that each should have the rows of its outputs
    """
    outer = {each.writes[0].differentiated: each for each in deferred}
    whole = {each.writes[0].differentiated: each for each in plan.backward if each.sharing is Sharing.ONCE_PER_BATCH}
    written = tensors_of(plan.backward)
    rows = {each.differentiated: each.shape[0] for each in written if each.kind == "gradient" and each.shape}
    found, end = list[ParameterPart](), 0
    for first, last, name in sorted((*layout[each], each) for each in rows):
        size = last - first
        if name in outer or name in whole or (by_rows and size >= MIN_PART):
            own = ParameterPart(first, size, size // rows[name], outer.get(name), whole.get(name))
            found += [ParameterPart(end, first - end), own]
            end = last
    return [part for part in (*found, ParameterPart(end, count - end)) if part.size]
