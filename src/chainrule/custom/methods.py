"""A learner's classes and objects with `forward(x)` and `backward(dy)`."""

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np

from chainrule.custom import calling
from chainrule.custom.calls import (
    NO_DEFAULT,
    POSITION,
    Array,
    InterfaceError,
    OverwriteDetector,
    array,
    call,
    copy_for_call,
    defaults,
    reads,
    split_object_results,
)
from chainrule.custom.gradient_names import owners, role_of
from chainrule.custom.held_arrays import ModuleVariables
from chainrule.custom.interface import CallResult
from chainrule.custom.local_code import LocalCode
from chainrule.custom.names import NAMES
from chainrule.custom.updates import KeptGradients, Updates
from chainrule.errors import StudentError, UnwrittenError

EVALUATED = "forward.eval"  # key in `arguments` that requests evaluation mode


def _set_evaluation_mode(thing: Any, forward_name: str) -> dict[str, Any]:
    """Switch an object to evaluation mode. Return the arguments that `forward` needs for this mode, if any."""
    forward = getattr(thing, forward_name)
    accepted = inspect.signature(forward).parameters
    arguments = dict[str, Any]()
    for word, value in calling.TRAINING_MODES.items():
        if word in accepted and isinstance(value, bool):
            arguments[word] = not value
    if arguments:
        return arguments
    if callable(getattr(thing, "eval", None)):
        thing.eval()
        return {}
    flags = {**dict.fromkeys(NAMES.testing, False), **dict.fromkeys(NAMES.training, True)}  # values in training
    for word, in_training in flags.items():
        if getattr(thing, word, None) is in_training and reads(forward, word):
            setattr(thing, word, not in_training)
            return {}
    if _set_training(thing, False):
        return {}
    return {"eval": True}


def _set_training(thing: Any, value: bool) -> bool:
    """Call a method such as train(mode=True) or is_training(value=None), and return whether there is one."""
    for word in NAMES.training:
        method: Any = getattr(thing, word, None)
        if not callable(method):
            continue
        arguments = defaults(method)
        if arguments is not None and len(arguments) == 1 and arguments[0][1] is not NO_DEFAULT:
            call(word, method, value)
            return True
    return False


def _required(source: object, names: Sequence[str], problem: str) -> str:
    """Return the method that has one of these usual names; InterfaceError with the problem if there is none."""
    name = calling.method(source, names)
    if name is None:
        raise InterfaceError(problem)
    return name


