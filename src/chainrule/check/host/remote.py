"""A learner's code in another process, with the interface of local code (`chainrule.custom.interface`).

Each call takes one round trip. Pending assignments are sent with the call.
"""

import re
from typing import Any, cast

import numpy as np

from chainrule.check.host.process import NO_ANSWER, GuestEnded, GuestProcess
from chainrule.custom.calls import Array, InterfaceError
from chainrule.custom.interface import CallResult
from chainrule.errors import StudentError, UnwrittenError, one_line

EMPTY_SLICE = "a slice such as [p:-p] is empty if p is 0"
EMPTY = {  # messages about empty arrays, by name
    "y": "forward returned an empty array y",
    "dx": f"backward returned an empty array dx: {EMPTY_SLICE}",
    "dp": f"backward returned an empty array dp: {EMPTY_SLICE}",
}
PLACE = re.compile(r"#?(self|y|q|r)(\.\w+|\[-?\d+\]|\['[^'\\]*'\])*")  # of an array, as an expression without calls
MAX_MESSAGE, MAX_NAME = 500, 200  # maximum lengths of a message and of a name from a learner's code


class Connection:
    """The connection to a submission's process, with a queue of steps for the next request."""

    def __init__(self, process: GuestProcess) -> None:
        self._process = process
        self._queued: list[list[object]] = []

    def queue(self, *step: object) -> None:
        """Queue a step for execution before the next request."""
        self._queued.append(list(step))

    def request(self, *step: object) -> Any:
        """Return the value of a step; StudentError if the learner's code raises an error."""
        steps = [*self._queued, list(step)]
        self._queued = []
        reply = self._process.request({"steps": steps})
        if "error" in reply:
            kinds = {"unwritten": UnwrittenError, "interface": InterfaceError}
            message = text_line(reply["error"])
            if not message:
                raise GuestEnded(NO_ANSWER)
            raise kinds.get(str(reply.get("kind")), StudentError)(message)
        return reply.get("value")

    def arrays(self, *step: object) -> dict[str, Array]:
        """Return the arrays by name that are the value of a step."""
        value = self.request(*step)
        if not isinstance(value, dict):
            raise GuestEnded(NO_ANSWER)
        arrays = dict[str, Array]()
        for name, array in cast("dict[str, Any]", value).items():
            if isinstance(array, np.ndarray):
                arrays[text_line(name, MAX_NAME)] = cast("Array", array)
        return arrays


class RemoteCode:
    """A learner's layer or loss in another process.

    number      number of the code in that process
    parameters  names of the parameters that its contract uses
    """

    def __init__(
        self, connection: Connection, number: int, kind: str, parameters: tuple[str, ...], independent: bool
    ) -> None:
        self.kind = kind
        self.parameters = parameters
        self.independent = independent
        self._connection = connection
        self._number = number

    def set(self, name: str, value: Array) -> None:
        """Set a parameter, the targets or the mode. It is sent with the next request."""
        self._connection.queue("set", self._number, name, np.asarray(value))

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward."""
        values = {"x": np.asarray(x), "strided": strided}
        result = _result(self._connection.request("forward", self._number, values))
        if "y" not in result.arrays:
            raise GuestEnded(NO_ANSWER)
        return result

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call backward."""
        values = {"dy": np.asarray(dy), "strided": strided}
        return _result(self._connection.request("backward", self._number, values))

    def another(self) -> "RemoteCode":
        """Return another object of the same class."""
        return self._twin("another")

    def __deepcopy__(self, memo: dict[int, object]) -> "RemoteCode":
        return self._twin("copy")

    def _twin(self, action: str) -> "RemoteCode":
        number = _number(self._connection.request(action, self._number))
        return RemoteCode(self._connection, number, self.kind, self.parameters, self.independent)


def _number(value: object) -> int:
    """Return the number of newly loaded code."""
    if not isinstance(value, int):
        raise GuestEnded(NO_ANSWER)
    return value


def _result(result: object) -> CallResult:
    """Return the result of a call. All arrays must be real or complex; y, dx and dp must not be empty."""
    described = cast("dict[str, Any]", result) if isinstance(result, dict) else {}
    arrays = described.get("arrays")
    if not isinstance(arrays, dict):
        raise GuestEnded(NO_ANSWER)
    arrays_by_name = cast("dict[str, Any]", arrays)
    if not all(_is_numbers(array) for array in arrays_by_name.values()):
        raise GuestEnded(NO_ANSWER)
    for name, advice in EMPTY.items():
        if name in arrays_by_name and not arrays_by_name[name].size:
            raise StudentError(advice)
    return CallResult(arrays_by_name, text_lines(described.get("changed")))


def _is_numbers(value: object) -> bool:
    """Return whether a value is an array of floats or complex numbers."""
    return isinstance(value, np.ndarray) and cast("Array", value).dtype.kind in "fc"


def text_lines(texts: object) -> tuple[str, ...]:
    """Return a learner's names as printable lines, or an empty tuple if the value is not a list."""
    if isinstance(texts, list):
        items = cast("list[Any]", texts)
    else:
        items = []
    return tuple(text_line(item, MAX_NAME) for item in items if isinstance(item, str))


def text_line(text: object, max_length: int = MAX_MESSAGE) -> str:
    """Return a learner's text as one printable line, or an empty string if the value is not a string."""
    if isinstance(text, str):
        return one_line(" ".join(text.split()), max_length)
    return ""
