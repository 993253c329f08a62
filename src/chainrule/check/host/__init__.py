"""Host of a learner's file. The file runs in its own process and is checked in this one.

Only arrays and plain values are exchanged (`guest.frames`). The learner's process contains neither the reference layer
nor any correct results. It can only reply, time out, or exit.
"""

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from chainrule._io.reading import open_regular
from chainrule._io.trust import import_folders
from chainrule.check.checked_file import CheckedFile
from chainrule.check.host.process import NO_ANSWER, GuestEnded, GuestProcess, Limits
from chainrule.check.host.protection import (
    Permissions,
    Protection,
    available_protection,
    common_folder,
    confine,
    package_folders,
)
from chainrule.check.host.remote import MAX_NAME, Connection, RemoteCode, RemoteLoss, text_line, text_lines
from chainrule.check.sources import FileContents
from chainrule.custom.autograd import Expression
from chainrule.custom.calls import Array
from chainrule.custom.optimizers import Descent
from chainrule.errors import StudentError

__all__ = ["HostedFile", "Limits", "Permissions", "Protection", "available_protection", "open_file", "package_folders"]


class HostedFile(CheckedFile):
    """A learner's file in its own process.

    If the process fails, `GuestEnded` is raised, which is not an `Exception`. `open_file` converts it to a
    StudentError.
    """

    def __init__(
        self, start: Callable[[], GuestProcess], paths: Sequence[Path], on_output: Callable[[str], None]
    ) -> None:
        self._start = start
        self._paths = [*map(str, paths)]
        self._on_output = on_output
        self._process = start()
        self._connection = Connection(self._process)

    def restart(self) -> None:
        """Continue with another process, which loads the file again."""
        self.close()
        self._process = self._start()
        self._connection = Connection(self._process)

    def close(self) -> None:
        """Kill the process, and pass on the beginning of its output."""
        self._process.close()
        self._on_output(self._process.output.text)

    def start_part(self) -> None:
        """Restart the time limit, for the check of the next function or class."""
        self._process.start_part()

    def contents(self) -> FileContents:
        """Return the names in the file."""
        contents: Any = self._connection.request("list", 0, self._paths).get("value")
        if not isinstance(contents, dict):
            raise GuestEnded(NO_ANSWER)
        fields = dict[str, Any]()
        for field in dataclasses.fields(FileContents):
            value = cast("dict[str, Any]", contents).get(field.name)
            is_mapping = "dict" in str(field.type)
            if isinstance(value, dict) != is_mapping:
                raise GuestEnded(NO_ANSWER)
            if is_mapping:
                fields[field.name] = _arguments_by_name(cast("dict[str, Any]", value))
            else:
                fields[field.name] = text_lines(value)
        return FileContents(**fields)

    def evaluate(self, name: str | None, task: Expression | Descent) -> dict[str, Array]:
        """Return the results of an expression with a class of automatic differentiation, or of an optimizer's run."""
        results: Any = self._connection.request("evaluate", 0, self._paths, name, vars(task)).get("value")
        if isinstance(results, dict):
            arrays = cast("dict[str, Any]", results)
        else:
            arrays = {}
        return {key: cast("Array", value) for key, value in arrays.items() if isinstance(value, np.ndarray)}

    def bind(self, selection: Mapping[str, Any]) -> tuple[RemoteCode | RemoteLoss, str]:
        """Load a layer or a loss, and return it with its name."""
        loaded: Any = self._connection.request("load", 0, self._paths, dict(selection)).get("value")
        match loaded:
            case {"name": str(name), "kind": str(kind), "number": int(number)}:
                description = cast("dict[str, Any]", loaded)
            case _:
                raise GuestEnded(NO_ANSWER)
        name = text_line(name, MAX_NAME)
        independent = description.get("independent") is not False
        if selection["loss"]:
            return RemoteLoss(self._connection, number, name, independent), name
        arguments = description.get("arguments")
        rate = text_line(description.get("rate"), MAX_NAME) or None
        if arguments is None:
            names = None
        else:
            names = text_lines(arguments)
        return RemoteCode(self._connection, number, text_line(kind, MAX_NAME), names, independent, rate), name


def _arguments_by_name(names: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {text_line(name, MAX_NAME): text_lines(arguments) for name, arguments in names.items()}


@contextmanager
def open_file(
    path: Path,
    limits: Limits,
    *,
    permissions: Permissions | None = None,
    on_output: Callable[[str], None] | None = None,
    root: Path | None = None,
    others: Sequence[Path] = (),
) -> Generator[HostedFile]:
    """Yield a learner's file; StudentError if the file or its process fails.

    limits       limits of the process
    permissions  None if the file is trusted; its process then has the user's permissions and packages
    on_output    called at the end of each process with the beginning of the printed output
    root         folder that a trusted file imports packages from, in addition to its own; None: the file's folder
    others       further trusted files, whose functions belong to this file
    """
    for file in (path, *others):
        with open_regular(file, StudentError):
            pass
    with ExitStack() as stack:
        try:
            start, path = _starter(path.resolve(), limits, permissions, stack, root)
            paths = [path, *(other.resolve() for other in others)]
            file = HostedFile(start, paths, on_output or (lambda _: None))
            stack.callback(file.close)
            yield file
        except GuestEnded as end:
            raise StudentError(f"{path.name}: {end}" if permissions is None else str(end)) from None


def _starter(
    path: Path, limits: Limits, permissions: Permissions | None, stack: ExitStack, root: Path | None
) -> tuple[Callable[[], GuestProcess], Path]:
    """Return a function that starts a process for a file, and the file that it loads: a copy if it is untrusted."""
    if permissions is None:
        return partial(
            GuestProcess, import_folders(path) if root is None else [str(root.resolve())], None, limits
        ), path
    confined = confine(permissions, limits.seconds * limits.parts, available_protection())
    folder, confinement = stack.enter_context(confined)
    copy = folder / path.relative_to(common_folder(permissions.readable))
    return partial(GuestProcess, [str(copy.parent)], confinement, limits), copy
