"""The process of a submission, started as `python boot.py OPTIONS`: limits, imports, the fence, and then requests.

OPTIONS is JSON: seconds and memory (bytes) or null, path (where the imports of the submission are looked for first),
and packages: null for the user's own file; for a stranger's the folder of each package that it may import, by name,
beside the standard library. Then readable, libraries and listed say what the fence lets through.
"""

import importlib.machinery
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, cast

FILE_SIZE = 16 << 20  # bytes that may be written to any one file
PROCESSES = 256  # and threads, beside those that the user has
GRACE = 5  # seconds of processor time beyond the limit of the host, which ends it with a sentence


class Packages:
    """Finds packages by name, each in its folder and nowhere else."""

    def __init__(self, folders: Mapping[str, str]) -> None:
        self.folders = folders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where the package is; None for one that is not exposed."""
        if path is None and name in self.folders:
            return importlib.machinery.PathFinder.find_spec(name, [self.folders[name]])
        return None


def main(text: str) -> None:
    """Serve one submission, and end at once: threads that still run are not waited for."""
    options: dict[str, Any] = json.loads(text)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    reads, writes = _take_pipes()
    limit(options["seconds"], options["memory"])
    packages = options["packages"]
    if packages is not None:
        sys.meta_path.append(Packages(packages))
    _pose()
    from chainrule.check.guest import fence, serving

    _forget()
    sys.path[:0] = options["path"]
    if packages is not None:
        _import_ahead()
        fence.put_up(options["readable"], options["libraries"], options["listed"], os.getcwd())
    with suppress(OSError):  # the host is gone, or the learner's code has closed the pipes
        serving.serve(reads, writes)
    os._exit(0)


def _end_with(host: int) -> None:
    """End when the host has ended without a chance to say so, in the middle of an endless loop, too."""
    while os.getppid() == host:
        time.sleep(1)
    os._exit(0)


def _pose() -> None:
    """Let chainrule be two empty packages, so that `chainrule.student` is imported and not the library around it."""
    place = Path(__file__).parents[2]
    for name, folder in (("chainrule", place), ("chainrule.check", place / "check")):
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(folder)]


def _forget() -> None:
    """Let an import of chainrule from now on find what is installed, if anything is to be found."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "chainrule"]:
        del sys.modules[name]


def _take_pipes() -> tuple[int, int]:
    """Keep the pipes of the host for the server: a learner's code reads nothing, and prints where errors go."""
    reads, writes = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        cast("Any", stream).reconfigure(line_buffering=True, errors="replace")
    return reads, writes


def _import_ahead() -> None:
    """Import what NumPy imports late and what is then behind the fence."""
    import ctypes
    import subprocess

    import numpy.random

    _ = ctypes, subprocess, numpy.random


def limit(seconds: int | None, memory: int | None) -> None:
    """Limit this process by the operating system, where that has limits."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {resource.RLIMIT_CORE: 0}
    if seconds is not None:
        limits[resource.RLIMIT_CPU] = seconds + GRACE
    if memory is not None:
        limits |= {resource.RLIMIT_AS: memory, resource.RLIMIT_FSIZE: FILE_SIZE}
        limits |= {resource.RLIMIT_NPROC: _tasks() + PROCESSES}
    for what, most in limits.items():
        with suppress(ValueError, OSError):
            hard = resource.getrlimit(what)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (most, most))


def _tasks() -> int:
    """Count the processes and threads of this user, where /proc shows them; elsewhere return a large number."""
    count, me = 0, os.getuid()
    try:
        for place in os.scandir("/proc"):
            with suppress(OSError):
                if place.name.isdecimal() and place.stat().st_uid == me:
                    count += len(os.listdir(f"/proc/{place.name}/task"))
    except OSError:
        return 4096
    return count


if __name__ == "__main__":
    main(sys.argv[1])
