"""A learner's plain functions: `forward(x, w, b)` and `backward(dy, x, w, b)`."""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, cast

import numpy as np

from chainrule.custom import calling, held_arrays
from chainrule.custom.calls import (
    NO_DEFAULT,
    OPTION,
    UNWRITTEN,
    Array,
    FormError,
    OverwriteDetector,
    array,
    call,
    copy_for_call,
    defaults,
    is_numeric,
    split_results,
)
from chainrule.custom.held_arrays import ModuleVariables
from chainrule.custom.interface import CallResult
from chainrule.custom.sample_axis import SampleAxis
from chainrule.errors import StudentError, UnwrittenError

DERIVATIVE = "backward.derivative"  # key in `options`: backward returns the derivative, given x ("x") or y ("y")


class Functions:
    """Two functions, wrapped with the interface `Code`. The arguments of `forward`, except x, are the parameters.

    source    module with `forward` and `backward`, or a pair of functions
    name      name used in messages; None: the source's name
    options   values of `forward` arguments that are not parameters: {"conv_param": {"stride": 2, "pad": 1}}

    An argument with a default that is not an array is also an option, and its value is the default. `forward` returns y
    or (y, cache). `backward` is called with dy and the cache. If there is no cache, it is called with dy, x, and the
    parameters (or y) whose names are in its signature. Entries that `forward` adds to a dictionary of options have
    dotted names, such as bn_param.running_mean.

    Errors   StudentError for a source without the two functions
    """

    independent = True
    rate = ""

    def __init__(self, source: Any, name: str | None, options: Mapping[str, Any] | None = None) -> None:
        self._forward, self._backward = _pair(with_context(source) if isinstance(source, type) else source, name)
        self._derivative = (options or {}).get(DERIVATIVE, "")
        self.kind = _kind(source, self._forward)
        self._label, self._backward_label = _labels(source, self._forward, self._backward, name or self.kind)
        arguments = defaults(self._forward)
        if not arguments:
            raise FormError(f"{self._label} has no named arguments; expected x, then the parameters")
        names = [argument for argument, _ in arguments]
        self._options = {argument: value for argument, value in (options or {}).items() if argument in names[1:]}
        rest = [(argument, value) for argument, value in arguments[1:] if argument not in self._options]
        parameters = {argument: value for argument, value in rest if value is NO_DEFAULT or _is_array(value)}
        self._values: dict[str, Any] = {
            key: None if value is NO_DEFAULT else value for key, value in parameters.items()
        }
        self.arguments: tuple[str, ...] | None = tuple(self._values)
        self._variables = ModuleVariables(self._forward, self._backward)
        self._last: tuple[Array, Array] | None = None
        self._cache: list[Any] = []  # cache returned by the last forward; empty if there was none
        self._detector = OverwriteDetector()
        self._used_options: dict[str, Any] = {}  # copy of the options passed to the last forward

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward(x, …)."""
        x, x_copy, parameters = np.array(x), copy_for_call(x, strided), self._copy_parameters()
        self._used_options = copy.deepcopy(self._options)
        returned: Any = call(self._label, self._forward, x_copy, **parameters, **self._used_options)
        cached = isinstance(returned, tuple) and len(cast("tuple[Any, ...]", returned)) == 2
        parts: list[Any] = [*cast("tuple[Any, ...]", returned)] if cached else [returned]
        result, self._cache = parts[0], parts[1:]
        if result is None and cached:
            raise UnwrittenError(UNWRITTEN.format(self._label))
        y = array(result, f"{self._label} returned")
        self._last = (x, y)
        changed = self._detector.after_forward({"x": (x_copy, x), **self._with_originals(parameters)}, result)
        return CallResult({"y": y}, (*changed, *changed_options(self._options, self._used_options)))

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call backward(dy, cache), or backward(dy, x, …) with the parameters and the last x and y."""
        if self._last is None:
            raise StudentError(f"{self._label}: backward before forward")
        x, y = self._last
        dy_copy, parameters, label = copy_for_call(dy, strided), self._copy_parameters(), self._backward_label
        copies = {"x": (x.copy(), x), "y": (y.copy(), y)}
        if self._derivative:
            slope = array(call(label, self._backward, copies[self._derivative][0]), f"{label} returned")
            return CallResult({"dx": dy * slope}, self._detector.after_backward(copies, slope))
        named = self._named_options() if self._cache else {}
        arguments = self._cache or self._backward_arguments({**parameters, "y": copies["y"][0]}, copies["x"][0])
        result = call(label, self._backward, *self._with_upstream(arguments, dy_copy), **named)
        if self._cache and _is_nothing(result):
            raise UnwrittenError(UNWRITTEN.format(label))
        dx, others = split_results(result, label, self.arguments or ())
        arrays = {"dx": array(dx, f"{label} returned")}
        arrays |= {name: array(value, f"{label}: {name} is") for name, value in others.items() if value is not None}
        passed = {} if self._cache else {**copies, **self._with_originals(parameters)}
        changed = self._detector.after_backward({"dy": (dy_copy, dy), **passed}, dx)
        return CallResult(arrays, (*changed, *changed_options(self._options, self._used_options)))

    def names(self) -> tuple[str, ...]:
        """Return the names of the parameters, and of the module variables that the functions read."""
        return (*self._values, *self._variables.names())

    def has(self, name: str) -> bool:
        """Return whether a parameter, a module variable or an entry in the options has the given name."""
        return name in self._values or self._variables.has(name) or held_arrays.has_name(self._used_options, name)

    def get(self, name: str) -> Array | None:
        """Return a copy of the array or number with the given name; None if there is none or it is not set."""
        if self._variables.has(name):
            return self._variables.get(name)
        value = self._values[name] if name in self._values else self._option(name)
        return np.array(value) if is_numeric(value) else None

    def set(self, name: str, value: Array) -> None:
        """Set a parameter or a module variable."""
        if self._variables.has(name):
            self._variables.set(name, value)
        else:
            self._values[name] = value

    def _option(self, name: str) -> Any:
        return (
            held_arrays.find_part(self._used_options, name) if held_arrays.has_name(self._used_options, name) else None
        )

    def adapted(self, axis: str) -> SampleAxis:
        """Return an adapter for a copy, which takes samples along another axis; see `SampleAxis`."""
        return SampleAxis(self.copy(), axis)

    def copy(self) -> "Functions":
        """Return an object with the same functions and a separate copy of the parameters."""
        return copy.deepcopy(self)

    def another(self) -> "Functions":
        """Return an object with the same functions and a separate copy of the parameters."""
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Functions":
        """Return an object with the same functions and a separate copy of the parameters."""
        duplicate = copy.copy(self)
        duplicate._values, duplicate._detector = dict(self._values), OverwriteDetector()
        return duplicate

    def _named_options(self) -> dict[str, Any]:
        """Return the options that `backward` accepts after dy and the cache."""
        accepted = (name for name, _ in (defaults(self._backward) or [])[2:])
        return {name: self._options[name] for name in accepted if name in self._options}

    def _backward_arguments(self, values: dict[str, Any], x: Array) -> list[Any]:
        """Return the arguments of `backward` after dy, selected by the names in its signature.

        If the first of them has an unknown name, it is x.

        values   parameters and y, by name
        """
        accepted = defaults(self._backward)
        if accepted is None:
            return [x, *(value for name, value in values.items() if name != "y")]
        arguments: list[Any] = []
        del accepted[self._upstream_position(accepted)]
        for index, (name, default) in enumerate(accepted):
            if name in values or name in self._options:
                arguments.append(values.get(name, self._options.get(name)))
            elif (role := held_arrays.family(name)) is not None and (named := held_arrays.arrays_named(role, values)):
                arguments.append(values[named[0]])
            elif index == 0:
                arguments.append(x)
            elif default is NO_DEFAULT:
                names = ", ".join(["x", "y", *self._values])
                raise FormError(f"{self._backward_label} has an unknown argument {name!r}; known: {names}")
            else:
                arguments.append(default)
        return arguments

    def _with_upstream(self, arguments: list[Any], dy: Array) -> list[Any]:
        """Return the arguments of `backward`, with dy in the position of its name; by default, the first."""
        position = self._upstream_position(defaults(self._backward) or [])
        return [*arguments[:position], dy, *arguments[position:]]

    def _upstream_position(self, accepted: Sequence[tuple[str, Any]]) -> int:
        names = [name in calling.UPSTREAM for name, _ in accepted]
        return names.index(True) if True in names else 0

    def _with_originals(self, parameters: dict[str, Any]) -> dict[str, tuple[Any, Array]]:
        """Return pairs (array passed to the call, original array) for all parameters, by name."""
        return {name: (value, np.asarray(self._values[name])) for name, value in parameters.items()}

    def _copy_parameters(self) -> dict[str, Any]:
        missing = [name for name, value in self._values.items() if value is None]
        if missing:
            raise FormError(f"{self._label} needs {', '.join(missing)}: pass initial values by name")
        return {name: np.array(value) for name, value in self._values.items()}


