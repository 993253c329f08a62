"""Entry point of a learner's process (`python boot.py OPTIONS`). Confine the process, then answer the host's requests.

OPTIONS is a JSON object:

path         folders that are searched first for imports
confinement  null for a trusted file; otherwise, an object with these fields:

    packages    folders of packages by name, which are found in addition to the standard library
    installed   paths of these packages
    submission  folder with a copy of the submission
    work        working folder, the only one that may be written to
    namespaces  whether to isolate the process in Linux namespaces
    user        id of the user that the process switches to, or null
    call_filter  whether some system calls are refused
    seconds     limit on the processor time
    memory      limit on the memory in bytes
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
TASKS = 256  # maximum number of processes and threads, in addition to those that the user is already running
UNKNOWN_TASKS = 4096  # assumed number of running processes and threads if they cannot be counted
GRACE = 5  # additional processor seconds, so that the host's time limit is reached first
LIBRARY = Path(__file__).parents[2]


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
    """Serve one file, then exit immediately, without waiting for running threads."""
    options: dict[str, Any] = json.loads(text)
    requests, replies = _take_pipes()
    confinement = options["confinement"]
    if confinement is not None:
        sys.meta_path.append(Packages(confinement["packages"]))
    _install_empty_packages()
    from chainrule.check.guest import serving

    if confinement is None:
        _watch_host()
    else:
        try:
            _confine(**{name: value for name, value in confinement.items() if name != "packages"})
        except OSError as error:
            sys.exit(error.strerror or str(error))
    _remove_empty_packages()
    sys.path[:0] = options["path"]
    with suppress(OSError):  # raised if the host has exited, or if the learner's code has closed the pipes
        serving.serve(requests, replies)
    os._exit(0)


def _confine(
    *,
    installed: Sequence[str],
    submission: str,
    work: str,
    namespaces: bool,
    user: int | None,
    call_filter: bool,
    seconds: int,
    memory: int,
) -> None:
    """Restrict this process. The parameters are the fields in the module docstring; OSError if the kernel refuses."""
    from chainrule.check.guest import isolation

    if user is None:
        tasks = _running_tasks()
    else:
        tasks = 0
    if namespaces:
        isolation.enter(installed, submission, work, user)
        isolation.give_up_rights(user)
    else:
        _watch_host()
        isolation.give_up_rights(user, [os.__file__, *installed])
    if call_filter:
        isolation.refuse_calls()
    _limit(seconds, memory, tasks)


def _watch_host() -> None:
    """Start a thread that ends this process when the host exits, even during an endless loop."""
    host = os.getppid()

    def watch() -> None:
        while os.getppid() == host:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


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
    requests = os.dup(0)
    replies = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        cast("Any", stream).reconfigure(line_buffering=True, errors="replace")
    return requests, replies


def _limit(seconds: int, memory: int, tasks: int) -> None:
    """Set the resource limits of this process, if the operating system supports them.

    tasks  number of processes and threads that the user is already running
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: seconds + GRACE,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: FILE_SIZE,
        resource.RLIMIT_NPROC: tasks + TASKS,
    }
    for resource_id, maximum in limits.items():
        with suppress(ValueError, OSError):
            hard = resource.getrlimit(resource_id)[1]
            if hard != resource.RLIM_INFINITY:
                maximum = min(maximum, hard)
            later = maximum + (resource_id == resource.RLIMIT_CPU)  # SIGXCPU, which the host explains, before SIGKILL
            resource.setrlimit(resource_id, (maximum, later if hard == resource.RLIM_INFINITY else min(later, hard)))


def _running_tasks() -> int:
    """Return the number of this user's processes and threads, counted in /proc."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*/task"):
        with suppress(OSError):
            if folder.stat().st_uid == os.getuid():
                count += len(os.listdir(folder))
    return count or UNKNOWN_TASKS


if __name__ == "__main__":
    main(sys.argv[1])
