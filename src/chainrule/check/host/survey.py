"""A survey of this machine's protection. All attempts in `guest/trials.py` are run and reported as stopped or not."""

import os
import signal
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule.check.guest import trials
from chainrule.check.host import Limits, Permissions, Protection, open_file, package_folders

SECONDS, MEMORY = 60, 2 << 30  # limits of the attempts; memory in bytes
LEAVING = "leave_process"
NAMES = tuple((attempt.__doc__ or "").rstrip(".") for attempt in trials.ATTEMPTS)
LIBRARY = Path(__file__).parents[2] / "operations" / "reference" / "convolution.py"


@dataclass(frozen=True)
class Survey:
    """Whether each attempt is stopped, by name.

    fence       whether the fence stops the attempt, for submissions in pure Python
    kernel      whether the kernel stops the attempt, for any code
    protection  the protection granted by the kernel
    """

    fence: dict[str, bool]
    kernel: dict[str, bool]
    protection: Protection


def survey(namespaces: bool = True) -> Survey:
    """Run all attempts twice: without the kernel's namespaces, and without the fence.

    namespaces  False to survey a kernel that does not grant namespaces
    """
    fence, _ = _stopped(fence=True, namespaces=False)
    kernel, protection = _stopped(fence=False, namespaces=namespaces)
    return Survey(fence, kernel, protection)


def _stopped(fence: bool, namespaces: bool) -> tuple[dict[str, bool], Protection]:
    """Return whether each attempt is stopped, and the protection granted by the kernel."""
    folders = tempfile.TemporaryDirectory(prefix="chainrule-trials-")
    with folders as name, socket.create_server(("127.0.0.1", 0)) as server:
        folder = Path(os.path.realpath(name))
        folder.chmod(0o755)
        (folder / "neighbor.py").write_text("a neighbor's work")
        targets = {
            "neighbor": str(folder / "neighbor.py"),
            "written": str(folder / "written"),
            "library": str(LIBRARY),
            "grader": os.getpid(),
            "port": server.getsockname()[1],
        }
        submission = folder / "submission.py"
        submission.write_text(
            f"TARGETS = {targets!r}\n{Path(trials.__file__).read_text(encoding='utf-8')}", encoding="utf-8"
        )
        permissions = Permissions((submission,), package_folders(), MEMORY, fence, namespaces)
        protections = list[Protection]()
        with open_file(submission, Limits(SECONDS), permissions=permissions, on_protection=protections.append) as file:
            outputs = file.layer("Trial").forward(np.ones((1, 1)))
        passed = [bool(succeeded) for succeeded in outputs]
        passed = [
            succeeded and (attempt.__name__ != LEAVING or _is_left(str(submission)))
            for succeeded, attempt in zip(passed, trials.ATTEMPTS, strict=True)
        ]
    return dict(zip(NAMES, [not succeeded for succeeded in passed], strict=True)), protections[0]


def _is_left(path: str) -> bool:
    """Return whether a process with this path in its arguments is still alive, and kill it."""
    alive = not Path("/proc").is_dir()
    time.sleep(0.2)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if path.encode() in (process / "cmdline").read_bytes():
                alive = True
                os.kill(int(process.name), signal.SIGKILL)
    return alive
