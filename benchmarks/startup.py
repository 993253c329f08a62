"""Startup times: imports, and the first training step of a process."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.contenders import Task
from benchmarks.processes import WorkerError, environment
from benchmarks.rows import Row
from benchmarks.setting import Setting
from benchmarks.subjects import Subject

IMPORTS = {
    "import chainrule": "import chainrule",
    "import chainrule and what a model needs": "import chainrule; chainrule.Sequential",
}
THEIRS = {"numpy": "import numpy", "torch": "import torch"}


def imports(names: Sequence[str], setting: Setting) -> Iterator[Row]:
    """Time processes that only import something, in turn, minus the time of one that imports nothing."""
    absent, _ = setting.divided(names)
    peers = {"numpy": THEIRS["numpy"], **{name: THEIRS[name] for name in names if name in THEIRS and name != "numpy"}}
    code = {"": "pass", **IMPORTS, **{name: line for name, line in peers.items() if name not in absent}}
    seconds: dict[str, list[float]] = {name: [] for name in code}
    for number in range(setting.rounds):
        setting.watch("imports", number / setting.rounds)
        for name, line in code.items():
            seconds[name].append(_lasts([sys.executable, "-c", line], setting))
    nothing = min(seconds[""])
    found = {name: max(min(each) - nothing, 1e-6) for name, each in seconds.items()}
    for what in IMPORTS:
        for name in peers:
            theirs = found.get(name)
            more: dict[str, Any] = {**setting.facts(), "what": what}
            more["more_seconds"] = None if theirs is None else found[what] - theirs
            yield Row("startup", None, None, name, found[what], theirs, absent.get(name), more)


def first_steps(subject: Subject, batch: int, names: Sequence[str], setting: Setting) -> Iterator[Row]:
    """Time the first training step in the very first process, which compiles, and in later ones."""
    absent, here = setting.divided(names)
    ours = here[0]
    with tempfile.TemporaryDirectory(prefix="chainrule-bench-") as folder:
        cache = {"CHAINRULE_CACHE": str(Path(folder) / "empty")}
        setting.watch("the first step of the very first process: compiling", 0.0)
        cold, reason = _steps([ours], subject, batch, 1, cache, setting)
        setting.watch("the first step of other processes", 0.5)
        warm, reasons = _steps(here, subject, batch, min(setting.rounds, 5), cache, setting)
    facts = {**setting.facts(), "what": "first step, nothing compiled"}
    yield Row("startup", subject.name, batch, None, cold.get(ours), None, reason.get(ours), dict(facts))
    facts["what"] = "first step, programs kept"
    for name in names:
        why = absent.get(name) or reasons.get(name) or reasons.get(ours)
        yield Row("startup", subject.name, batch, name, warm.get(ours), warm.get(name), why, dict(facts))


def _steps(
    names: Sequence[str], subject: Subject, batch: int, rounds: int, more: Mapping[str, str], setting: Setting
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the least seconds of first steps, and the reasons of failures."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    reasons: dict[str, str] = {}
    for _ in range(rounds):
        for name in [name for name in names if name not in reasons]:
            task = Task("train", name, subject, batch, setting.threads)
            try:
                seconds[name].append(_first(task, more, setting))
            except WorkerError as error:
                reasons[name] = str(error)
    return {name: min(each) for name, each in seconds.items() if name not in reasons}, reasons


def _first(task: Task, more: Mapping[str, str], setting: Setting) -> float:
    command = [sys.executable, "-m", "benchmarks.first", json.dumps(asdict(task))]
    env = environment(task.threads, **setting.environment, **more)
    done = subprocess.run(command, env=env, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise WorkerError((done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1])
    return float(json.loads(done.stdout)["seconds"])


def _lasts(command: Sequence[str], setting: Setting) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment(setting.threads), check=True, capture_output=True)
    return time.perf_counter() - start
