"""Layout of a program's workspaces: arrays that are not needed at the same time share memory.

The fewer bytes the arrays of a sample take, the more samples fit into the cache at a time, and the more often a result
replaces an array that is still in the cache and no longer needed. Inference needs at most two arrays at any time; in
training a gradient lives from one step to the next.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chainrule.engines.arena import Placed, place
from chainrule.engines.compiled.passes.branches import ArrayPart
from chainrule.engines.compiled.passes.segments import Segment, runs_of
from chainrule.engines.compiled.passes.steps import tensors_of

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
