"""The server in the process of a submission: calls its code on request and returns the resulting arrays.

A request is {"steps": […], "wanted": names, "names": whether to list all}, each step a list: its kind, the number of
the code, and arguments. The reply is {"value": the value of the last step, "held": [whether it exists, its array] for
each wanted name, "names": all names that the code holds}; or {"error": a line, "step": the failed step}. The steps:

load      path, name, "layer" or "loss"   → its name, kind and arguments; it becomes code 0
set       name, array                     → None
forward   its arguments by name           → arrays by name, and which arguments were overwritten
backward  the same                        → the same
copy                                      → the number of a deep copy
look                                      → None: only to get the wanted names
"""

import os
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

from chainrule.check import sources
from chainrule.check.guest.frames import FrameError, decode, encode
from chainrule.errors import StudentError
from chainrule.student.functions import Functions
from chainrule.student.interface import CallResult
from chainrule.student.losses import LossFunctions
from chainrule.student.methods import Methods

LETTERS = 1000  # longest error message


def serve(reads: int, writes: int) -> None:
    """Answer until the host closes its end."""
    codes: list[Any] = []
    while head := _read(reads, 8):
        frame = _answer(codes, decode(_read(reads, struct.unpack("<Q", head)[0])))
        while frame:
            frame = frame[os.write(writes, frame) :]


def _read(reads: int, count: int) -> bytes:
    """Return ``count`` bytes; an empty string if the host has closed its end."""
    parts = bytearray()
    while len(parts) < count:
        part = os.read(reads, min(count - len(parts), 1 << 20))
        if not part:
            return b""
        parts += part
    return bytes(parts)


def _answer(codes: list[Any], request: dict[str, Any]) -> bytes:
    """Execute the steps in order up to the first that fails, and return the reply as a frame."""
    taken = 0
    try:
        value: Any = None
        for step in request["steps"]:
            value = _step(codes, *step)
            taken += 1
        code = codes[request["steps"][-1][1]]
        held = {name: [code.has(name), code.get(name)] for name in request["wanted"]}
        names = list(code.names()) if request["names"] else []
        return encode({"value": value, "held": held, "names": names})
    except FrameError as error:
        return encode({"error": f"returned {error}", "step": taken})
    except BaseException as error:  # a learner's code may raise anything
        said = str(error) if isinstance(error, StudentError) else f"{type(error).__name__}: {error}".removesuffix(": ")
        return encode({"error": said[:LETTERS], "step": taken})


def _step(codes: list[Any], what: str, which: int, *arguments: Any) -> Any:
    """Execute one step and return its value."""
    match what:
        case "load":
            return _load(codes, *arguments)
        case "copy":
            codes.append(codes[which].copy())
            return len(codes) - 1
        case "set":
            return codes[which].set(*arguments)
        case "forward" | "backward":
            result: CallResult = getattr(codes[which], what)(**arguments[0])
            return {"arrays": dict(result.arrays), "changed": list(result.changed)}
        case _:
            return None


def _load(codes: list[Any], path: str, name: str, kind: str) -> dict[str, Any]:
    """Load the object to be checked from a file as code 0, and describe it."""
    source, name = sources.find(Path(path), name)
    if kind == "loss":
        codes.append(LossFunctions(source, name))
        return {"name": name, "kind": name, "arguments": None}
    code = Functions(source, name) if isinstance(source, ModuleType) else Methods(source, name)
    codes.append(code)
    return {"name": name, "kind": code.kind, "arguments": code.arguments}
