"""The server in a learner's process. It calls the learner's code on request and returns the resulting arrays.

Every loaded object, called a code, has a number, from 0 in the order in which codes are loaded, copied and adapted. A
request is {"steps": list of steps, "requested": names of arrays to return, "names": whether to list all names}. A step
is [action, number of a code, *arguments]; `list`, `load` and `evaluate` ignore the number. The steps are executed in
order until one fails.

The reply is {"value": value of the last step, "held": {requested name: [whether it exists, its array or None]},
"names": all names of the last step's code, or [] unless they are requested}, or {"error": a line, "kind": "unwritten",
"interface" or ""}.

A selection is {"name": …, "backward": name of a second function or None, "loss": whether it is a loss, "options":
arguments by name}. The actions, with their arguments and values:

list      paths                  the contents of files (`check.sources.contents`): layers, functions, …
load      paths, a selection     {"number", "name", "kind", "arguments" of plain functions or None, "independent":
                                 whether copies are independent, "rate": the learning-rate argument of backward or None}
set       name, array            None
forward   its arguments by name  {"arrays" by name, "changed": names of overwritten arguments, "needed"}, the fields of
                                 `chainrule.custom.interface.CallResult`
backward  its arguments by name  the same
copy                             the number of a deep copy
another                          the number of another object of the same class
adapted   "one" or "last"        the number of an adapter for a copy (`chainrule.custom.sample_axis`)
evaluate  paths, name, a task    arrays by name (`chainrule.custom.autograd` if the task has a "source", otherwise
                                 `chainrule.custom.optimizers`)
look                             None; for requests that only return requested names
"""

import copy
import os
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from chainrule.check import sources
from chainrule.check.guest import frames
from chainrule.custom.autograd import Expression
from chainrule.custom.calls import InterfaceError
from chainrule.custom.interface import CallResult
from chainrule.custom.optimizers import Descent
from chainrule.errors import StudentError, UnwrittenError

KINDS = {"unwritten": UnwrittenError, "interface": InterfaceError}  # errors that the host distinguishes
MAX_MESSAGE = 1000  # maximum length of an error message
module_of = cache(sources.load)  # a file runs only once


def serve(requests: int, replies: int) -> None:
    """Answer requests until the host closes the pipe."""
    codes: list[Any] = []
    sys.argv[1:] = []  # a file may read them when it is run
    warnings.simplefilter("ignore", np.exceptions.ComplexWarning)  # caused by the checker's complex steps
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
        code: Any = codes[request["steps"][-1][1]] if request["requested"] or request["names"] else None
        values = dict[Any, list[Any]]()
        for name in request["requested"]:
            values[name] = [code.has(name), code.get(name)]
        if request["names"]:
            names = list(code.names())
        else:
            names = []
        return frames.encode({"value": value, "held": values, "names": names})
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
    match action:
        case "list":
            return vars(sources.contents(module_of(*map(Path, arguments[0]))))
        case "load":
            return _load(codes, *arguments)
        case "copy" | "another" | "adapted":
            code = codes[number]
            codes.append(copy.deepcopy(code) if action == "copy" else getattr(code, action)(*arguments))
            return len(codes) - 1
        case "set":
            return codes[number].set(*arguments)
        case "forward" | "backward":
            result: CallResult = getattr(codes[number], action)(**arguments[0])
            return {"arrays": dict(result.arrays), "changed": list(result.changed), "needed": result.needed}
        case "evaluate":
            paths, name, task = arguments
            if "source" in task:
                kind = Expression
            else:
                kind = Descent
            return sources.evaluate(module_of(*map(Path, paths)), Path(paths[0]), name, kind(**task))
        case _:
            return None


def _load(codes: list[Any], paths: list[str], selection: dict[str, Any]) -> dict[str, Any]:
    """Load the selected object from files as the next code, and return its description."""
    named = selection["options"].items()  # the frame contains lists instead of tuples
    values = {name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value for name, value in named}
    code, name = sources.bind(module_of(*map(Path, paths)), Path(paths[0]), {**selection, "options": values})
    codes.append(code)
    if selection["loss"]:
        description = {"name": name, "kind": name}
    else:
        description = {"name": name, "kind": code.kind}
    description |= {"arguments": getattr(code, "arguments", None), "independent": code.independent}
    description |= {"rate": getattr(code, "rate", None)}
    return {**description, "number": len(codes) - 1}