class Methods(LocalCode):
    """An object with methods, wrapped with the interface `Code`. The object contains parameters and gradients.

    source     a class or an object
    name       name used in messages; None: the class's name
    arguments  values for the class's constructor, by usual argument name: {"in_features": 7}. A true value under
               `EVALUATED` requests evaluation mode

    Errors   StudentError for an object without `forward` or `backward`, or a class that cannot be instantiated
    """

    arguments: tuple[str, ...] | None = None

    def __init__(self, source: Any, name: str | None, arguments: Mapping[str, Any] | None = None) -> None:
        arguments = arguments or {}
        kind = cast("type[Any]", source if isinstance(source, type) else type(source))
        self.kind = kind.__name__
        self._label = name or self.kind
        self._forward = _required(source, NAMES.forward, f"{self._label} has no forward(x)")
        self._backward = _required(source, NAMES.backward, f"{self._label} has no backward(dy)")
        forward = getattr(source, self._forward)
        for argument, value in defaults(forward) or ():
            if isinstance(value, np.ndarray):
                raise InterfaceError(
                    f"{self._label}.{self._forward} has an array as default of {argument}: make it an attribute"
                )
        self.thing: Any = source
        self._constructed: dict[str, Any] | None = None  # arguments of the constructor, for a class
        if isinstance(source, type):
            self._constructed = {**arguments}
            self.thing = _instance(kind, self._label, self._constructed)
        self.independent = hasattr(cast("type[Any]", type(self.thing)), self._forward)
        self._updates = Updates(self.thing, getattr(self.thing, self._backward))
        self._x: Array | None = None  # input of the last forward
        self._saved = dict[str, Any]()  # values of the last forward that backward may take as arguments
        self._set_modes(bool(arguments.get(EVALUATED)))
        self.variables = ModuleVariables(kind, forward, getattr(source, self._backward))
        self._detector = OverwriteDetector()

    def _set_modes(self, is_evaluated: bool) -> None:
        """Set the arguments of `forward` that choose a mode, and note the switches that backward may need."""
        self._modes = dict[str, Any]()
        if is_evaluated:
            self._modes = _set_evaluation_mode(self.thing, self._forward)
        training = {} if self._modes else calling.TRAINING_MODES
        self._switches = dict[str, bool]()  # other values, which all copies pass if backward needs them
        self._input: str | None = None  # attribute of x, if forward takes no argument
        accepted = defaults(getattr(self.thing, self._forward))
        if accepted == []:
            self._input = _input_attribute(self.thing)
        for name, default in (accepted or ())[1:]:
            if default not in (NO_DEFAULT, True, False):
                continue
            if name.lower() in training:
                self._modes[name] = training[name.lower()]
            elif name not in self._modes and default is not NO_DEFAULT:
                self._switches[name] = not default

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call the object's forward."""
        label = f"{self._label}.{self._forward}"
        x_copy = copy_for_call(x, strided)
        self._x = x_copy.copy()
        returned = _retried(lambda: self._call_forward(label, x_copy), self._builds(x.shape))
        if isinstance(returned, tuple) and len(pair := cast("tuple[Any, ...]", returned)) == 2:
            returned, cache = pair
            self._saved["cache"] = cache
        returned = calling.stored(self.thing, NAMES.outputs, returned)
        y = array(returned, f"{label} returned")
        self._saved |= {"x": self._x, **dict.fromkeys(NAMES.outputs, y)}
        return CallResult({"y": y}, self._detector.after_forward({"x": (x_copy, x.copy())}, returned))

    def _call_forward(self, label: str, x: Array) -> Any:
        """Call forward(x), or forward() if the object expects x in an attribute."""
        forward = getattr(self.thing, self._forward)
        if self._input is None:
            return call(label, forward, x, **self._modes)
        setattr(self.thing, self._input, x)
        return call(label, forward, **self._modes)

    def _builds(self, shape: tuple[int, ...]) -> Iterator[Callable[[], Any]]:
        """Yield calls of a method such as build(shape), with the shape of one sample or of the batch.

        An object whose forward has succeeded needs none.
        """
        builder = calling.method(self.thing, NAMES.builders)
        if builder is None or self._saved:
            return
        build = getattr(self.thing, builder)
        arguments: Sequence[tuple[Any, ...]] = ((),)
        if calling.required(build):
            arguments = ((shape[1:],), (shape,), shape[1:2])
        for passed in arguments:
            yield partial(call, f"{self._label}.{builder}", build, *passed)

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call the object's backward, after `forward` has saved the values that it needs.

        If it fails, the switches of forward, such as save_cache=False, are tried with their other values.
        """
        result = _retried(lambda: self._read_backward(dy, strided), self._switchings())
        needed = list[str]()
        for name, value in self._switches.items():
            if name in self._modes:
                needed.append(f"{name}={value}")
        if not needed:
            return result
        return replace(result, needed=f"{', '.join(needed)} in {self._forward}")

    def _read_backward(self, dy: Array, strided: bool) -> CallResult:
        """Call the object's backward; InterfaceError if it needs what only `__call__` stores."""
        try:
            return self._call_backward(dy, strided)
        except StudentError as error:
            missing = self._set_by_call(error.__cause__)
            if missing is not None:
                raise InterfaceError(f"{error}: {missing} is set by __call__, which takes another form of x") from error
            raise

    def _set_by_call(self, error: BaseException | None) -> str | None:
        """Return the missing attribute that explains an error if only `__call__` may have set it; otherwise None."""
        if not isinstance(error, AttributeError) or error.obj is not self.thing or self._forward == "__call__":
            return None
        call_method = calling.method(self.thing, ("__call__",))
        if call_method is None or not reads(getattr(self.thing, call_method), str(error.name)):
            return None
        return str(error.name)

    def _switchings(self) -> Iterator[Callable[[], Any]]:
        """Yield calls of forward with the other value of a switch, which is set back if the call does not help."""
        x = np.zeros(()) if self._x is None else self._x
        for name, value in self._switches.items():
            if name not in self._modes:
                self._modes[name] = value
                yield partial(self.forward, x)
                del self._modes[name]

    def _call_backward(self, dy: Array, strided: bool) -> CallResult:
        """Call the object's backward with the arguments that it accepts, and return dx and the other gradients.

        Gradients may be returned, stored in attributes, or applied to the parameters at once (`Updates`).
        """
        label = f"{self._label}.{self._backward}"
        dy_copy = copy_for_call(dy, strided)
        reset = getattr(self.thing, "zero_grad", None)
        if callable(reset):  # for code that accumulates gradients
            call(f"{self._label}.zero_grad", reset)
        before = self._updates.arrays(self)
        backward = getattr(self.thing, self._backward)
        returned = call(label, backward, *self._backward_arguments(label, backward, dy_copy))
        returned = calling.stored(self.thing, NAMES.input_gradients, returned)
        dx, parameter_gradients = split_object_results(returned, label)
        gradients = dict[str, Array]()
        for name, value in parameter_gradients.items():
            gradients[name] = array(value, f"{label}: {name} is")
        gradients |= self._updates.gradients(self, before)
        if dx is not None or not (gradients or owners(self.names(), self.names())):  # a first layer needs no dx
            first = array(dx, f"{label} returned")
            if not self._is_parameter_gradient(first):
                gradients["dx"] = first
            elif not gradients or any(name.startswith(POSITION) for name in gradients):
                gradients = {f"{POSITION}0": first, **gradients}
        return CallResult(gradients, self._detector.after_backward({"dy": (dy_copy, dy)}, dx))

    def _backward_arguments(self, label: str, backward: Callable[..., Any], dy: Array) -> list[Any]:
        """Return the arguments of backward: dy, a learning rate, and what forward has saved for it."""
        required = [*map(str.lower, calling.required(backward)), *NAMES.roles]
        values = dict[str, Any]()
        for name, value in self._saved.items():
            if name in required:
                values[name] = value
        if self._updates.argument is not None:
            values[self._updates.argument] = calling.RATE
        if "cache" in values:
            return calling.bind(label, backward, dy, values, values["cache"])
        return calling.bind(label, backward, dy, values)

    def _is_parameter_gradient(self, first: Array) -> bool:
        """Return whether the first result of backward has the shape of a parameter instead of that of x.

        The first layer of a network may return only gradients of its parameters. If they also have names, the returned
        one repeats one of them.
        """
        if self._x is None or first.shape == self._x.shape:
            return False
        for name in self.names():
            if role_of(name) is None:
                continue
            value = self.get(name)
            if value is not None and value.shape == first.shape:
                return True
        return False

    def last_output(self, factor: float) -> Array:
        """Return the output for the input of the last forward, times a factor."""
        if self._x is None:
            x = np.zeros(())
        else:
            x = factor * self._x
        return copy.deepcopy(self).forward(x).arrays["y"]

    @property
    def rate(self) -> str | None:
        """Name of the learning-rate argument of backward; None if it has none, or passes it on to an optimizer."""
        if isinstance(getattr(self.thing, "optimizer", None), KeptGradients):
            return None
        return self._updates.argument

    def another(self) -> "Methods":
        """Return another instance created with the same arguments or, if the source is an object, a copy."""
        if self._constructed is None:
            return super().another()
        duplicate = copy.copy(self)
        duplicate.thing = _instance(cast("type[Any]", type(self.thing)), self._label, self._constructed)
        duplicate._detector, duplicate._updates, duplicate._saved = OverwriteDetector(), self._updates.copy(), {}
        return duplicate

    def __deepcopy__(self, memo: dict[int, object]) -> "Methods":
        """Return an independent copy. If one `deepcopy` copies several objects, the copies share state as before."""
        duplicate = copy.copy(self)
        duplicate.thing = call(f"{self.kind}: a copy", copy.deepcopy, self.thing, memo)
        duplicate._detector, duplicate._updates = OverwriteDetector(), self._updates.copy()
        duplicate._saved = copy.deepcopy(self._saved, memo)
        return duplicate


