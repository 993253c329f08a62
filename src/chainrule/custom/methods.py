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
    FormError,
    OverwriteDetector,
    array,
    call,
    copy_for_call,
    defaults,
    reads,
    split_results,
)
from chainrule.custom.held_arrays import ModuleVariables, family, owners
from chainrule.custom.interface import CallResult
from chainrule.custom.local_code import LocalCode
from chainrule.custom.names import NAMES
from chainrule.custom.updates import KeptGradients, Updates
from chainrule.errors import StudentError, UnwrittenError

EVALUATED = "forward.eval"  # key in `arguments` that requests evaluation mode


def _set_evaluation_mode(thing: Any) -> dict[str, Any]:
    """Switch an object to evaluation mode. Return the arguments that `forward` needs for this mode, if any."""
    forward = getattr(thing, calling.method(thing, NAMES.forward))
    accepted = inspect.signature(forward).parameters
    modes = calling.TRAINING_MODES.items()
    named = {word: not value for word, value in modes if word in accepted and isinstance(value, bool)}
    flags = {**dict.fromkeys(NAMES.testing, False), **dict.fromkeys(NAMES.training, True)}  # values in training
    state = next((word for word in flags if getattr(thing, word, None) is flags[word] and reads(forward, word)), "")
    switches = callable(getattr(thing, "eval", None))
    if named or not (switches or state):
        return named or ({} if _set_training(thing, False) else {"eval": True})
    if switches:
        thing.eval()
    else:
        setattr(thing, state, not flags[state])
    return {}


def _set_training(thing: Any, value: bool) -> bool:
    """Call a method such as train(mode=True) or is_training(value=None), and return whether there is one."""
    for word in NAMES.training:
        method: Any = getattr(thing, word, None)
        arguments = defaults(method) if callable(method) else None
        if arguments and len(arguments) == 1 and arguments[0][1] is not NO_DEFAULT:
            call(word, method, value)
            return True
    return False


