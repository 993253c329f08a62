"""A learner's plain functions: `forward(x, w, b)` and `backward(dy, x, w, b)`."""

import copy
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, cast

import numpy as np

from chainrule.custom import held_arrays
from chainrule.custom.calls import (
    NO_DEFAULT,
    OPTION,
    UNWRITTEN,
    Array,
    Loans,
    array,
    call,
    copy_for_call,
    defaults,
    is_numeric,
    split_results,
)
from chainrule.custom.held_arrays import ModuleVariables
from chainrule.custom.interface import CallResult
from chainrule.errors import StudentError, UnwrittenError


class Functions:
    """Two functions behind the interface `Code`; the parameters are the arguments of `forward` besides x.

    options   values of arguments of `forward` that are no parameters: {"conv_param": {"stride": 2, "pad": 1}}

    An argument whose default is not an array is an option and keeps its default. `forward` returns y, or the pair
    (y, cache). `backward` gets dy and the cache; without a cache dy, then x, and the parameters and y by name, as far
    as its signature has them. What `forward` leaves in a dictionary of options has a dotted name, such as
    bn_param.running_mean.
    """

    independent = True

    def __init__(self, source: Any, name: str | None, options: Mapping[str, Any] | None = None) -> None:
        self._forward, self._backward = _pair(source, name)
        self.kind = _kind(source, self._forward)
        self._label, self._backward_label = _labels(source, self._forward, self._backward, name or self.kind)
        taken = defaults(self._forward)
        if not taken:
            raise StudentError(f"{self._label} must name its arguments: x, and its parameters")
        names = [argument for argument, _ in taken]
        self._options = {argument: value for argument, value in (options or {}).items() if argument in names[1:]}
        rest = [(argument, value) for argument, value in taken[1:] if argument not in self._options]
        found = {argument: value for argument, value in rest if value is NO_DEFAULT or _is_array(value)}
        self._values: dict[str, Any] = {key: None if value is NO_DEFAULT else value for key, value in found.items()}
        self.arguments: tuple[str, ...] | None = tuple(self._values)
        self._variables = ModuleVariables(self._forward, self._backward)
        self._last: tuple[Array, Array] | None = None
        self._cache: list[Any] = []  # what the last forward returned beside y; empty if there was nothing
        self._loans = Loans()
        self._left: dict[str, Any] = {}  # the options as the last forward left them

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward(x, …)."""
        x, given, parameters = np.array(x), copy_for_call(x, strided), self._given()
        self._left = copy.deepcopy(self._options)
        returned: Any = call(self._label, self._forward, given, **parameters, **self._left)
        cached = isinstance(returned, tuple) and len(cast("tuple[Any, ...]", returned)) == 2
        parts: list[Any] = [*cast("tuple[Any, ...]", returned)] if cached else [returned]
        result, self._cache = parts[0], parts[1:]
        if result is None and cached:
            raise UnwrittenError(UNWRITTEN.format(self._label))
        y = array(result, f"{self._label} returned")
        self._last = (x, y)
        changed = self._loans.forward({"x": (given, x), **self._beside(parameters)}, result)
        return CallResult({"y": y}, (*changed, *changed_options(self._options, self._left)))

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call backward(dy, cache), or backward(dy, x, …) with x and y of the last forward and the parameters."""
        if self._last is None:
            raise StudentError(f"{self._label}: backward before forward")
        x, y = self._last
        given, parameters, label = copy_for_call(dy, strided), self._given(), self._backward_label
        lent = {"x": (x.copy(), x), "y": (y.copy(), y)}
        arguments = self._cache or self._wanted({**parameters, "y": lent["y"][0]}, lent["x"][0])
        result = call(label, self._backward, given, *arguments)
        if self._cache and _is_nothing(result):
            raise UnwrittenError(UNWRITTEN.format(label))
        found, others = split_results(result, label, self.arguments or ())
        arrays = {"dx": array(found, f"{label} returned")}
        arrays |= {name: array(value, f"{label}: {name} is") for name, value in others.items() if value is not None}
        passed = {} if self._cache else {**lent, **self._beside(parameters)}
        changed = self._loans.backward({"dy": (given, dy), **passed}, found)
        return CallResult(arrays, (*changed, *changed_options(self._options, self._left)))

    def names(self) -> tuple[str, ...]:
        """Return the names of the parameters, and of the variables of their module that the functions read."""
        return (*self._values, *self._variables.names())

    def has(self, name: str) -> bool:
        """Return whether `forward` has an argument or an entry of its options of that name."""
        return name in self._values or self._variables.has(name) or held_arrays.has_name(self._left, name)

    def get(self, name: str) -> Array | None:
        """Return a copy of a parameter; None if it was never set."""
        if self._variables.has(name):
            return self._variables.get(name)
        value = self._values[name] if name in self._values else self._option(name)
        return np.array(value) if is_numeric(value) else None

    def set(self, name: str, value: Array) -> None:
        """Set a parameter."""
        if self._variables.has(name):
            self._variables.set(name, value)
        else:
            self._values[name] = value

    def _option(self, name: str) -> Any:
        return held_arrays.find_part(self._left, name) if held_arrays.has_name(self._left, name) else None

    def copy(self) -> "Functions":
        """Return the same functions with independent parameters."""
        return copy.deepcopy(self)

    def another(self) -> "Functions":
        """Return the same functions with independent parameters."""
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Functions":
        """Return the same functions with independent parameters."""
        twin = copy.copy(self)
        twin._values, twin._loans = dict(self._values), Loans()
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
                raise StudentError(f"{self._backward_label} has an unknown argument {name!r}; known: {names}")
            else:
                arguments.append(default)
        return arguments

    def _beside(self, given: dict[str, Any]) -> dict[str, tuple[Any, Array]]:
        """Return every parameter as a call left it, and as it should be."""
        return {name: (value, np.asarray(self._values[name])) for name, value in given.items()}

    def _given(self) -> dict[str, Any]:
        missing = [name for name, value in self._values.items() if value is None]
        if missing:
            raise StudentError(f"{self._label} needs {', '.join(missing)}: give initial values by name")
        return {name: np.array(value) for name, value in self._values.items()}


def changed_options(given: Mapping[str, Any], left: Mapping[str, Any]) -> list[str]:
    """Return the entries of dictionaries of options that a call has removed or replaced; arrays may change.

    Running statistics are arrays; what a call adds is not counted.
    """
    found = list[str]()
    for argument, entries in given.items():
        for name, value in cast("dict[str, Any]", entries).items() if isinstance(entries, dict) else ():
            now = left[argument].get(name)
            if not isinstance(value, np.ndarray) and not (type(now) is type(value) and now == value):
                found.append(f"{OPTION}{argument}[{name!r}]")
    return found


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


def _labels(source: Any, forward: Any, backward: Any, name: str) -> tuple[str, str]:
    """Return the names of the two functions in messages: those of a module's pair are told apart by its name."""
    own = [getattr(function, "__name__", "<lambda>") for function in (forward, backward)]
    if isinstance(source, ModuleType) or "<lambda>" in own or own == ["forward", "backward"]:
        return f"{name}.forward", f"{name}.backward"
    return own[0], own[1]


def _is_nothing(result: Any) -> bool:
    """Return whether a result is None, or holds nothing but None."""
    parts = cast("tuple[Any, ...]", result) if isinstance(result, tuple | list) else (result,)
    return all(part is None for part in parts)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)
