"""The server in a learner's process. It calls the learner's code on request and returns the resulting arrays.

Every loaded layer or loss, called a code, has a number: they are counted from 0 as they are loaded and copied. A
request is {"steps": list of steps}. A step is [action, number of a code, *arguments]; `list`, `uses`, `load`, `explore`
and `evaluate` ignore the number. The steps are executed in order until one fails.

The reply is {"value": value of the last step}, or {"error": a line, "kind": "unwritten", "interface" or ""}. The
actions, with their arguments and values:

list      paths, names                     the calls in files (`custom.signatures.contents`)
uses      paths                            the names that functions and classes use (`custom.signatures.uses`)
load      paths, contract, options         {"number", "kind", "parameters", "independent"}
explore   paths, contract, values, options the arrays in results by place
evaluate  paths, a task                    arrays by name (`check.guest.optimizers.descend`)
set       name, array                      None
forward   its arguments by name            {"arrays" by name, "changed": names of overwritten arguments}
backward  its arguments by name            the same
copy                                       the number of a deep copy
another                                    the number of another object of the same class
"""

import copy
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any, cast

from chainrule.check import sources
from chainrule.check.checked_file import LocalFile
from chainrule.check.guest import frames
from chainrule.check.guest.optimizers import Descent
from chainrule.custom.calls import InterfaceError
from chainrule.custom.interface import CallResult
from chainrule.errors import StudentError, UnwrittenError

KINDS = {"unwritten": UnwrittenError, "interface": InterfaceError}  # errors that the host distinguishes
MAX_MESSAGE = 1000  # maximum length of an error message


@cache
def _file(*paths: str) -> LocalFile:
    """Return a learner's file, which runs only once."""
    return LocalFile(sources.load(*map(Path, paths)))


def serve(requests: int, replies: int) -> None:
    """Answer requests until the host closes the pipe."""
    codes: list[Any] = []
    sys.argv[1:] = []  # a file may read them when it is run
    with open(requests, "rb") as stream:
        while head := stream.read(frames.SIZES.size):
            text, data = map(stream.read, frames.sizes(head))
            reply = _answer(codes, frames.decode(text, data))
            while reply:
                reply = reply[os.write(replies, reply) :]


def _answer(codes: list[Any], request: dict[str, Any]) -> bytes:
    """Execute the steps until one of them fails, and return the reply as a frame."""
    try:
        value: Any = None
        for step in request["steps"]:
            value = _step(codes, *step)
        return frames.encode({"value": value})
    except BaseException as error:  # a learner's code may raise any error
        message = _message(error)[:MAX_MESSAGE]
        kind = next((word for word, kind in KINDS.items() if isinstance(error, kind)), "")
        return frames.encode({"error": message, "kind": kind})


def _message(error: BaseException) -> str:
    if isinstance(error, frames.FrameError):
        return f"returned {error}"
    if isinstance(error, StudentError):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _step(codes: list[Any], action: str, number: int, *arguments: Any) -> Any:
    """Execute one step and return its value."""
    if action in ("list", "uses", "load", "explore", "evaluate"):
        paths, *others = arguments
        return _file_step(codes, action, _file(*paths), *others)
    code = codes[number]
    match action:
        case "copy" | "another":
            codes.append(copy.deepcopy(code) if action == "copy" else code.another())
            return len(codes) - 1
        case "set":
            return code.set(*arguments)
        case "forward" | "backward":
            result: CallResult = getattr(code, action)(**arguments[0])
            return {"arrays": dict(result.arrays), "changed": list(result.changed)}
        case _:
            return None


def _file_step(codes: list[Any], action: str, file: LocalFile, *arguments: Any) -> Any:
    """Execute a step on a file and return its value."""
    match action:
        case "list" | "uses":
            texts = file.contents(*arguments) if action == "list" else file.uses()
            return {name: list(lines) for name, lines in texts.items()}
        case "evaluate":
            return file.evaluate(Descent(**arguments[0]))
        case "explore":
            contract, values, options = arguments
            return file.explore(contract, values, _tuples(options))
        case _:
            contract, options = arguments
            code = file.layer(contract, _tuples(options))
            codes.append(code)
            described = {"kind": code.kind, "parameters": list(code.parameters), "independent": code.independent}
            return {**described, "number": len(codes) - 1}


def _tuples(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with tuples, which a frame turns into lists."""
    return {
        name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value for name, value in options.items()
    }
