"""Training steps and inference calls: every contender at every network and size of a batch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chainrule.bench import peers, work
from chainrule.bench.contenders import Task
from chainrule.bench.processes import Process, WorkerError, started
from chainrule.bench.rounds import Timing, timed
from chainrule.bench.rows import Row
from chainrule.bench.subjects import Subject

ENOUGH_ALIKE = 1e-4  # how far a peer's loss and gradient, or output, may be from ours, as a share
OURS = "numba"


def _unwatched(text: str, share: float) -> None:
    pass


@dataclass(frozen=True)
class Setting:
    """How contenders are timed.

    engine   ours
    watch    told what is being done, and which share of all is done
    """

    threads: int
    rounds: int = 20
    engine: str = OURS
    watch: Callable[[str, float], None] = _unwatched


def rows(
    kind: str, subjects: Sequence[Subject], batches: Sequence[int], names: Sequence[str], setting: Setting
) -> Iterator[Row]:
    """The rows of train or infer, network by network and batch by batch."""
    absent = {name: reason for name in names if (reason := peers.missing(name))}
    here = [setting.engine, *(name for name in names if name not in absent and name != setting.engine)]
    tasks = [(subject, batch) for subject in subjects for batch in batches]
    with started(here, setting.threads) as processes:
        for number, (subject, batch) in enumerate(tasks):
            step = _Progress(f"{subject.name}, batch {batch}", number, len(tasks), setting)
            loaded, reasons = _loaded(kind, subject, batch, processes, setting, step)
            found = timed(loaded, setting.rounds, step.turned(setting.rounds * len(loaded))) if loaded else {}
            yield from _compared(kind, subject, batch, names, found, {**absent, **reasons}, setting)


class _Progress:
    """Where in all the work we are."""

    def __init__(self, title: str, number: int, tasks: int, setting: Setting) -> None:
        self._title, self._number, self._tasks, self._setting = title, number, tasks, setting

    def say(self, text: str, part: float = 0.0) -> None:
        """What is done, and which part of this task is behind us."""
        self._setting.watch(f"{self._title}: {text}", (self._number + part) / self._tasks)

    def turned(self, turns: int) -> Callable[[], None]:
        """Counts turns."""
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            self.say("timed in turn", done / turns)

        return count


def _loaded(
    kind: str, subject: Subject, batch: int, processes: Mapping[str, Process], setting: Setting, step: _Progress
) -> tuple[dict[str, Process], dict[str, str]]:
    """The contenders that are ready and compute the same, and why the others are not among them."""
    ready: dict[str, Process] = {}
    reasons: dict[str, str] = {}
    for name, process in processes.items():
        step.say(f"{name} prepares")
        task = Task(kind, name, subject, batch, setting.threads)
        try:
            difference = process.ask("load", task=asdict(task))["difference"]
        except WorkerError as error:
            reasons[name] = str(error)
            continue
        if difference <= ENOUGH_ALIKE:
            ready[name] = process
        else:
            reasons[name] = f"does not compute the same: differs by {difference:.2g} of the whole"
    return ready, reasons


def _compared(
    kind: str,
    subject: Subject,
    batch: int,
    names: Sequence[str],
    found: Mapping[str, Timing],
    reasons: Mapping[str, str],
    setting: Setting,
) -> Iterator[Row]:
    """A row for each peer."""
    network = subject.build("numpy", 1)
    plan = network.plan(subject.steps(batch).loss if kind == "train" else None)
    operations = 2.0 * batch * work.of_plan(plan)
    ours = found.get(setting.engine)
    for name in names:
        theirs = found.get(name)
        reason = reasons.get(name) or (reasons.get(setting.engine) and f"ours: {reasons[setting.engine]}")
        more: dict[str, Any] = {"engine": setting.engine, "threads": setting.threads, "rounds": setting.rounds}
        for side, timing in (("ours", ours), ("theirs", theirs)):
            more[f"{side}_spread"] = timing and timing.spread
            more[f"{side}_gflops"] = timing and operations / timing.median / 1e9
        yield Row(kind, subject.name, batch, name, ours and ours.median, theirs and theirs.median, reason, more)
