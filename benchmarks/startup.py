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
    "import chainrule.Sequential": "import chainrule; chainrule.Sequential",
}
THEIRS = {"numpy": "import numpy", "torch": "import torch"}


def imports(names: Sequence[str], setting: Setting) -> Iterator[Row]:
    """Time processes that only import a module, in turn; subtract the time of a process without imports."""
    absent, _ = setting.divided(names)
    peers = {"numpy": THEIRS["numpy"], **{name: THEIRS[name] for name in names if name in THEIRS and name != "numpy"}}
    code = {"": "pass", **IMPORTS, **{name: line for name, line in peers.items() if name not in absent}}
    seconds: dict[str, list[float]] = {name: [] for name in code}
    for number in range(setting.rounds):
        setting.watch("imports", number / setting.rounds)
        for name, line in code.items():
            seconds[name].append(_run_seconds([sys.executable, "-c", line], setting))
    nothing = min(seconds[""])
    import_seconds = {name: max(min(times) - nothing, 1e-6) for name, times in seconds.items()}
    for what in IMPORTS:
        for name in peers:
            theirs = import_seconds.get(name)
            more: dict[str, Any] = {**setting.facts(), "what": what}
            more["more_seconds"] = None if theirs is None else import_seconds[what] - theirs
            yield Row("startup", None, None, name, import_seconds[what], theirs, absent.get(name), more)


def first_steps(subject: Subject, batch: int, names: Sequence[str], setting: Setting) -> Iterator[Row]:
    """Time the first training step of a process with an empty cache, including compilation, and with a filled cache."""
    absent, available = setting.divided(names)
    ours = available[0]
    with tempfile.TemporaryDirectory(prefix="chainrule-bench-") as folder:
        cache = {"CHAINRULE_CACHE": str(Path(folder) / "empty")}
        setting.watch("first step with an empty cache", 0.0)
        cold, reason = _least_first_steps([ours], subject, batch, 1, cache, setting)
        setting.watch("first step with a filled cache", 0.5)
        warm, reasons = _least_first_steps(available, subject, batch, min(setting.rounds, 5), cache, setting)
    facts = {**setting.facts(), "what": "first step, empty cache"}
    yield Row("startup", subject.name, batch, None, cold.get(ours), None, reason.get(ours), dict(facts))
    facts["what"] = "first step, filled cache"
    for name in names:
        missing = absent.get(name) or reasons.get(name) or reasons.get(ours)
        yield Row("startup", subject.name, batch, name, warm.get(ours), warm.get(name), missing, dict(facts))


def _least_first_steps(
    names: Sequence[str], subject: Subject, batch: int, rounds: int, more: Mapping[str, str], setting: Setting
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the minimum time of a first step in seconds, and the reasons for failures."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    reasons: dict[str, str] = {}
    for _ in range(rounds):
        for name in [name for name in names if name not in reasons]:
            task = Task("train", name, subject, batch, setting.threads)
            try:
                seconds[name].append(_first_step(task, more, setting))
            except WorkerError as error:
                reasons[name] = str(error)
    return {name: min(times) for name, times in seconds.items() if name not in reasons}, reasons


def _first_step(task: Task, more: Mapping[str, str], setting: Setting) -> float:
    command = [sys.executable, "-m", "benchmarks.first_step", json.dumps(asdict(task))]
    env = environment(task.threads, **setting.environment, **more)
    done = subprocess.run(command, env=env, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise WorkerError((done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1])
    return float(json.loads(done.stdout)["seconds"])


def _run_seconds(command: Sequence[str], setting: Setting) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment(setting.threads), check=True, capture_output=True)
    return time.perf_counter() - start
