"""A learner's plain functions: `forward(x, w, b)` and `backward(dy, x, w, b)`."""

import copy
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

import numpy as np

from chainrule.errors import StudentError
from chainrule.student.calls import NO_DEFAULT, Array, defaults


class Functions:
    """Two functions as `Student` sees them; the parameters are what `forward` takes besides x.

    Arguments with a default that is no array are options and keep it. `backward` is given what it asks for: the first
    argument is dy, then x, and by name the parameters and y.
    """

    def __init__(self, source: Any, name: str | None) -> None:
        self._forward, self._backward = _pair(source, name)
        self.kind = _kind(source, self._forward)
        self._label = name or self.kind
        taken = defaults(self._forward)
        if not taken:
            raise StudentError(f"{self._label}: forward should name what it takes: x, and its parameters")
        found = {argument: value for argument, value in taken[1:] if value is NO_DEFAULT or _is_array(value)}
        self._values: dict[str, Any] = {key: None if value is NO_DEFAULT else value for key, value in found.items()}
        self.names: tuple[str, ...] = tuple(self._values)

    def forward(self, x: Array) -> Any:
        """What forward(x, …) returns."""
        return self._forward(x, **self._given())

    def backward(self, dy: Array, x: Array, y: Array) -> Any:
        """What backward(dy, x, …) returns."""
        taken = defaults(self._backward)
        given = self._given()
        if taken is None:
            return self._backward(dy, x, *given.values())
        arguments: dict[str, Any] = {}
        for place, (name, default) in enumerate(taken[1:]):
            if name in given or name == "y":
                arguments[name] = given.get(name, y)
            elif place == 0:
                arguments[name] = x
            elif default is NO_DEFAULT:
                known = ", ".join(["x", "y", *given])
                raise StudentError(f"{self._label}: backward wants {name!r}; known: {known}")
        return self._backward(dy, **arguments)

    def has(self, name: str) -> bool:
        """Whether `forward` takes it."""
        return name in self._values

    def get(self, name: str) -> Any:
        """A parameter; None when it was never set."""
        return self._values[name]

    def set(self, name: str, value: Array) -> None:
        """Give a parameter another value."""
        self._values[name] = value

    def left(self) -> dict[str, Any]:
        """Nothing: functions return their gradients."""
        return {}

    def twin(self, memo: dict[int, Any]) -> "Functions":
        """The same functions with parameters of their own."""
        twin = copy.copy(self)
        twin._values = dict(self._values)
        return twin

    def _given(self) -> dict[str, Any]:
        missing = [name for name, value in self._values.items() if value is None]
        if missing:
            raise StudentError(f"{self._label}: forward wants {', '.join(missing)}: give the first values by name")
        return {name: np.array(value) for name, value in self._values.items()}


def _pair(source: Any, name: str | None) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """(forward, backward) of a module or a pair."""
    if isinstance(source, ModuleType):
        label = name or source.__name__
        for function in ("forward", "backward"):
            if not callable(getattr(source, function, None)):
                raise StudentError(f"{label} has no function {function}")
        return source.forward, source.backward
    pair = tuple(cast("tuple[Any, ...]", source))
    if len(pair) != 2 or not all(callable(function) for function in pair):
        raise StudentError(f"{name or 'the pair'}: expected two functions, (forward, backward), found {source!r}")
    return pair


def _kind(source: Any, forward: Callable[..., Any]) -> str:
    if isinstance(source, ModuleType):
        return source.__name__.rpartition(".")[2]
    name = getattr(forward, "__name__", "forward")
    return "functions" if name in ("forward", "<lambda>") else name


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)
