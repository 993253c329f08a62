"""The server in a submission's process. It calls the submission's code on request and returns the resulting arrays.

A request is {"steps": list of steps, "requested": names of arrays to return, "names": whether to list all names}. Each
step is a list with its action, the number of the code, and arguments. The reply is {"value": value of the last step,
"held": [whether it exists, its array] for each requested name, "names": all names of the code}, or {"error": a line,
"step": index of the failed step, "unwritten": whether the code is not written yet}. A selection is {"name": …,
"backward": name of a second function or "", "loss": whether it is a loss, "options": arguments by name}. The actions:

list      path                   → the layers in a file with their constructor arguments, and its functions
load      path, a selection      → its number, name, kind and arguments
set       name, array            → None
forward   its arguments by name  → arrays by name, and the names of overwritten arguments
backward  its arguments by name  → the same
copy                             → the number of a deep copy
another                          → the number of another object of the same class
look                             → None; for requests that only return requested names
"""

import os
import struct
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from chainrule.check import sources
from chainrule.check.guest.frames import FrameError, decode, encode
from chainrule.custom.interface import CallResult
from chainrule.errors import StudentError, UnwrittenError

MAX_MESSAGE = 1000  # maximum length of an error message


class _LoadedCodes(list[Any]):
    """The loaded codes by number, and their modules. Every file runs only once."""

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, ModuleType] = {}

    def module(self, path: str) -> ModuleType:
        """Return a file as a module. The file is only run the first time."""
        if path not in self._modules:
            self._modules[path] = sources.load(Path(path))
        return self._modules[path]


def serve(requests: int, replies: int) -> None:
    """Answer requests until the host closes the pipe."""
    codes = _LoadedCodes()
    warnings.simplefilter("ignore", np.exceptions.ComplexWarning)  # caused by the checker's complex steps
    while head := _read(requests, 8):
        _write(replies, _answer(codes, decode(_read(requests, struct.unpack("<Q", head)[0]))))


def send(replies: int, value: Any) -> None:
    """Send a value without a request: the active protection, before any code is loaded."""
    _write(replies, encode(value))


def _write(pipe: int, frame: bytes) -> None:
    while frame:
        frame = frame[os.write(pipe, frame) :]


def _read(pipe: int, count: int) -> bytes:
    """Return ``count`` bytes, or an empty string if the host has closed the pipe."""
    parts = bytearray()
    while len(parts) < count:
        part = os.read(pipe, min(count - len(parts), 1 << 20))
        if not part:
            return b""
        parts += part
    return bytes(parts)


def _answer(codes: _LoadedCodes, request: dict[str, Any]) -> bytes:
    """Execute the steps until one of them fails, and return the reply as a frame."""
    completed = 0
    try:
        value: Any = None
        for step in request["steps"]:
            value = _step(codes, *step)
            completed += 1
        code: Any = codes[request["steps"][-1][1]] if request["requested"] or request["names"] else None
        values = {name: [code.has(name), code.get(name)] for name in request["requested"]}
        names = list(code.names()) if request["names"] else []
        return encode({"value": value, "held": values, "names": names})
    except FrameError as error:
        return encode({"error": f"returned {error}", "step": completed})
    except BaseException as error:  # a learner's code may raise any error
        message = (
            str(error) if isinstance(error, StudentError) else f"{type(error).__name__}: {error}".removesuffix(": ")
        )
        return encode(
            {"error": message[:MAX_MESSAGE], "step": completed, "unwritten": isinstance(error, UnwrittenError)}
        )


def _step(codes: _LoadedCodes, action: str, number: int, *arguments: Any) -> Any:
    """Execute one step and return its value."""
    match action:
        case "list":
            module = codes.module(*arguments)
            return sources.contents(module)
        case "load":
            return _load(codes, *arguments)
        case "copy" | "another":
            codes.append(getattr(codes[number], action)())
            return len(codes) - 1
        case "set":
            return codes[number].set(*arguments)
        case "forward" | "backward":
            result: CallResult = getattr(codes[number], action)(**arguments[0])
            return {"arrays": dict(result.arrays), "changed": list(result.changed)}
        case _:
            return None


def _load(codes: _LoadedCodes, path: str, selection: dict[str, Any]) -> dict[str, Any]:
    """Load the selected object from a file as the next code, and return its description."""
    module = codes.module(path)
    code, name = sources.bind(module, Path(path), {**selection, "options": _plain(selection["options"])})
    codes.append(code)
    description = {"name": name, "kind": name} if selection["loss"] else {"name": name, "kind": code.kind}
    description |= {"arguments": getattr(code, "arguments", None), "independent": code.independent}
    return {**description, "number": len(codes) - 1}


def _plain(value: Any) -> Any:
    """Convert zero-dimensional arrays, which transport numbers, to Python numbers."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[str, Any]", value).items()}
    return cast("Any", value).item() if isinstance(value, np.ndarray) and value.ndim == 0 else cast("Any", value)
