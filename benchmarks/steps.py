"""Timing of training steps and calls of predict: a row per network, batch size and peer."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks import peers
from benchmarks.contenders import Task
from benchmarks.processes import Process, WorkerError, started
from benchmarks.rounds import timed
from benchmarks.subjects import Subject

# Largest relative difference from the expected outputs, or loss and gradient. In float32, rounding errors
# can change the sign of a ReLU's input near 0, or the position of a maximum: a single maximum in fast-mnist changes the
# gradient of 32 images by 4e-3. In float64, the difference is 5e-16.
MAX_DIFFERENCES = {"infer": 2e-3, "train": 1e-2}


@dataclass(frozen=True)
class Row:
    """Results of this library and a peer for the same work: times in seconds.

    work     train, infer or drawn
    missing  reason why one of the results is missing
    more     additional results, such as rounds and the excess of the median times
    """

    work: str
    model: str
    batch: int
    peer: str
    ours: float | None
    theirs: float | None
    missing: str | None = None
    more: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def ratio(self) -> float | None:
        """Theirs / ours, above 1 if this library is faster; None if either is missing."""
        if not self.ours or not self.theirs:
            return None
        return self.theirs / self.ours

    def to_json(self) -> dict[str, Any]:
        """Return all fields, the ratio and `more` as one JSON object."""
        fields = dict(vars(self))
        more = fields.pop("more")
        return {**fields, "ratio": self.ratio, **more}


@dataclass(frozen=True)
class Setting:
    """Settings of a benchmark.

    threads  threads per contender
    rounds   turns per contender
    engine   engine of this library
    watch    function called with the current activity and the completed fraction of the work
    """

    threads: int
    rounds: int = 20
    engine: str = "compiled"
    watch: Callable[[str, float], Any] = lambda text, share: None


def rows(
    kind: str, subjects: Sequence[Subject], batches: Sequence[int], names: Sequence[str], setting: Setting
) -> Iterator[Row]:
    """Time all contenders in turn; yield a row per network, batch size and peer. `kind` is train or infer."""
    names = [name for name in names if kind == "infer" or peers.PEERS[name].train]
    if not names:
        return
    absent = dict[str, str]()
    for name in names:
        reason = peers.missing(name)
        if reason:
            absent[name] = reason
    available = [name for name in dict.fromkeys([setting.engine, *names]) if name not in absent]
    tasks = [(subject, batch) for subject in subjects for batch in batches]
    with started(available, setting.threads) as processes:
        for number, (subject, batch) in enumerate(tasks):
            share = 1 / len(tasks)
            loaded, reasons = ready(kind, subject, batch, processes, setting, number * share)
            title = f"{subject.name}, batch {batch}"
            turns = setting.rounds * len(loaded)
            turned = _reporter(title, turns, number * share, share, setting)
            timings, failures = timed(loaded, setting.rounds, turned)
            reasons = {**absent, **reasons, **failures}
            more = {"engine": setting.engine, "threads": setting.threads, "rounds": setting.rounds}
            for name in names:
                reason = reasons.get(name)
                if not reason and setting.engine in reasons:
                    reason = f"ours: {reasons[setting.engine]}"
                ours = timings.get(setting.engine)
                theirs = timings.get(name)
                facts = {**more, "ours_excess": ours and ours.excess, "theirs_excess": theirs and theirs.excess}
                yield Row(kind, subject.name, batch, name, ours and ours.least, theirs and theirs.least, reason, facts)


def ready(
    kind: str, subject: Subject, batch: int, processes: Mapping[str, Process], setting: Setting, share: float = 0.0
) -> tuple[dict[str, Process], dict[str, str]]:
    """Load the contenders; return those with correct results, and the reasons why the others are missing.

    kind   train or infer
    share  completed fraction of the work, for the progress bar
    """
    loaded: dict[str, Process] = {}
    reasons: dict[str, str] = {}
    for name, process in processes.items():
        setting.watch(f"{subject.name}, batch {batch}: {name} prepares", share)
        task = Task(kind, name, subject, batch, setting.threads)
        try:
            process.ask("load", task=asdict(task))
            difference: float = process.ask("difference")["difference"]
        except WorkerError as error:
            reasons[name] = str(error)
            continue
        if difference <= MAX_DIFFERENCES[kind]:
            loaded[name] = process
        else:
            reasons[name] = f"results differ: relative difference {difference:.2g}"
    return loaded, reasons


def _reporter(title: str, turns: int, before: float, share: float, setting: Setting) -> Callable[[], None]:
    """Return a function that reports the progress after every turn."""
    done = itertools.count(1)
    return lambda: setting.watch(f"{title}: in turn", before + share * min(next(done) / turns, 1))
