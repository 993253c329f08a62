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
    """Train all contenders in turn for an epoch, with new initial weights in each round; yield a row per peer.

    pairs    networks with batch sizes
    samples  training images per epoch; 0 for all
    names    names of the peers
    """
    absent, available = setting.divided(names)
    with started(available, setting.threads, **setting.environment) as processes:
        for number, (subject, batch) in enumerate(pairs):
            loaded, reasons = _load_checked(subject, batch, samples, processes, setting)
            epochs_of: dict[str, list[dict[str, float]]] = {name: [] for name in loaded}
            turns = [name for turn in range(setting.rounds) for name in in_turn(list(loaded), turn)]
            for done, name in enumerate(turns):
                share = (number + done / len(turns)) / len(pairs)
                setting.watch(f"{subject.name}, batch {batch}: epochs in turn", share)
                if name not in reasons:
                    try:
                        epochs_of[name].append(loaded[name].ask("epoch", seed=len(epochs_of[name])))
                    except WorkerError as error:
                        reasons[name] = str(error)
            finished = {name: results for name, results in epochs_of.items() if name not in reasons}
            yield from _compare(subject, batch, samples, names, finished, {**absent, **reasons}, setting)


def _load_checked(
    subject: Subject, batch: int, samples: int, processes: Mapping[str, Process], setting: Setting
) -> tuple[dict[str, Process], dict[str, str]]:
    """Return the contenders with correct results and loaded data, and the reasons why the others are missing."""
    loaded, reasons = ready("train", subject, batch, processes, setting)
    for name, process in list(loaded.items()):
        task = Task("epoch", name, subject, batch, setting.threads, samples)
        try:
            process.ask("load", task=asdict(task))
        except WorkerError as error:
            reasons[name] = str(error)
            del loaded[name]
    return loaded, reasons


def _compare(
    subject: Subject,
    batch: int,
    samples: int,
    names: Sequence[str],
    results_by_contender: Mapping[str, list[dict[str, float]]],
    reasons: Mapping[str, str],
    setting: Setting,
) -> Iterator[Row]:
    for name in names:
        times: list[float | None] = []
        more: dict[str, Any] = {**setting.facts(), "samples": samples or None}
        for side, who in (("ours", setting.engine), ("theirs", name)):
            results = results_by_contender.get(who)
            timing = Timing(tuple(result["seconds"] for result in results)) if results else None
            times.append(timing and timing.least)
            more[f"{side}_excess"] = timing and timing.excess
            more[f"{side}_accuracy"] = statistics.fmean(result["accuracy"] for result in results) if results else None
        reason = reasons.get(name) or (f"ours: {reasons[setting.engine]}" if setting.engine in reasons else None)
        yield Row("epoch", subject.name, batch, name, times[0], times[1], reason, more)


def memory(subject: Subject, batch: int, samples: int, names: Sequence[str], setting: Setting) -> Iterator[Row]:
    """Measure the peak memory of an epoch in bytes, with a separate process per contender; yield a row per peer."""
    absent, available = setting.divided(names)
    peak_bytes: dict[str, float] = {}
    reasons = dict(absent)
    for number, name in enumerate(available):
        setting.watch(f"{subject.name}, batch {batch}: {name} trains for an epoch", number / len(available))
        task = Task("epoch", name, subject, batch, setting.threads, samples)
        with started([name], setting.threads, **setting.environment) as processes:
            try:
                processes[name].ask("load", task=asdict(task))
                processes[name].ask("epoch", seed=0)
                peak_bytes[name] = processes[name].ask("memory")["bytes"]
            except WorkerError as error:
                reasons[name] = str(error)
    for name in names:
        reason = reasons.get(name) or reasons.get(setting.engine)
        more = {**setting.facts(), "rounds": 1, "samples": samples or None, "unit": "bytes"}
        yield Row(
            "memory", subject.name, batch, name, peak_bytes.get(setting.engine), peak_bytes.get(name), reason, more
        )
