"""The same faults at real system calls: strace kills the process or fails the call."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from runs import run_driver
from runs.processes import ONE_THREAD

from faults.injection import ERRORS
from faults.trials import RECIPE, Outcome, Trials

TRACED = ("write", "fsync", "rename")
FIRST = 6  # number of the first call to fail: earlier ones may be other writes, such as the ready message
LIMIT = 120  # seconds allowed for a traced process


def available() -> bool:
    """Return whether strace is installed and may trace a process here."""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-f", "-qq", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO", "true"]
    return subprocess.run(command, capture_output=True).returncode == 0


def sweep(trials: Trials, count: int, draw: random.Random) -> Outcome:
    """Inject faults at `count` drawn occurrences of each call."""
    outcome = Outcome("killed, ENOSPC and EIO by strace")
    for call in TRACED:
        most = sum(entry.startswith("replace" if call == "rename" else call) for entry in trials.calls)
        for _ in range(count):
            fault = draw.choice(["signal=KILL", *(f"error={name}" for name in ERRORS)])
            at = draw.randint(FIRST, most)
            folder = trials.folder()
            code = _traced(folder, trials.data, f"inject={call}:{fault}:when={at}")
            trials.judge(outcome, folder, code, f"{call} {fault} ({at})", "error" in fault)
    return outcome


def _traced(folder: Path, data: Path, fault: str) -> int:
    driver = [sys.executable, "-B", run_driver.__file__, "start", str(folder), str(data), "numpy", str(RECIPE.epochs)]
    strace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={','.join(TRACED)}", "-e", fault]
    environment = {**os.environ, **ONE_THREAD}
    done = subprocess.run([*strace, *driver], capture_output=True, text=True, env=environment, timeout=LIMIT)
    if "Traceback" in done.stderr:
        print(done.stderr, file=sys.stderr)
        return 1
    return done.returncode if done.returncode < 128 else 128 - done.returncode  # strace ends as its child does
