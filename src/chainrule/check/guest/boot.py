"""Entry point of a submission's process (`python boot.py OPTIONS`). Set limits, install the fence, serve requests.

OPTIONS is a JSON object:

seconds, memory                 limits in seconds and bytes, or null
path                            folders that are searched first for imports
packages                        null for the user's own file; otherwise, folders of packages by name, which the
                                submission may import in addition to the standard library
readable, libraries, listed     paths that the fence permits; only used with packages
fence, namespaces               whether to enable these protections; only used with packages
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

FILE_SIZE = 1 << 20  # maximum size of a written file, in bytes
PROCESSES = 256  # maximum number of processes and threads, in addition to those that the user is already running
LIBRARY = Path(__file__).parents[2]
GRACE = 5  # additional processor seconds, so that the host ends the process first, with a clear message


class Packages:
    """An import finder for the exposed packages. Each package is searched in its own folder only."""

    def __init__(self, folders: Mapping[str, str]) -> None:
        self.folders = folders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a package, or None if the package is not exposed."""
        if path is None and name in self.folders:
            return importlib.machinery.PathFinder.find_spec(name, [self.folders[name]])
        return None


def main(text: str) -> None:
    """Serve one submission, then exit immediately, without waiting for running threads."""
    options: dict[str, Any] = json.loads(text)
    host, tasks = os.getppid(), _tasks()
    requests, replies = _take_pipes()
    packages = options["packages"]
    if packages is not None:
        sys.meta_path.append(Packages(packages))
    _install_empty_packages()
    from chainrule.check.guest import fence, isolation, serving

    isolated = False
    if packages is not None:
        _import_ahead()
        view = isolation.make_view(options["readable"], options["libraries"], os.getcwd(), str(LIBRARY))
        isolation_result = isolation.enter(view, lambda: _end_with_host(host), namespaces=options["namespaces"])
        isolated, tasks = not isolation_result.reason, 0 if isolation_result.user else tasks
        serving.send(replies, {"isolated": isolated, "reason": isolation_result.reason, "user": isolation_result.user})
    if not isolated:  # otherwise, the kernel ends this process when its ancestor exits
        threading.Thread(target=_end_with_host, args=(host,), daemon=True).start()
    _remove_empty_packages()
    sys.path[:0] = options["path"]
    limit(options["seconds"], options["memory"], tasks)
    if packages is not None and options["fence"]:
        fence.install(options["readable"], options["libraries"], options["listed"], os.getcwd())
    with suppress(OSError):  # raised if the host has exited, or if the learner's code has closed the pipes
        serving.serve(requests, replies)
    os._exit(0)


def _end_with_host(host: int) -> None:
    """Exit when the host process exits, even during an endless loop."""
    while os.getppid() == host:
        time.sleep(1)
    os._exit(0)


def _install_empty_packages() -> None:
    """Replace chainrule with empty packages, so that `chainrule.custom` can be imported without the rest."""
    for name, folder in (("chainrule", LIBRARY), ("chainrule.check", LIBRARY / "check")):
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(folder)]


def _remove_empty_packages() -> None:
    """Remove chainrule from the imported modules, so that later imports find the installed package, if any."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "chainrule"]:
        del sys.modules[name]


def _take_pipes() -> tuple[int, int]:
    """Return the host's pipes. Replace standard input with the null device, and standard output with stderr."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        cast("Any", stream).reconfigure(line_buffering=True, errors="replace")
    return requests, replies


def _import_ahead() -> None:
    """Import the modules that NumPy imports lazily, because the fence would later refuse them."""
    import ctypes
    import subprocess

    import numpy.random

    _ = ctypes, subprocess, numpy.random


def limit(seconds: int | None, memory: int | None, tasks: int) -> None:
    """Set the resource limits of this process, if the operating system supports them.

    tasks  number of processes and threads that the user is already running
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {resource.RLIMIT_CORE: 0}
    if seconds is not None:
        limits[resource.RLIMIT_CPU] = seconds + GRACE
    if memory is not None:
        limits |= {resource.RLIMIT_AS: memory, resource.RLIMIT_FSIZE: FILE_SIZE}
        limits |= {resource.RLIMIT_NPROC: tasks + PROCESSES}
    for resource_id, maximum in limits.items():
        with suppress(ValueError, OSError):
            hard = resource.getrlimit(resource_id)[1]
            maximum = maximum if hard == resource.RLIM_INFINITY else min(maximum, hard)
            resource.setrlimit(resource_id, (maximum, maximum))


def _tasks() -> int:
    """Return the number of this user's processes and threads, counted in /proc; a large number without /proc."""
    if not hasattr(os, "getuid"):
        return 0
    count, user = 0, os.getuid()
    try:
        for entry in os.scandir("/proc"):
            with suppress(OSError):
                if entry.name.isdecimal() and entry.stat().st_uid == user:
                    count += len(os.listdir(f"/proc/{entry.name}/task"))
    except OSError:
        return 4096
    return count


if __name__ == "__main__":
    main(sys.argv[1])
