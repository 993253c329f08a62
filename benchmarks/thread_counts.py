"""Parallel efficiency: training steps on different numbers of threads, timed in turn."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from benchmarks import steps
from benchmarks.processes import Process, started
from benchmarks.rounds import timed
from benchmarks.rows import Row
from benchmarks.setting import Setting
from benchmarks.subjects import Subject


def counts(maximum: int) -> list[int]:
    """Return 1, 2, 4, … threads, and the maximum."""
    return sorted({1 << power for power in range(maximum.bit_length())} | {maximum})


def rows(subjects: Sequence[Subject], batches: Sequence[int], setting: Setting) -> Iterator[Row]:
    """Yield a row for each network, batch size and number of threads up to that of the setting.

    Each row contains the time, the time on one thread, and the machine's speedup for multiply-adds in registers. For
    these, threads share neither memory nor caches, only the clock rate and, if two run on a core, its arithmetic units.
    """
    thread_counts = counts(setting.threads)
    with ExitStack() as stack:
        processes: dict[str, Process] = {}
        for count in thread_counts:
            thread_setting = stack.enter_context(started([setting.engine], count))
            processes[str(count)] = thread_setting[setting.engine]
        setting.watch("peak performance of the machine", 0.0)
        speeds = {name: process.ask("machine", threads=int(name))["float32"] for name, process in processes.items()}
        tasks = [(subject, batch) for subject in subjects for batch in batches]
        for number, (subject, batch) in enumerate(tasks):
            setting.watch(f"{subject.name}, batch {batch}", number / len(tasks))
            loaded: dict[str, Process] = {}
            for name, process in processes.items():
                thread_setting = replace(setting, threads=int(name))
                ready, reasons = steps.ready("train", subject, batch, {setting.engine: process}, thread_setting)
                if ready:
                    loaded[name] = process
                for reason in reasons.values():
                    yield Row("threads", subject.name, batch, None, None, None, reason, {"count": int(name)})
            timings, failures = timed(loaded, setting.rounds)
            for name, reason in failures.items():
                yield Row("threads", subject.name, batch, None, None, None, reason, {"count": int(name)})
            alone = timings.get("1")
            for name, timing in timings.items():
                machine = [speeds[who]["fma"] for who in ("1", name)]
                more = {**setting.facts(), "count": int(name), "ours_excess": timing.excess}
                more |= {"machine": machine[1] / machine[0] if all(machine) else None}
                yield Row("threads", subject.name, batch, None, timing.least, alone and alone.least, None, more)
