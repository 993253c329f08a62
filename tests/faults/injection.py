"""A layer below the few system calls that write files, which fails or kills the process at a chosen call."""

import errno
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chainrule._io import files

TEMPORARY = re.compile(files.TEMPORARY.replace(".", r"\.").format("(?P<name>.+)", "[0-9a-f]{16}"))
CALLS = ("open", "write", "fsync", "close", "replace", "unlink")
KILLS = ("killed before", "killed during", "killed after")
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO}
EFFECTS = (*KILLS, *ERRORS)


class Layer:
    """Counts this process's calls on a folder, from 0; call `at` triggers the effect.

    seen   the calls so far, such as "fsync checkpoint.safetensors"
    An error persists: a full disk stays full for writes, but files can be closed and removed.
    """

    def __init__(self, folder: Path, at: int | None = None, effect: str = "") -> None:
        self.folder, self.at, self.effect = str(folder), at, effect
        self.seen: list[str] = []
        self.failed = False
        self._handles: dict[int, str] = {}

    def install(self) -> None:
        """Install the layer under `os` for the rest of this process."""
        for call in CALLS:
            setattr(os, call, self._wrapped(call, getattr(os, call)))

    def _wrapped(self, call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            name = self._name(call, arguments)
            if name is None:
                return real(*arguments, **options)
            number = len(self.seen)
            self.seen.append(f"{call} {name}")
            due = number == self.at
            if due and self.effect == "killed before":
                os.kill(os.getpid(), signal.SIGKILL)
            if due and self.effect == "killed during":
                self._write_half(call, real, arguments)
                os.kill(os.getpid(), signal.SIGKILL)
            if self.effect in ERRORS and (due or self.failed) and not (self.failed and call in ("close", "unlink")):
                self.failed = True
                self._write_half(call, real, arguments)
                if call == "close":
                    real(*arguments)
                raise OSError(ERRORS[self.effect], os.strerror(ERRORS[self.effect]))
            result = real(*arguments, **options)
            if due and self.effect == "killed after":
                os.kill(os.getpid(), signal.SIGKILL)
            if call == "open":
                self._handles[result] = name
            return result

        return called

    def _name(self, call: str, arguments: tuple[Any, ...]) -> str | None:
        """Return the run's file a call concerns, without the random part of a temporary name; None: no such file."""
        if call in ("write", "fsync", "close"):
            name = self._handles.get(arguments[0])
            if call == "close":
                self._handles.pop(arguments[0], None)
            return name
        path = os.fspath(arguments[-1] if call == "replace" else arguments[0])
        if not isinstance(path, str) or not path.startswith(self.folder):
            return None
        name = path[len(self.folder) :].strip("/")
        torn = TEMPORARY.fullmatch(name)
        return (torn["name"] if torn else name) or "folder"

    def _write_half(self, call: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Write half of the bytes, if the call writes."""
        if call == "write":
            handle, content = arguments
            real(handle, bytes(content)[: len(content) // 2])
