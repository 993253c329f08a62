"""Training steps by one thread and by several, in turn: how much of each thread is used."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from benchmarks import steps
from benchmarks.processes import Process, started
from benchmarks.rounds import timed
from benchmarks.rows import Row
from benchmarks.setting import Setting
from benchmarks.subjects import Subject


def counts(most: int) -> list[int]:
    """Return 1, 2, 4, … threads, and the most."""
    return sorted({1 << place for place in range(most.bit_length())} | {most})


def rows(subjects: Sequence[Subject], batches: Sequence[int], setting: Setting) -> Iterator[Row]:
    """Yield a row for each network, batch size and number of threads up to the setting's.

    Beside the time stands that of one thread, and the machine's own speed-up with so many threads: of multiply-adds in
    registers, which share neither memory nor caches, but the clock rate and, where two threads run on one core, its
    arithmetic.
    """
    each = counts(setting.threads)
    with ExitStack() as stack:
        processes: dict[str, Process] = {}
        for count in each:
            own = stack.enter_context(started([setting.engine], count, **setting.environment))
            processes[str(count)] = own[setting.engine]
        setting.watch("the machine's own speed", 0.0)
        speeds = {name: process.ask("machine", threads=int(name))["float32"] for name, process in processes.items()}
        tasks = [(subject, batch) for subject in subjects for batch in batches]
        for number, (subject, batch) in enumerate(tasks):
            setting.watch(f"{subject.name}, batch {batch}", number / len(tasks))
            loaded: dict[str, Process] = {}
            for name, process in processes.items():
                own = replace(setting, threads=int(name))
                ready, reasons = steps.ready("train", subject, batch, {setting.engine: process}, own)
                if ready:
                    loaded[name] = process
                for reason in reasons.values():
                    yield Row("threads", subject.name, batch, None, None, None, reason, {"count": int(name)})
            found, lost = timed(loaded, setting.rounds)
            for name, reason in lost.items():
                yield Row("threads", subject.name, batch, None, None, None, reason, {"count": int(name)})
            alone = found.get("1")
            for name, timing in found.items():
                machine = [speeds[who]["fma"] for who in ("1", name)]
                more = {**setting.facts(), "count": int(name), "ours_excess": timing.excess}
                more |= {"machine": machine[1] / machine[0] if all(machine) else None}
                yield Row("threads", subject.name, batch, None, timing.least, alone and alone.least, None, more)
