"""Host of a learner's file. The file runs in its own process and is checked in this one.

Only arrays and plain values are exchanged (`guest.frames`). The learner's process contains neither the reference layer
nor any correct results. It can only reply, time out, or exit.
"""

import importlib.util
import os
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from chainrule.check.host.process import NO_ANSWER, GuestEnded, GuestProcess, Limits
from chainrule.check.host.remote import Connection, RemoteCode, RemoteLoss, text_line
from chainrule.custom.student import Student
from chainrule.errors import OptionError, StudentError, one_line

__all__ = ["HostedFile", "Limits", "Permissions", "Protection", "open_file", "package_folders"]

PASSED_VARIABLES = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")  # environment variables passed to untrusted submissions
SINGLE_THREADED = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
NUMPY = ("numpy",)
MAX_NAME = 80  # maximum length of a name


class HostedFile:
    """A learner's file in its own process.

    If the process fails, `GuestEnded` is raised, which is not an `Exception`. `open_file` converts it to a
    StudentError.
    """

    def __init__(self, process: GuestProcess, path: Path) -> None:
        self._process, self._connection, self._path = process, Connection(process), str(path.resolve())

    def start_part(self) -> None:
        """Restart the time limit for the file's code."""
        self._process.start_part()

    def contents(self) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
        """Return the constructor arguments of the file's layers by name, and the names of its functions."""
        contents: Any = self._connection.request("list", 0, self._path).get("value")
        match contents:
            case {"layers": dict(), "functions": list()}:
                layers = cast("dict[str, Any]", contents["layers"])
                arguments_by_name = {text_line(name, MAX_NAME): _names(arguments) for name, arguments in layers.items()}
                return arguments_by_name, _names(contents["functions"])
            case _:
                raise GuestEnded(NO_ANSWER)

    def layer(self, name: str = "", *, backward: str = "", options: Mapping[str, Any] | None = None) -> Student:
        """Load a layer or a pair of functions by name. Without a name, load the only layer in the file.

        backward  name of the second function of a pair
        options   argument values for the first function or for a class
        """
        number, name, description = self._load(name, backward, False, options or {})
        arguments = description.get("arguments")
        names = tuple(map(str, cast("list[Any]", arguments))) if isinstance(arguments, list) else None
        kind = text_line(description.get("kind"), MAX_NAME)
        return Student.around(RemoteCode(self._connection, number, kind, names, _independent(description)), name)

    def loss(self, name: str = "", *, labels: bool = False) -> RemoteLoss:
        """Load a loss by name (default: the only object in the file). Its targets are labels if ``labels`` is true."""
        number, name, description = self._load(name, "", True, {"labels": True} if labels else {})
        return RemoteLoss(self._connection, number, name, _independent(description))

    def subject(self, *, loss: bool, options: Mapping[str, Any], name: str = "") -> Student | RemoteLoss:
        """Load a loss, or a layer with the given constructor arguments."""
        return self.loss(name) if loss else self.layer(name, options=options)

    def _load(
        self, name: str, backward: str, loss: bool, options: Mapping[str, Any]
    ) -> tuple[int, str, dict[str, Any]]:
        """Return the number, name and description of a loaded object."""
        selection = {"name": name, "backward": backward, "loss": loss, "options": _sendable(options)}
        description: Any = self._connection.request("load", 0, self._path, selection).get("value")
        match description:
            case {"name": str(name), "kind": str(), "number": int(number)}:
                return number, text_line(name, MAX_NAME), cast("dict[str, Any]", description)
            case _:
                raise GuestEnded(NO_ANSWER)


def _independent(description: Mapping[str, Any]) -> bool:
    return description.get("independent") is not False


def _names(value: Any) -> tuple[str, ...]:
    names = cast("list[Any]", value) if isinstance(value, list) else []
    return tuple(text_line(name, MAX_NAME) for name in names if isinstance(name, str))


def _sendable(value: Any) -> Any:
    """Convert floats in options to arrays, because frames do not support floats."""
    if isinstance(value, Mapping):
        return {key: _sendable(item) for key, item in cast("Mapping[str, Any]", value).items()}
    return np.array(value) if isinstance(value, float) else value


@dataclass(frozen=True)
class Protection:
    """The kernel's protection that is active for a submission.

    isolated  whether the submission has its own file system, processes and network
    reason    the reason why it does not; empty if it does
    user      whether it runs as a user that owns no files, because the grader is root
    """

    isolated: bool
    reason: str
    user: bool


