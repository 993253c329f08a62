"""A learner's code in another process, with the interface of local code (`chainrule.custom.interface`).

Each call takes one round trip. Pending assignments are sent with the call. The reply contains the current values of all
names that have been read so far, because they will be read again.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from chainrule.check.host.process import NO_ANSWER, GuestEnded, GuestProcess
from chainrule.custom.calls import Array, InterfaceError
from chainrule.custom.interface import CallResult
from chainrule.errors import StudentError, UnwrittenError, one_line

EMPTY_SLICE = "a slice such as [p:-p] is empty if p is 0"
MAX_MESSAGE, MAX_NAME = 500, 200  # maximum lengths of a message and of a name from a learner's code


class Connection:
    """The connection to a submission's process, with a queue of steps for the next request."""

    def __init__(self, process: GuestProcess) -> None:
        self._process = process
        self._queued: list[list[object]] = []

    def queue(self, *step: object) -> None:
        """Queue a step for execution before the next request."""
        self._queued.append(list(step))

    def request(self, *step: object, requested: list[str] | None = None, names: bool = False) -> dict[str, Any]:
        """Return the reply to a step; StudentError if the learner's code raises an error."""
        steps = [*self._queued, list(step)]
        self._queued = []
        reply = self._process.request({"steps": steps, "requested": requested or [], "names": names})
        if "error" in reply:
            kinds = {"unwritten": UnwrittenError, "interface": InterfaceError}
            message = text_line(reply["error"])
            if not message:
                raise GuestEnded(NO_ANSWER)
            raise kinds.get(str(reply.get("kind")), StudentError)(message)
        return reply


class RemoteCode:
    """A learner's layer in another process.

    number     number of the code in that process
    arguments  argument names of plain functions; None for an object
    """

    def __init__(
        self,
        connection: Connection,
        number: int,
        kind: str,
        arguments: tuple[str, ...] | None,
        independent: bool = True,
        rate: str | None = None,
    ) -> None:
        self.kind = kind
        self.arguments = arguments
        self.independent = independent
        self.rate = rate
        self._connection = connection
        self._number = number
        self._names: tuple[str, ...] | None = None
        self._requested: dict[str, None] = {}  # names that have been read so far, in order
        self._present: dict[str, bool] = {}  # whether a name exists; assignments neither create nor remove names
        self._values: dict[str, Array | None] = {}

    def names(self) -> tuple[str, ...]:
        """Return the names of the code's arrays and numbers."""
        if self._names is None:
            self._request("look", names=True)
        return self._names or ()

    def has(self, name: str) -> bool:
        """Return whether the code has a value with this name."""
        self._fetch(name, self._present)
        return self._present[name]

    def get(self, name: str) -> Array | None:
        """Return a copy of the array with this name, or None if there is none."""
        self._fetch(name, self._values)
        value = self._values[name]
        if value is None:
            return None
        return value.copy()

    def set(self, name: str, value: Array) -> None:
        """Replace the value with this name. It is sent with the next request."""
        self._connection.queue("set", self._number, name, np.asarray(value))
        self._values.clear()

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward."""
        return _result(self._request("forward", {"x": np.asarray(x), "strided": strided}), "y")

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call backward."""
        return _result(self._request("backward", {"dy": np.asarray(dy), "strided": strided}), "dx")

    def another(self) -> "RemoteCode":
        """Return another object of the same class."""
        return self._twin("another")

    def adapted(self, axis: str) -> "RemoteCode":
        """Return an adapter for a copy, which takes samples along another axis."""
        return self._twin("adapted", axis)

    def __deepcopy__(self, memo: dict[int, object]) -> "RemoteCode":
        return self._twin("copy")

    def _twin(self, action: str, *arguments: object) -> "RemoteCode":
        number = _number(self._connection.request(action, self._number, *arguments).get("value"))
        return RemoteCode(self._connection, number, self.kind, self.arguments, self.independent, self.rate)

    def _fetch(self, name: str, cache: Mapping[str, object]) -> None:
        self._requested[name] = None
        if name not in cache:
            self._request("look")

    def _request(self, action: str, *arguments: object, names: bool = False) -> Any:
        """Execute a step, update the values of all names read so far, and return the step's value."""
        names = names or self._names is not None
        reply = self._connection.request(action, self._number, *arguments, requested=[*self._requested], names=names)
        if isinstance(reported := reply.get("held"), dict):
            values = cast("dict[str, Any]", reported)
        else:
            values = {}
        for name in self._requested:
            self._present[name], self._values[name] = _presence(values.get(name))
        if names:
            self._names = text_lines(reply.get("names"))
        return reply.get("value")


class RemoteLoss:
    """A learner's loss in another process."""

    def __init__(self, connection: Connection, number: int, name: str, independent: bool = True) -> None:
        self._connection = connection
        self._number = number
        self.name = name
        self.independent = independent

    def forward(self, p: Array, t: Array) -> CallResult:
        """Call forward."""
        return _result(self._connection.request("forward", self._number, {"p": p, "t": t}).get("value"), "y")

    def backward(self, p: Array, t: Array) -> CallResult:
        """Call backward."""
        return _result(self._connection.request("backward", self._number, {"p": p, "t": t}).get("value"), "dp")

    def another(self) -> "RemoteLoss":
        """Return another loss with the same code."""
        number = _number(self._connection.request("another", self._number).get("value"))
        return RemoteLoss(self._connection, number, self.name, self.independent)


def _number(value: object) -> int:
    """Return the number of newly loaded code."""
    if not isinstance(value, int):
        raise GuestEnded(NO_ANSWER)
    return value


def _presence(pair: object) -> tuple[bool, Array | None]:
    """Return whether a name exists, and its array."""
    match pair:
        case [bool(exists), np.ndarray() | None as value]:
            return exists, cast("Array | None", value)
        case _:
            raise GuestEnded(NO_ANSWER)


def _result(result: object, required: str) -> CallResult:
    """Return the result of a call. It must contain the required array, and all arrays must be real or complex."""
    if isinstance(result, dict):
        arrays = cast("dict[str, Any]", result).get("arrays")
    else:
        arrays = None
    if isinstance(arrays, dict):
        arrays_by_name = cast("dict[str, Any]", arrays)
    else:
        arrays_by_name = {}
    present = required in arrays_by_name or (required == "dx" and isinstance(arrays, dict))
    if not present or not all(_is_numbers(array) for array in arrays_by_name.values()):
        raise GuestEnded(NO_ANSWER)
    if required in arrays_by_name and arrays_by_name[required].size == 0:
        if required == "y":
            raise StudentError("forward returned an empty array y")
        raise StudentError(f"backward returned an empty array {required}: {EMPTY_SLICE}")
    described = cast("dict[str, Any]", result)
    needed = text_line(described.get("needed"), MAX_NAME) or None
    return CallResult(arrays_by_name, text_lines(described.get("changed")), needed)


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
