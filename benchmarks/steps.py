"""Timing of training steps and calls of predict: a row per network, batch size and peer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks import peers
from benchmarks.contenders import Task
from benchmarks.processes import Process, WorkerError, started
from benchmarks.rounds import timed
from benchmarks.subjects import Subject
from chainrule.models.profiling import Timing

# Largest relative difference from the expected outputs, or loss and gradient. In float32, rounding errors
# can change the sign of a ReLU's input near 0, or the position of a maximum: a single maximum in fast-mnist changes the
# gradient of 32 images by 4e-3. In float64, the difference is 5e-16.
MAX_DIFFERENCES = {"infer": 2e-3, "train": 1e-2}


@dataclass(frozen=True)
class Row:
    """Times of this library and a peer for the same work.

    kind     train or infer
    missing  reason why one of the times is missing
    network  description of a random network
    """

    kind: str
    model: str
    batch: int
    peer: str
    ours: Timing | None
    theirs: Timing | None
    missing: str | None = None
    network: str = ""

    @property
    def ratio(self) -> float | None:
        """Theirs / ours, above 1 if this library is faster; None if either is missing."""
        if not self.ours or not self.theirs:
            return None
        return self.theirs.least / self.ours.least

    def to_json(self) -> dict[str, Any]:
        """Return all fields and the ratio as one JSON object, with the seconds of each round."""
        return {**asdict(self), "ratio": self.ratio}


@dataclass(frozen=True)
class Setting:
    """Settings of a benchmark.

    threads  threads per contender
    rounds   turns per contender
    engine   engine of this library
    watch    function called with the current activity
    """

    threads: int
    rounds: int = 20
    engine: str = "compiled"
    watch: Callable[[str], Any] = lambda text: None


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
    with started(available, setting.threads) as processes:
        for subject in subjects:
            for batch in batches:
                setting.watch(f"{subject.name}, batch {batch}")
                loaded, reasons = ready(kind, subject, batch, processes, setting)
                timings, failures = timed(loaded, setting.rounds)
                reasons = {**absent, **reasons, **failures}
                ours = timings.get(setting.engine)
                for name in names:
                    reason = reasons.get(name)
                    if not reason and setting.engine in reasons:
                        reason = f"ours: {reasons[setting.engine]}"
                    yield Row(kind, subject.name, batch, name, ours, timings.get(name), reason)


def ready(
    kind: str, subject: Subject, batch: int, processes: Mapping[str, Process], setting: Setting
) -> tuple[dict[str, Process], dict[str, str]]:
    """Load the contenders; return those with correct results, and the reasons why the others are missing.

    kind   train or infer
    """
    loaded: dict[str, Process] = {}
    reasons: dict[str, str] = {}
    for name, process in processes.items():
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
