"""Timing of training steps and calls of predict, per network, batch size and contender."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks import operation_counts
from benchmarks.contenders import Task
from benchmarks.processes import Process, WorkerError, started
from benchmarks.rounds import Timing, timed
from benchmarks.rows import Row
from benchmarks.setting import Setting
from benchmarks.subjects import Subject

# Largest relative difference from the expected outputs, or loss and gradient. In float32, rounding errors
# can change the sign of a ReLU's input near 0, or the position of a maximum: a single maximum in fast-mnist changes the
# gradient of 32 images by 4e-3. In float64, the difference is 5e-16.
MAX_DIFFERENCES = {"infer": 2e-3, "train": 1e-2}


def rows(
    kind: str, subjects: Sequence[Subject], batches: Sequence[int], names: Sequence[str], setting: Setting
) -> Iterator[Row]:
    """Time all contenders in turn; yield a row per network, batch size and peer. `kind` is train or infer."""
    absent, available = setting.divided(names)
    tasks = [(subject, batch) for subject in subjects for batch in batches]
    with started(available, setting.threads) as processes:
        setting.watch("peak performance of the machine", 0.0)
        peak: dict[str, Any] = next(iter(processes.values())).ask("machine", threads=setting.threads)
        for number, (subject, batch) in enumerate(tasks):
            share = 1 / len(tasks)
            loaded, reasons = ready(kind, subject, batch, processes, setting, number * share)
            title, turns = f"{subject.name}, batch {batch}", setting.rounds * len(loaded)
            turned = _reporter(title, turns, number * share, share, setting)
            timings, failures = timed(loaded, setting.rounds, turned)
            compared = _RowMaker(kind, subject, batch, setting, peak)
            yield from compared.rows(names, timings, {**absent, **reasons, **failures})


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


class _RowMaker:
    """Builds rows from timings, with speeds in GFLOP/s and as fractions of the processor's peak."""

    def __init__(self, kind: str, subject: Subject, batch: int, setting: Setting, peak: Mapping[str, Any]) -> None:
        network = subject.build("numpy", 1)
        plan = network.plan(subject.steps(batch).loss if kind == "train" else None)
        self._operations = 2.0 * batch * operation_counts.of_plan(plan)
        self._best: Mapping[str, float | None] = peak[str(network.dtype)]
        self._kind, self._subject, self._batch, self._setting = kind, subject, batch, setting

    def rows(self, names: Sequence[str], timings: Mapping[str, Timing], reasons: Mapping[str, str]) -> Iterator[Row]:
        """Yield a row per peer, from the timings of all contenders and the reasons why some are missing."""
        engine = self._setting.engine
        ours = timings.get(engine)
        for name in names:
            theirs = timings.get(name)
            reason = reasons.get(name) or (f"ours: {reasons[engine]}" if engine in reasons else None)
            more = {**self._setting.facts(), **self._speeds("ours", ours), **self._speeds("theirs", theirs)}
            more |= {"machine_fma_gflops": self._best["fma"], "machine_gemm_gflops": self._best["gemm"]}
            times = ours and ours.least, theirs and theirs.least
            yield Row(self._kind, self._subject.name, self._batch, name, *times, reason, more)

    def _speeds(self, side: str, timing: Timing | None) -> dict[str, float | None]:
        speed = timing and self._operations / timing.least / 1e9
        share = speed / self._best["fma"] if speed and self._best["fma"] else None
        return {f"{side}_excess": timing and timing.excess, f"{side}_gflops": speed, f"{side}_share": share}
