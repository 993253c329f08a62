"""A learner's file, run in a process of its own and judged in this one.

Only arrays and plain values are exchanged (`guest.frames`). The process has neither the layer that it is compared with
nor any right answer; whatever it does, it can only answer, time out, or exit.
"""

import importlib.util
import os
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from chainrule.check.host.process import NO_ANSWER, GuestEnded, GuestProcess, Limits
from chainrule.check.host.remote import Connection, RemoteCode, RemoteLoss, text_line
from chainrule.errors import OptionError, StudentError
from chainrule.student import Student

__all__ = ["HostedSubject", "Limits", "Permissions", "host_file", "package_folders"]

KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")  # environment variables that a stranger's submission sees
SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
NUMPY = ("numpy",)
LETTERS = 80  # longest name


@dataclass
class HostedSubject:
    """The content of a learner's file, as `check_gradients` takes it: a layer (`Student`) or a loss."""

    subject: Student | RemoteLoss
    name: str


@dataclass(frozen=True)
class Permissions:
    """The permissions of an untrusted submission: its own files, NumPy, and little else.

    readable  files, and folders with their whole content
    packages  folders of the packages that can be imported besides the standard library, by name
    memory    limit in bytes
    """

    readable: tuple[Path, ...]
    packages: Mapping[str, str]
    memory: int


def package_folders(names: Sequence[str] = NUMPY) -> dict[str, str]:
    """Return the folders of packages by name; OptionError for one that is not installed, or is chainrule itself."""
    found: dict[str, str] = {}
    for name in dict.fromkeys([*NUMPY, *names]):
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is None or spec.origin is None or name == "chainrule":
            raise OptionError(f"package {name!r}: expected the name of an installed package other than chainrule")
        place = Path(spec.origin)
        found[name] = str(place.parents[1] if place.name == "__init__.py" else place.parent)
    return found


@contextmanager
def host_file(
    path: Path,
    limits: Limits,
    *,
    name: str = "",
    loss: bool = False,
    stranger: Permissions | None = None,
    printed: Callable[[str], None] | None = None,
) -> Generator[HostedSubject]:
    """Yield the object to be checked in a file; StudentError if the file or its process fails.

    limits    limits of its process
    name      name of a class, an object or a module in the file; empty if there is only one
    loss      whether it is a loss
    stranger  permissions; None if the file is the user's own, which sees all that the user's Python sees
    printed   called at the end with the beginning of what the code has printed
    """
    _refuse_unreadable(path)
    with ExitStack() as stack:
        try:
            process = _start(path, limits, stranger, stack, printed)
            yield _load(process, path, name, loss)
        except GuestEnded as end:
            raise StudentError(f"{path.name}: {end}" if stranger is None else str(end)) from None


def _refuse_unreadable(path: Path) -> None:
    if not path.exists():
        raise StudentError(f"{path}: no such file")
    if not path.is_file():
        raise StudentError(f"{path}: not a regular file")
    if not os.access(path, os.R_OK):
        raise StudentError(f"{path}: permission denied")


def _start(
    path: Path, limits: Limits, stranger: Permissions | None, stack: ExitStack, printed: Callable[[str], None] | None
) -> GuestProcess:
    options: dict[str, Any] = {"path": [str(path.resolve().parent)], "packages": None}
    if stranger is None:
        process = GuestProcess({**options, "seconds": None, "memory": None}, limits, Path(), os.environ, alone=False)
    else:
        work = stack.enter_context(tempfile.TemporaryDirectory(prefix="chainrule-", ignore_cleanup_errors=True))
        home = os.path.realpath(work)
        env = {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
        env |= {"HOME": home, "TMPDIR": home, "TEMP": home, "TMP": home, **SINGLE}
        libraries = [str(Path(folder, part)) for key, folder in stranger.packages.items() for part in _parts(key)]
        options |= {
            "packages": dict(stranger.packages),
            "readable": [str(place.resolve()) for place in stranger.readable],
            "libraries": libraries,
            "listed": [str(path.resolve().parent), *stranger.packages.values()],
            "seconds": limits.seconds,
            "memory": stranger.memory,
        }
        process = GuestProcess(options, limits, Path(home), env, alone=True)
    if printed is not None:
        stack.callback(lambda: printed(process.output.text))
    stack.callback(process.close)
    return process


def _parts(package: str) -> tuple[str, ...]:
    """Return the paths that a package may install: a folder, a module, and its shared libraries."""
    return (package, f"{package}.py", f"{package}.libs")


def _load(process: GuestProcess, path: Path, name: str, loss: bool) -> HostedSubject:
    connection = Connection(process)
    told: Any = connection.ask("load", 0, str(path.resolve()), name, "loss" if loss else "layer").get("value")
    match told:
        case {"name": str(name), "kind": str(kind), "arguments": arguments}:
            name, kind = text_line(name, LETTERS), text_line(kind, LETTERS)
        case _:
            raise GuestEnded(NO_ANSWER)
    if loss:
        return HostedSubject(RemoteLoss(connection, name), name)
    taken = tuple(map(str, cast("list[Any]", arguments))) if isinstance(arguments, list) else None
    return HostedSubject(Student.around(RemoteCode(connection, 0, kind, taken), name), name)
