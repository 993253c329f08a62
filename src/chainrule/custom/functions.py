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
    FormError,
    OverwriteDetector,
    array,
    call,
    copy_for_call,
    defaults,
    split_results,
)
from chainrule.custom.held_arrays import ModuleVariables, family
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
        parameters = {argument: value for argument, value in rest if _is_parameter(argument, value)}
        self._values: dict[str, Any] = {
            key: value if isinstance(value, np.ndarray) else None for key, value in parameters.items()
        }
        self.arguments: tuple[str, ...] | None = tuple(self._values)
        self.variables = ModuleVariables(self._forward, self._backward)
        self._last: tuple[Array, Array] | None = None
        self._cache = list[Any]()  # cache returned by the last forward; empty if there was none
        self._detector = OverwriteDetector()
        self._used_options = dict[str, Any]()  # copy of the options passed to the last forward

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
        passed = {name: copied for name, (copied, _) in copies.items()}
        if self._derivative:
            slope = array(call(label, self._backward, passed[self._derivative]), f"{label} returned")
            return CallResult({"dx": dy * slope}, self._detector.after_backward(copies, slope))
        named = {"cache": self._cache[0]} if self._cache else {**passed, **parameters}
        positional = self._cache or [passed["x"], *parameters.values()]
        arguments = calling.bind(label, self._backward, dy_copy, {**self._options, **named}, *positional)
        returned = call(label, self._backward, *arguments)
        if self._cache and _is_nothing(returned):
            raise UnwrittenError(UNWRITTEN.format(label))
        shapes = [*map(np.shape, parameters.values())]
        dx, others = split_results(returned, label, self.arguments or (), shapes)
        gradients = {} if dx is None and others else {"dx": array(dx, f"{label} returned")}
        gradients |= {name: array(value, f"{label}: {name} is") for name, value in others.items() if value is not None}
        with_originals = {} if self._cache else {**copies, **self._with_originals(parameters)}
        changed = self._detector.after_backward({"dy": (dy_copy, dy), **with_originals}, dx)
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

    def __deepcopy__(self, memo: dict[int, Any]) -> "Functions":
        """Return an object with the same functions and a separate copy of the parameters."""
        duplicate = copy.copy(self)
        duplicate._values, duplicate._detector = dict(self._values), OverwriteDetector()
        return duplicate

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


def takes_context(source: Any) -> bool:
    """Return whether a class has static functions, forward(ctx, …) and backward(ctx, …) or without ctx.

    If it has setup_context(ctx, inputs, output), its forward takes no ctx.
    """
    own: Mapping[str, Any] = vars(cast("type[Any]", source)) if isinstance(source, type) else {}
    functions = [own.get("setup_context", own.get("forward")), own.get("backward")]
    if all(isinstance(function, staticmethod) for function in functions):
        return True
    names = [defaults(getattr(function, "__func__", function)) for function in functions if function]
    return len(names) == 2 and all(accepted and accepted[0][0] in NAMES.contexts for accepted in names)


def with_context(kind: type[Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the functions forward(x, …) → (y, ctx) and backward(dy, ctx) of a class whose functions take ctx."""
    separate = "setup_context" in vars(kind)
    if not separate and (defaults(kind.forward) or [("", "")])[0][0] not in NAMES.contexts:
        return kind.forward, kind.backward

    def forward(*arguments: Any, **named: Any) -> Any:
        context = tensors.SavedContext()
        passed = tuple(inspect.signature(forward).bind(*arguments, **named).arguments.values())
        y = tensors.call(kind, kind.forward, *(() if separate else (context,)), *passed)
        if separate:
            tensors.call(kind, kind.setup_context, context, tuple(map(tensors.to_tensor, passed)), tensors.to_tensor(y))
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


def _is_parameter(name: str, default: Any) -> bool:
    """Return whether an argument is a parameter: without a default, with an array, or an optional bias=None."""
    return default is NO_DEFAULT or isinstance(default, np.ndarray) or (default is None and bool(family(name)))