def _retried(function: Callable[[], Any], repairs: Iterable[Callable[[], Any]]) -> Any:
    """Return the result of a call. If it fails, repeat it after each repair.

    Errors   StudentError: that of the last repeated call
    """
    try:
        return function()
    except UnwrittenError:
        raise
    except StudentError as first:
        error = first
        for repair in repairs:
            try:
                repair()
                return function()
            except StudentError as other:
                error = other
        raise error from None


def _input_attribute(thing: Any) -> str | None:
    """Return the attribute of x in an object whose forward takes no argument; None if there is none."""
    for name in getattr(thing, "__dict__", {}):
        if name.lower() in ("x", *NAMES.roles["x"]):
            return name
    return None


def _like(value: object, default: object) -> object:
    """Return a number as a tuple if the default of its argument is a tuple, such as (3, 3); other values unchanged."""
    if not (isinstance(default, tuple) and np.isscalar(value)):
        return value
    return (value,) * len(cast("tuple[Any, ...]", default))


def _instance(kind: type[Any], label: str, values: Mapping[str, Any]) -> Any:
    """Instantiate a class; StudentError if the value of a required argument is unknown.

    values  argument values by usual name in lower case, such as in_features
    """
    try:
        signature = inspect.signature(kind)
    except ValueError:  # classes written in C may have no signature
        return call(label, kind)
    by_name = {**{name.lower(): value for name, value in values.items()}, **values}
    arguments = dict[str, Any]()
    for name, parameter in signature.parameters.items():
        lower = name.lower()
        if lower in by_name:
            arguments[name] = _like(by_name.get(name, by_name[lower]), parameter.default)
    try:
        bound = signature.bind(**arguments)
    except TypeError:
        raise InterfaceError(
            f"{label} needs arguments: {signature}; pass an object, {kind.__name__}(…), instead of the class"
        ) from None
    thing = call(label, kind, *bound.args, **bound.kwargs)
    if getattr(thing, "optimizer", thing) is None:
        thing.optimizer = KeptGradients()
    _set_training(thing, True)
    return thing