def _required(source: Any, names: Sequence[str], problem: str) -> str:
    """Return the name of the method that has one of these usual names; FormError with the problem if there is none."""
    if name := calling.method(source, names):
        return name
    raise FormError(problem)


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
        kind = cast("type[Any]", source if isinstance(source, type) else type(source))
        self.kind = kind.__name__
        self._label = label = name or self.kind
        self._forward = _required(source, NAMES.forward, f"{label} has no forward(x)")
        self._backward = _required(source, NAMES.backward, f"{label} has no backward(dy)")
        forward, backward = (getattr(source, method) for method in (self._forward, self._backward))
        for argument, value in defaults(forward) or ():
            if isinstance(value, np.ndarray):
                raise FormError(f"{label}.{self._forward} has an array as default of {argument}: make it an attribute")
        self._constructed = {**(arguments or {})} if isinstance(source, type) else None
        self.thing: Any = source if self._constructed is None else _instance(kind, label, self._constructed)
        self.independent = hasattr(cast("type[Any]", type(self.thing)), self._forward)
        self._updates = Updates(self.thing, getattr(self.thing, self._backward))
        self._x: Array | None = None  # input of the last forward
        self._saved = dict[str, Any]()  # values of the last forward that backward may take as arguments
        self._modes = _set_evaluation_mode(self.thing) if arguments and arguments.get(EVALUATED) else dict[str, Any]()
        training = {} if self._modes else calling.TRAINING_MODES
        accepted = defaults(getattr(self.thing, self._forward))
        self._input = _input_attribute(self.thing) if accepted == [] else ""
        modes = {name: default for name, default in (accepted or ())[1:] if default in (NO_DEFAULT, True, False)}
        self._modes |= {name: training[name.lower()] for name in modes if name.lower() in training}
        # Other values of switches, which are added to the modes of all copies if backward needs them
        switches = modes.keys() - self._modes.keys()
        self._switches = {name: not modes[name] for name in switches if modes[name] is not NO_DEFAULT}
        self.variables = ModuleVariables(kind, forward, backward)
        self._detector = OverwriteDetector()

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
        if self._input:
            setattr(self.thing, self._input, x)
        return call(label, getattr(self.thing, self._forward), *(() if self._input else (x,)), **self._modes)

    def _builds(self, shape: tuple[int, ...]) -> Iterator[Callable[[], Any]]:
        """Yield calls of a method such as build(shape), with the shape of one sample or of the batch.

        An object whose forward has succeeded needs none.
        """
        builder = "" if self._saved else calling.method(self.thing, NAMES.builders)
        build = getattr(self.thing, builder, None)
        arguments = ((shape[1:],), (shape,), shape[1:2]) if build and calling.required(build) else ((),)
        for passed in arguments if build else ():
            yield partial(call, f"{self._label}.{builder}", build, *passed)

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call the object's backward, after `forward` has saved the values that it needs.

        If it fails, the switches of forward, such as save_cache=False, are tried with their other values.
        """
        result = _retried(lambda: self._read_backward(dy, strided), self._switchings())
        needed = [f"{name}={value}" for name, value in self._switches.items() if name in self._modes]
        return replace(result, needed=f"{', '.join(needed)} in {self._forward}" * bool(needed))

    def _read_backward(self, dy: Array, strided: bool) -> CallResult:
        """Call the object's backward; FormError if it needs what only `__call__` stores."""
        try:
            return self._call_backward(dy, strided)
        except StudentError as error:
            if missing := self._set_by_call(error.__cause__):
                raise FormError(f"{error}: {missing} is set by __call__, which takes another form of x") from error
            raise

    def _set_by_call(self, error: BaseException | None) -> str:
        """Return the missing attribute that explains an error if only `__call__` may have set it; otherwise ""."""
        if not isinstance(error, AttributeError) or error.obj is not self.thing or self._forward == "__call__":
            return ""
        name, function = str(error.name), getattr(self.thing, calling.method(self.thing, ("__call__",)), None)
        return name if function is not None and reads(function, name) else ""

    def _switchings(self) -> Iterator[Callable[[], Any]]:
        """Yield calls of forward with the other value of a switch, which is set back if the call does not help."""
        for name in self._switches.keys() - self._modes.keys():
            self._modes[name] = self._switches[name]
            yield partial(self.forward, np.zeros(()) if self._x is None else self._x)
            del self._modes[name]

    def _call_backward(self, dy: Array, strided: bool) -> CallResult:
        """Call the object's backward with the arguments that it accepts, and return dx and the other gradients.

        Gradients may be returned, stored in attributes, or applied to the parameters at once (`Updates`).
        """
        label = f"{self._label}.{self._backward}"
        dy_copy = copy_for_call(dy, strided)
        if callable(reset := getattr(self.thing, "zero_grad", None)):  # for code that accumulates gradients
            call(f"{self._label}.zero_grad", reset)
        before = self._updates.arrays(self)
        backward = getattr(self.thing, self._backward)
        required = [*map(str.lower, calling.required(backward)), *NAMES.roles]
        named_arguments = {name: value for name, value in self._saved.items() if name in required}
        named_arguments[self._updates.argument] = calling.RATE
        positional = [named_arguments["cache"]] if "cache" in named_arguments else []
        returned = call(label, backward, *calling.bind(label, backward, dy_copy, named_arguments, *positional))
        dx, parameter_gradients = split_results(
            calling.stored(self.thing, NAMES.input_gradients, returned), label, None
        )
        gradients = {name: array(value, f"{label}: {name} is") for name, value in parameter_gradients.items()}
        gradients |= self._updates.gradients(self, before)
        if dx is not None or not (gradients or owners(self.names(), self.names())):  # a first layer needs no dx
            gradients["dx"] = array(dx, f"{label} returned")
            shape = gradients["dx"].shape
            if self._x is not None and shape != self._x.shape and shape in self._parameter_shapes():
                # The first layer of a network may return only gradients of its parameters. If they also have names,
                # the returned one repeats one of them.
                first_returned = gradients.pop("dx")
                if not gradients or any(name.startswith(POSITION) for name in gradients):
                    gradients = {f"{POSITION}0": first_returned, **gradients}
        return CallResult(gradients, self._detector.after_backward({"dy": (dy_copy, dy)}, dx))

    def _parameter_shapes(self) -> list[tuple[int, ...]]:
        values = (self.get(name) for name in self.names() if family(name))
        return [value.shape for value in values if value is not None]

    def last_output(self, factor: float) -> Array:
        """Return the output for the input of the last forward, times a factor."""
        x = np.zeros(()) if self._x is None else factor * self._x
        return copy.deepcopy(self).forward(x).arrays["y"]

    @property
    def rate(self) -> str:
        """Name of the learning-rate argument of backward; "" if it has none, or passes it on to an optimizer."""
        passed_on = isinstance(getattr(self.thing, "optimizer", None), KeptGradients)
        return "" if passed_on else self._updates.argument

    def another(self) -> "Methods":
        """Return another instance created with the same arguments or, if the source is an object, a copy."""
        if self._constructed is None:
            return super().another()
        duplicate = copy.copy(self)
        duplicate.thing = _instance(cast("type[Any]", type(self.thing)), self._label, self._constructed)
        duplicate._detector, duplicate._updates, duplicate._saved = OverwriteDetector(), self._updates.copy(), {}
        return duplicate

    def __deepcopy__(self, memo: dict[int, Any]) -> "Methods":
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


def _input_attribute(thing: Any) -> str:
    """Return the attribute of x in an object whose forward takes no argument; "" if there is none."""
    names = [name for name in getattr(thing, "__dict__", {}) if name.lower() in ("x", *NAMES.roles["x"])]
    return next(iter(names), "")


def _like(value: Any, default: Any) -> Any:
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
    arguments = {
        name: _like(by_name.get(name, by_name[name.lower()]), parameter.default)
        for name, parameter in signature.parameters.items()
        if name.lower() in by_name
    }
    try:
        bound = signature.bind(**arguments)
    except TypeError:
        raise FormError(
            f"{label} needs arguments: {signature}; pass an object, {kind.__name__}(…), instead of the class"
        ) from None
    thing = call(label, kind, *bound.args, **bound.kwargs)
    if getattr(thing, "optimizer", thing) is None:
        thing.optimizer = KeptGradients()
    _set_training(thing, True)
    return thing
