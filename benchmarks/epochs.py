"""Time and memory of whole epochs over MNIST."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.contenders import Task
from benchmarks.processes import Process, WorkerError, started
from benchmarks.rounds import Timing, in_turn
from benchmarks.rows import Row
from benchmarks.setting import Setting
from benchmarks.steps import ready
from benchmarks.subjects import Subject


def epochs(pairs: Sequence[tuple[Subject, int]], samples: int, names: Sequence[str], setting: Setting) -> Iterator[Row]:
    """Train all contenders in turn for an epoch, each round from other initial weights; yield rows of least times.

    pairs   networks, each with its batch size
    """
    absent, here = setting.divided(names)
    with started(here, setting.threads, **setting.environment) as processes:
        for number, (subject, batch) in enumerate(pairs):
            loaded, reasons = _checked(subject, batch, samples, processes, setting)
            found: dict[str, list[dict[str, float]]] = {name: [] for name in loaded}
            turns = [name for turn in range(setting.rounds) for name in in_turn(list(loaded), turn)]
            for done, name in enumerate(turns):
                share = (number + done / len(turns)) / len(pairs)
                setting.watch(f"{subject.name}, batch {batch}: epochs in turn", share)
                if name not in reasons:
                    try:
                        found[name].append(loaded[name].ask("epoch", seed=len(found[name])))
                    except WorkerError as error:
                        reasons[name] = str(error)
            found = {name: results for name, results in found.items() if name not in reasons}
            yield from _compared(subject, batch, samples, names, found, {**absent, **reasons}, setting)


def _checked(
    subject: Subject, batch: int, samples: int, processes: Mapping[str, Process], setting: Setting
) -> tuple[dict[str, Process], dict[str, str]]:
    """Return the contenders that compute the same and have their data, and the reasons for leaving out the others."""
    loaded, reasons = ready("train", subject, batch, processes, setting)
    for name, process in list(loaded.items()):
        task = Task("epoch", name, subject, batch, setting.threads, samples)
        try:
            process.ask("load", task=asdict(task))
        except WorkerError as error:
            reasons[name] = str(error)
            del loaded[name]
    return loaded, reasons


def _compared(
    subject: Subject,
    batch: int,
    samples: int,
    names: Sequence[str],
    found: Mapping[str, list[dict[str, float]]],
    reasons: Mapping[str, str],
    setting: Setting,
) -> Iterator[Row]:
    for name in names:
        times: list[float | None] = []
        more: dict[str, Any] = {**setting.facts(), "samples": samples or None}
        for side, who in (("ours", setting.engine), ("theirs", name)):
            results = found.get(who)
            timing = Timing(tuple(one["seconds"] for one in results)) if results else None
            times.append(timing and timing.least)
            more[f"{side}_excess"] = timing and timing.excess
            more[f"{side}_accuracy"] = statistics.fmean(one["accuracy"] for one in results) if results else None
        reason = reasons.get(name) or (f"ours: {reasons[setting.engine]}" if setting.engine in reasons else None)
        yield Row("epoch", subject.name, batch, name, times[0], times[1], reason, more)


def memory(subject: Subject, batch: int, samples: int, names: Sequence[str], setting: Setting) -> Iterator[Row]:
    """Measure the peak memory, in bytes, of an epoch in a separate process for each contender."""
    absent, here = setting.divided(names)
    found: dict[str, float] = {}
    reasons = dict(absent)
    for number, name in enumerate(here):
        setting.watch(f"{subject.name}, batch {batch}: {name} trains for an epoch", number / len(here))
        task = Task("epoch", name, subject, batch, setting.threads, samples)
        with started([name], setting.threads, **setting.environment) as processes:
            try:
                processes[name].ask("load", task=asdict(task))
                processes[name].ask("epoch", seed=0)
                found[name] = processes[name].ask("memory")["bytes"]
            except WorkerError as error:
                reasons[name] = str(error)
    for name in names:
        reason = reasons.get(name) or reasons.get(setting.engine)
        more = {**setting.facts(), "rounds": 1, "samples": samples or None, "unit": "bytes"}
        yield Row("memory", subject.name, batch, name, found.get(setting.engine), found.get(name), reason, more)
