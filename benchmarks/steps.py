"""Training steps and inference calls of every contender, for every network and batch size."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks import work
from benchmarks.contenders import Task
from benchmarks.processes import Process, WorkerError, started
from benchmarks.rounds import Timing, timed
from benchmarks.rows import Row
from benchmarks.setting import Setting
from benchmarks.subjects import Subject

# Largest relative difference of a peer's outputs, or its loss and gradient, from ours. In float32, a ReLU whose input
# is within rounding of 0, or a maximum that leads by as little, may go either way: one maximum of fast-mnist changes
# the gradient of 32 images by 4e-3. In float64, the difference is 5e-16.
ENOUGH_ALIKE = {"infer": 2e-3, "train": 1e-2}


def rows(
    kind: str, subjects: Sequence[Subject], batches: Sequence[int], names: Sequence[str], setting: Setting
) -> Iterator[Row]:
    """Yield the rows of train or infer, network by network and batch by batch."""
    absent, here = setting.divided(names)
    tasks = [(subject, batch) for subject in subjects for batch in batches]
    with started(here, setting.threads, **setting.environment) as processes:
        setting.watch("the machine's own speed", 0.0)
        best: dict[str, Any] = next(iter(processes.values())).ask("machine", threads=setting.threads)
        for number, (subject, batch) in enumerate(tasks):
            share = 1 / len(tasks)
            loaded, reasons = ready(kind, subject, batch, processes, setting, number * share)
            title, turns = f"{subject.name}, batch {batch}", setting.rounds * len(loaded)
            turned = _Turns(title, turns, number * share, share, setting)
            found, lost = timed(loaded, setting.rounds, turned)
            compared = _Compared(kind, subject, batch, setting, best)
            yield from compared.rows(names, found, {**absent, **reasons, **lost})


def ready(
    kind: str, subject: Subject, batch: int, processes: Mapping[str, Process], setting: Setting, share: float = 0.0
) -> tuple[dict[str, Process], dict[str, str]]:
    """Return the contenders that are ready and compute the same, and the reasons for leaving out the others."""
    found: dict[str, Process] = {}
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
        if difference <= ENOUGH_ALIKE[kind]:
            found[name] = process
        else:
            reasons[name] = f"does not compute the same: relative difference {difference:.2g}"
    return found, reasons


class _Turns:
    """Reporter of every turn to the watcher."""

    def __init__(self, title: str, turns: int, before: float, share: float, setting: Setting) -> None:
        self._title, self._turns, self._before, self._share = title, turns, before, share
        self._watch = setting.watch
        self._done = 0

    def __call__(self) -> None:
        self._done += 1
        self._watch(f"{self._title}: in turn", self._before + self._share * min(self._done / self._turns, 1))


class _Compared:
    """Maker of rows from timings, with speeds and their share of the processor's peak."""

    def __init__(self, kind: str, subject: Subject, batch: int, setting: Setting, best: Mapping[str, Any]) -> None:
        network = subject.build("numpy", 1)
        plan = network.plan(subject.steps(batch).loss if kind == "train" else None)
        self._operations = 2.0 * batch * work.of_plan(plan)
        self._best: Mapping[str, float | None] = best[str(network.dtype)]
        self._kind, self._subject, self._batch, self._setting = kind, subject, batch, setting

    def rows(self, names: Sequence[str], found: Mapping[str, Timing], reasons: Mapping[str, str]) -> Iterator[Row]:
        """Yield a row for each peer."""
        engine = self._setting.engine
        ours = found.get(engine)
        for name in names:
            theirs = found.get(name)
            reason = reasons.get(name) or (f"ours: {reasons[engine]}" if engine in reasons else None)
            more = {**self._setting.facts(), **self._speeds("ours", ours), **self._speeds("theirs", theirs)}
            more |= {"machine_fma_gflops": self._best["fma"], "machine_gemm_gflops": self._best["gemm"]}
            times = ours and ours.least, theirs and theirs.least
            yield Row(self._kind, self._subject.name, self._batch, name, *times, reason, more)

    def _speeds(self, side: str, timing: Timing | None) -> dict[str, float | None]:
        speed = timing and self._operations / timing.least / 1e9
        share = speed / self._best["fma"] if speed and self._best["fma"] else None
        return {f"{side}_excess": timing and timing.excess, f"{side}_gflops": speed, f"{side}_share": share}
