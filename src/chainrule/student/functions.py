"""A learner's plain functions: `forward(x, w, b)` and `backward(dy, x, w, b)`."""

import copy
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

import numpy as np

from chainrule.errors import StudentError
from chainrule.student.calls import NO_DEFAULT, Array, array, call, copy_for_call, defaults, is_numeric, overwritten
from chainrule.student.interface import CallResult
from chainrule.student.results import split


class Functions:
    """Two functions behind the interface `Code`; the parameters are the arguments of `forward` besides x.

    An argument whose default is not an array is an option and keeps its default. `backward` gets dy as its first
    argument, then x, and the parameters and y by name, as far as its signature has them.
    """

    def __init__(self, source: Any, name: str | None) -> None:
        self._forward, self._backward = _pair(source, name)
        self.kind = _kind(source, self._forward)
        self._label = name or self.kind
        taken = defaults(self._forward)
        if not taken:
            raise StudentError(f"{self._label}: forward must name its arguments: x, and its parameters")
        found = {argument: value for argument, value in taken[1:] if value is NO_DEFAULT or _is_array(value)}
        self._values: dict[str, Any] = {key: None if value is NO_DEFAULT else value for key, value in found.items()}
        self.arguments: tuple[str, ...] | None = tuple(self._values)
        self._last: tuple[Array, Array] | None = None

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward(x, …)."""
        label = f"{self._label}.forward"
        x, given, parameters = np.array(x), copy_for_call(x, strided), self._given()
        y = array(call(label, lambda: self._forward(given, **parameters)), f"{label} returned")
        self._last = (x, y)
        return CallResult({"y": y}, overwritten({"x": (given, x), **self._beside(parameters)}))

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call backward(dy, x, …) with x and y of the last forward and the parameters."""
        if self._last is None:
            raise StudentError(f"{self._label}: backward before forward")
        label = f"{self._label}.backward"
        x, y = self._last
        given, parameters = copy_for_call(dy, strided), self._given()
        lent = {"x": (x.copy(), x), "y": (y.copy(), y)}
        arguments = self._wanted({**parameters, "y": lent["y"][0]}, lent["x"][0])
        result = call(label, lambda: self._backward(given, *arguments))
        found, others = split(result, label, self.arguments or ())
        arrays = {"dx": array(found, f"{label} returned")}
        arrays |= {name: array(value, f"{label}: {name} is") for name, value in others.items()}
        return CallResult(arrays, overwritten({"dy": (given, dy), **lent, **self._beside(parameters)}))

    def names(self) -> tuple[str, ...]:
        """Return the names of the parameters."""
        return tuple(self._values)

    def has(self, name: str) -> bool:
        """Return whether `forward` has an argument of that name."""
        return name in self._values

    def get(self, name: str) -> Array | None:
        """Return a copy of a parameter; None if it was never set."""
        value = self._values.get(name)
        return np.array(value) if is_numeric(value) else None

    def set(self, name: str, value: Array) -> None:
        """Set a parameter."""
        self._values[name] = value

    def copy(self) -> "Functions":
        """Return the same functions with independent parameters."""
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Functions":
        """Return the same functions with independent parameters."""
        twin = copy.copy(self)
        twin._values = dict(self._values)
        return twin

    def _wanted(self, known: dict[str, Any], x: Array) -> list[Any]:
        """Return the arguments of `backward` after dy, in order: x first, then by name."""
        taken = defaults(self._backward)
        if taken is None:
            return [x, *(value for name, value in known.items() if name != "y")]
        arguments: list[Any] = []
        for place, (name, default) in enumerate(taken[1:]):
            if name in known:
                arguments.append(known[name])
            elif place == 0:
                arguments.append(x)
            elif default is NO_DEFAULT:
                names = ", ".join(["x", "y", *self._values])
                raise StudentError(f"{self._label}: backward has an unknown argument {name!r}; known: {names}")
            else:
                arguments.append(default)
        return arguments

    def _beside(self, given: dict[str, Any]) -> dict[str, tuple[Any, Array]]:
        """Return every parameter as a call left it, and as it should be."""
        return {name: (value, np.asarray(self._values[name])) for name, value in given.items()}

    def _given(self) -> dict[str, Any]:
        missing = [name for name, value in self._values.items() if value is None]
        if missing:
            raise StudentError(f"{self._label}: forward needs {', '.join(missing)}: give initial values by name")
        return {name: np.array(value) for name, value in self._values.items()}


def _pair(source: Any, name: str | None) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return (forward, backward) of a module or a pair."""
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
