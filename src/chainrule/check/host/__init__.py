"""Host of a learner's file. The file runs in its own process and is checked in this one.

Only arrays and plain values are exchanged (`guest.frames`). The learner's process contains neither the reference layer
nor any correct results. It can only reply, time out, or exit.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from chainrule._io.reading import open_regular
from chainrule._io.trust import import_folders
from chainrule.check.checked_file import NO_OPTIONS, CheckedFile
from chainrule.check.guest.optimizers import Descent
from chainrule.check.host.process import NO_ANSWER, GuestEnded, GuestProcess, Limits
from chainrule.check.host.protection import (
    Permissions,
    Protection,
    available_protection,
    common_folder,
    confine,
    package_folders,
)
from chainrule.check.host.remote import MAX_NAME, PLACE, Connection, RemoteCode, text_line, text_lines
from chainrule.custom.calls import Array
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

    def contents(self, names: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
        """Return the calls in the file."""
        return self._texts("list", list(names))

    def uses(self) -> dict[str, tuple[str, ...]]:
        """Return the names in the file that each of its functions and classes uses."""
        return self._texts("uses")

    def _texts(self, action: str, *arguments: object) -> dict[str, tuple[str, ...]]:
        listed: Any = self._connection.request(action, 0, self._paths, *arguments)
        if not isinstance(listed, dict):
            raise GuestEnded(NO_ANSWER)
        texts = dict[str, tuple[str, ...]]()
        for name, lines in cast("dict[str, Any]", listed).items():
            texts[text_line(name, MAX_NAME)] = text_lines(lines)
        return texts

    def explore(
        self, contract: str, values: Mapping[str, Array], options: Mapping[str, Any] = NO_OPTIONS
    ) -> dict[str, Array]:
        """Run a contract once, and return the arrays in its results by their places."""
        arrays = self._connection.arrays("explore", 0, self._paths, contract, dict(values), dict(options))
        return {place: value for place, value in arrays.items() if PLACE.fullmatch(place)}

    def evaluate(self, task: Descent) -> dict[str, Array]:
        """Return the results of an optimizer's run."""
        return self._connection.arrays("evaluate", 0, self._paths, vars(task))

    def layer(self, contract: str, options: Mapping[str, Any] = NO_OPTIONS) -> RemoteCode:
        """Load a layer or a loss under a contract."""
        loaded: Any = self._connection.request("load", 0, self._paths, contract, dict(options))
        match loaded:
            case {"kind": str(kind), "number": int(number), "parameters": parameters, "independent": bool(independent)}:
                kind = text_line(kind, MAX_NAME)
            case _:
                raise GuestEnded(NO_ANSWER)
        return RemoteCode(self._connection, number, kind, text_lines(parameters), independent)


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