def changed_options(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of entries that a call has removed from dictionaries of options, or replaced in them.

    Arrays may change, because running statistics are arrays. New entries are ignored.

    before, after   options by argument name, before and after the call
    """
    changed = list[str]()
    for argument, entries in before.items():
        for name, value in cast("dict[str, Any]", entries).items() if isinstance(entries, dict) else ():
            now = after[argument].get(name)
            if not isinstance(value, np.ndarray) and not (type(now) is type(value) and now == value):
                changed.append(f"{OPTION}{argument}[{name!r}]")
    return changed


def _pair(source: Any, name: str | None) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return (forward, backward) from a module or a pair of functions."""
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


class SavedContext:
    """The argument ctx of functions in the style of torch.autograd.Function."""

    saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        """Save values for backward."""
        self.saved_tensors = values


def takes_context(source: Any) -> bool:
    """Return whether a class has static functions forward(ctx, …) and backward(ctx, …)."""
    functions = [vars(source).get(name) for name in ("forward", "backward")] if isinstance(source, type) else [None]
    signatures = [defaults(getattr(function, "__func__", function)) for function in functions if function]
    return len(signatures) == 2 and all(names and names[0][0] in ("ctx", "context") for names in signatures)


def with_context(kind: type[Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the functions forward(x, …) → (y, ctx) and backward(dy, ctx) of a class whose functions take ctx."""

    def forward(*arguments: Any, **named: Any) -> Any:
        context = SavedContext()
        return kind.forward(context, *arguments, **named), context

    def backward(dy: Any, context: SavedContext) -> Any:
        return kind.backward(context, dy)

    signature = inspect.signature(kind.forward)
    vars(forward)["__signature__"] = signature.replace(parameters=[*signature.parameters.values()][1:])
    forward.__name__ = backward.__name__ = kind.__name__
    return forward, backward


def _kind(source: Any, forward: Callable[..., Any]) -> str:
    if isinstance(source, ModuleType):
        return source.__name__.rpartition(".")[2]
    name = getattr(forward, "__name__", "forward")
    return "functions" if name in ("forward", "<lambda>") else name


def _labels(source: Any, forward: Any, backward: Any, name: str) -> tuple[str, str]:
    """Return the names of the two functions for messages. A module's functions are prefixed with its name."""
    names = [getattr(function, "__name__", "<lambda>") for function in (forward, backward)]
    if isinstance(source, ModuleType) or "<lambda>" in names or names == ["forward", "backward"]:
        return f"{name}.forward", f"{name}.backward"
    return names[0], names[1]


def _is_nothing(result: Any) -> bool:
    """Return whether a result is None, or a tuple or list that contains only None."""
    parts = cast("tuple[Any, ...]", result) if isinstance(result, tuple | list) else (result,)
    return all(part is None for part in parts)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)
