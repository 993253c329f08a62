"""A learner's plain functions: `forward(x, w, b)` and `backward(dy, x, w, b)`."""

import copy
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, cast

import numpy as np

from chainrule.custom import calling, tensors
from chainrule.custom.calls import (
    NO_DEFAULT,
    OPTION,
    UNWRITTEN,
    Array,
    InterfaceError,
    OverwriteDetector,
    array,
    call,
    copy_for_call,
    defaults,
    split_function_results,
)
from chainrule.custom.gradient_names import role_of
from chainrule.custom.held_arrays import ModuleVariables
from chainrule.custom.interface import CallResult
from chainrule.custom.local_code import LocalCode
from chainrule.custom.names import NAMES
from chainrule.errors import StudentError, UnwrittenError

DERIVATIVE = "backward.derivative"  # key in `options`: backward returns the derivative, given x ("x") or y ("y")


class Functions(LocalCode):
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
    rate: str | None = None

    def __init__(self, source: Any, name: str | None, options: Mapping[str, Any] | None = None) -> None:
        options = options or {}
        functions = with_context(source) if isinstance(source, type) else source
        self._forward, self._backward = _pair(functions, name)
        self._derivative: str | None = options.get(DERIVATIVE)
        self.kind = _kind(source, self._forward)
        self._label, self._backward_label = _labels(source, self._forward, self._backward, name or self.kind)
        arguments = defaults(self._forward)
        if not arguments:
            raise InterfaceError(f"{self._label} has no named arguments; expected x, then the parameters")
        self._options = dict[str, Any]()
        self._values = dict[str, Any]()
        for argument, default in arguments[1:]:
            if argument in options:
                self._options[argument] = options[argument]
            elif isinstance(default, np.ndarray):
                self._values[argument] = default
            elif _is_parameter(argument, default):
                self._values[argument] = None
        self.arguments: tuple[str, ...] | None = tuple(self._values)
        self.variables = ModuleVariables(self._forward, self._backward)
        self._last: tuple[Array, Array] | None = None  # x and y of the last forward
        self._cache = list[Any]()  # cache returned by the last forward; empty if there was none
        self._detector = OverwriteDetector()
        self._used_options = dict[str, Any]()  # copy of the options passed to the last forward

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward(x, …)."""
        x, x_copy, parameters = np.array(x), copy_for_call(x, strided), self._copy_parameters()
        self._used_options = copy.deepcopy(self._options)
        result: Any = call(self._label, self._forward, x_copy, **parameters, **self._used_options)
        self._cache = []
        if isinstance(result, tuple) and len(cast("tuple[Any, ...]", result)) == 2:
            result, cache = cast("tuple[Any, Any]", result)
            self._cache = [cache]
            if result is None:
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
        label = self._backward_label
        parameters = self._copy_parameters()
        passed = {"x": x.copy(), "y": y.copy()}
        originals = {"x": (passed["x"], x), "y": (passed["y"], y)}
        if self._derivative is not None:
            slope = array(call(label, self._backward, passed[self._derivative]), f"{label} returned")
            return CallResult({"dx": dy * slope}, self._detector.after_backward(originals, slope))
        if self._cache:
            values = {"cache": self._cache[0]}
            positional = self._cache
            originals = {}
        else:
            values = {**passed, **parameters}
            positional = [passed["x"], *parameters.values()]
            originals |= self._with_originals(parameters)
        dy_copy = copy_for_call(dy, strided)
        originals = {"dy": (dy_copy, dy), **originals}
        arguments = calling.bind(label, self._backward, dy_copy, {**self._options, **values}, *positional)
        returned = call(label, self._backward, *arguments)
        if self._cache and _is_nothing(returned):
            raise UnwrittenError(UNWRITTEN.format(label))
        shapes = {name: np.shape(value) for name, value in parameters.items()}
        dx, others = split_function_results(returned, label, shapes)
        gradients = dict[str, Array]()
        if dx is not None or not others:
            gradients["dx"] = array(dx, f"{label} returned")
        for name, value in others.items():
            if value is not None:
                gradients[name] = array(value, f"{label}: {name} is")
        changed = self._detector.after_backward(originals, dx)
        return CallResult(gradients, (*changed, *changed_options(self._options, self._used_options)))

    def names(self) -> tuple[str, ...]:
        """Return the names of the parameters, and of the module variables that the functions read."""
        return (*self._values, *self.variables.names())

    @property
    def thing(self) -> dict[str, Any]:
        """The parameters, and the options that the last call of forward used."""
        return {**self._used_options, **self._values}

    def set(self, name: str, value: Array) -> None:
        """Set a parameter or a module variable."""
        if name in self._values:
            self._values[name] = value
        else:
            super().set(name, value)

    def __deepcopy__(self, memo: dict[int, object]) -> "Functions":
        """Return an object with the same functions and a separate copy of the parameters."""
        duplicate = copy.copy(self)
        duplicate._values = dict(self._values)
        duplicate._detector = OverwriteDetector()
        return duplicate

    def _with_originals(self, parameters: dict[str, Any]) -> dict[str, tuple[Any, Array]]:
        """Return pairs (array passed to the call, original array) for all parameters, by name."""
        return {name: (value, np.asarray(self._values[name])) for name, value in parameters.items()}

    def _copy_parameters(self) -> dict[str, Any]:
        missing = [name for name, value in self._values.items() if value is None]
        if missing:
            raise InterfaceError(f"{self._label} needs {', '.join(missing)}: pass initial values by name")
        return {name: np.array(value) for name, value in self._values.items()}


def changed_options(before: Mapping[str, object], after: Mapping[str, Any]) -> list[str]:
    """Return the names of entries that a call has removed from dictionaries of options, or replaced in them.

    Arrays may change, because running statistics are arrays. New entries are ignored.

    before, after   options by argument name, before and after the call
    """
    changed = list[str]()
    for argument, entries in before.items():
        if not isinstance(entries, dict):
            continue
        for name, value in cast("dict[str, Any]", entries).items():
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


def takes_context(source: object) -> bool:
    """Return whether a class has static functions, forward(ctx, …) and backward(ctx, …) or without ctx.

    If it has setup_context(ctx, inputs, output), its forward takes no ctx.
    """
    if not isinstance(source, type):
        return False
    own = vars(cast("type[Any]", source))
    functions: list[Any] = [own.get("setup_context", own.get("forward")), own.get("backward")]
    if all(isinstance(function, staticmethod) for function in functions):
        return True
    for function in functions:
        arguments = defaults(getattr(function, "__func__", function))
        if not arguments or arguments[0][0] not in NAMES.contexts:
            return False
    return True


def with_context(kind: type[Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the functions forward(x, …) → (y, ctx) and backward(dy, ctx) of a class whose functions take ctx."""
    separate = "setup_context" in vars(kind)
    if not separate:
        arguments = defaults(kind.forward)
        if not arguments or arguments[0][0] not in NAMES.contexts:
            return kind.forward, kind.backward

    def forward(*arguments: Any, **named: Any) -> Any:
        context = tensors.SavedContext()
        passed = tuple(inspect.signature(forward).bind(*arguments, **named).arguments.values())
        if separate:
            y = tensors.call(kind, kind.forward, *passed)
            tensors.call(kind, kind.setup_context, context, tuple(map(tensors.to_tensor, passed)), tensors.to_tensor(y))
        else:
            y = tensors.call(kind, kind.forward, context, *passed)
        return y, context

    def backward(dy: Any, context: tensors.SavedContext) -> Any:
        return tensors.call(kind, kind.backward, context, dy)

    signature = inspect.signature(kind.forward)
    parameters = [*signature.parameters.values()][not separate :]
    vars(forward)["__signature__"] = signature.replace(parameters=parameters)
    forward.__name__ = backward.__name__ = kind.__name__
    return forward, backward


def _kind(source: Any, forward: Callable[..., Any]) -> str:
    if isinstance(source, ModuleType):
        return source.__name__.rpartition(".")[2]
    name = getattr(forward, "__name__", "forward")
    if name in ("forward", "<lambda>"):
        return "functions"
    return name


def _labels(source: object, forward: object, backward: object, name: str) -> tuple[str, str]:
    """Return the names of the two functions for messages. A module's functions are prefixed with its name."""
    names = (getattr(forward, "__name__", "<lambda>"), getattr(backward, "__name__", "<lambda>"))
    if isinstance(source, ModuleType) or "<lambda>" in names or names == ("forward", "backward"):
        return f"{name}.forward", f"{name}.backward"
    return names


def _is_nothing(result: object) -> bool:
    """Return whether a result is None, or a tuple or list that contains only None."""
    if isinstance(result, tuple | list):
        parts = cast("tuple[Any, ...]", result)
    else:
        parts = (result,)
    return all(part is None for part in parts)


def _is_parameter(name: str, default: object) -> bool:
    """Return whether an argument is a parameter: without a default, with an array, or an optional bias=None."""
    return default is NO_DEFAULT or isinstance(default, np.ndarray) or (default is None and role_of(name) is not None)