@dataclass(frozen=True)
class Permissions:
    """The permissions of an untrusted submission: its own files, NumPy, and little else.

    readable  files, and folders with all their contents
    packages  folders of packages by name, which may be imported in addition to the standard library
    memory    memory limit in bytes
    fence, namespaces   whether to enable these protections; only the survey disables one of them
    """

    readable: tuple[Path, ...]
    packages: Mapping[str, str]
    memory: int
    fence: bool = True
    namespaces: bool = True


def package_folders(names: Sequence[str] = NUMPY) -> dict[str, str]:
    """Return the folders of packages by name; OptionError for chainrule and for packages that are not installed."""
    folders: dict[str, str] = {}
    for name in dict.fromkeys([*NUMPY, *names]):
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is None or spec.origin is None or name == "chainrule":
            raise OptionError(f"package {name!r}: expected the name of an installed package other than chainrule")
        origin = Path(spec.origin)
        folders[name] = str(origin.parents[1] if origin.name == "__init__.py" else origin.parent)
    return folders


@contextmanager
def open_file(
    path: Path,
    limits: Limits,
    *,
    permissions: Permissions | None = None,
    on_output: Callable[[str], None] | None = None,
    on_protection: Callable[[Protection], None] | None = None,
) -> Generator[HostedFile]:
    """Yield a learner's file; StudentError if the file or its process fails.

    limits         limits of the process
    permissions    None if the file is trusted; its process then has the user's permissions and packages
    on_output      called at the end with the beginning of the printed output
    on_protection  called with the active protection of an untrusted process, before it loads any code
    """
    _refuse_unreadable(path)
    with ExitStack() as stack:
        try:
            process = _start(path, limits, permissions, stack, on_output)
            if permissions is not None:
                protection = _protection(process)
                if on_protection is not None:
                    on_protection(protection)
            yield HostedFile(process, path)
        except GuestEnded as end:
            raise StudentError(f"{path.name}: {end}" if permissions is None else str(end)) from None


def _refuse_unreadable(path: Path) -> None:
    if not path.exists():
        raise StudentError(f"{path}: no such file")
    if not path.is_file():
        raise StudentError(f"{path}: not a regular file")
    if not os.access(path, os.R_OK):
        raise StudentError(f"{path}: permission denied")


def _start(
    path: Path,
    limits: Limits,
    permissions: Permissions | None,
    stack: ExitStack,
    on_output: Callable[[str], None] | None,
) -> GuestProcess:
    options: dict[str, Any] = {"path": [str(path.resolve().parent)], "packages": None}
    if permissions is None:
        process = GuestProcess({**options, "seconds": None, "memory": None}, limits, Path(), os.environ, isolated=False)
    else:
        work = stack.enter_context(tempfile.TemporaryDirectory(prefix="chainrule-", ignore_cleanup_errors=True))
        home = os.path.realpath(work)
        env = {key: os.environ[key] for key in PASSED_VARIABLES if key in os.environ}
        env |= {"HOME": home, "TMPDIR": home, "TEMP": home, "TMP": home, **SINGLE_THREADED}
        libraries = [str(Path(folder, part)) for key, folder in permissions.packages.items() for part in _parts(key)]
        options |= {
            "packages": dict(permissions.packages),
            "readable": [str(readable.resolve()) for readable in permissions.readable],
            "libraries": libraries,
            "listed": [str(path.resolve().parent), *permissions.packages.values()],
            "seconds": limits.seconds * limits.parts,
            "memory": permissions.memory,
            "fence": permissions.fence,
            "namespaces": permissions.namespaces,
        }
        process = GuestProcess(options, limits, Path(home), env, isolated=True)
    if on_output is not None:
        stack.callback(lambda: on_output(process.output.text))
    stack.callback(process.close)
    return process


def _protection(process: GuestProcess) -> Protection:
    match process.greeting():
        case {"isolated": bool(isolated), "reason": str(reason), "user": bool(user)}:
            return Protection(isolated, one_line(reason), user)
        case _:
            raise GuestEnded(NO_ANSWER)


def _parts(package: str) -> tuple[str, ...]:
    """Return the paths that a package may consist of: a folder, a module, and shared libraries."""
    return (package, f"{package}.py", f"{package}.libs")
