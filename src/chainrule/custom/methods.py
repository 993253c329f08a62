"""A learner's class or object, with `forward(x)` and `backward(dy)`."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from chainrule.custom import held_arrays
from chainrule.custom.calls import Array, Loans, array, call, copy_for_call, defaults, is_numeric, split_results
from chainrule.custom.held_arrays import ModuleVariables
from chainrule.custom.interface import CallResult
from chainrule.errors import StudentError

EVALUATED = "forward.eval"  # name, among the arguments, of the mode of evaluation
MODES = {  # arguments of forward that choose it
    "eval": True,
    **dict.fromkeys(("training", "train", "is_training", "train_flg", "is_train"), False),
}
STATES = ("training", "is_training", "train", "train_flg", "is_train")  # attributes that are true in training


def _evaluating(thing: Any) -> dict[str, bool]:
    """Return the argument with which forward evaluates; none where eval(), or an attribute, has chosen it."""
    taken = inspect.signature(thing.forward).parameters
    named = next(({word: value} for word, value in MODES.items() if word in taken), None)
    if named is None and callable(getattr(thing, "eval", None)):
        thing.eval()
        return {}
    state = next((word for word in STATES if getattr(thing, word, None) is True), "")
    if named is None and state:
        setattr(thing, state, False)
        return {}
    return named or {"eval": True}


class Methods:
    """An object with methods behind the interface `Code`; it holds parameters, gradients and kept values.

    arguments  values for the constructor of a class, by usual names of arguments: {"in_features": 7}
    """

    arguments: tuple[str, ...] | None = None

    def __init__(self, source: Any, name: str | None, arguments: Mapping[str, Any] | None = None) -> None:
        kind = cast("type[Any]", source if isinstance(source, type) else type(source))
        self.kind = kind.__name__
        self._label = label = name or self.kind
        for method, argument in (("forward", "x"), ("backward", "dy")):
            if not callable(getattr(source, method, None)):
                raise StudentError(f"{label} has no {method}({argument})")
        forward, backward = (getattr(source, method) for method in ("forward", "backward"))
        for argument, value in defaults(forward) or ():
            if isinstance(value, np.ndarray):
                raise StudentError(f"{label}.forward has an array as its default of {argument}: make it an attribute")
        self._constructed = {**(arguments or {})} if isinstance(source, type) else None
        self.thing: Any = source if self._constructed is None else _instance(kind, label, self._constructed)
        self.independent = hasattr(cast("type[Any]", type(self.thing)), "forward")
        self._modes = _evaluating(self.thing) if arguments and arguments.get(EVALUATED) else dict[str, bool]()
        self._variables = ModuleVariables(kind, forward, backward)
        self._loans = Loans()

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call the object's forward."""
        label = f"{self._label}.forward"
        given = copy_for_call(x, strided)
        returned = call(label, self.thing.forward, given, **self._modes)
        y = array(returned, f"{label} returned")
        return CallResult({"y": y}, self._loans.forward({"x": (given, x.copy())}, returned))

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call the object's backward, which must have kept x and y itself."""
        label = f"{self._label}.backward"
        given = copy_for_call(dy, strided)
        if callable(reset := getattr(self.thing, "zero_grad", None)):  # for code whose gradients add up over calls
            call(f"{self._label}.zero_grad", reset)
        dx, others = split_results(call(label, self.thing.backward, given), label, ())
        arrays = {"dx": array(dx, f"{label} returned")}
        arrays |= {name: array(value, f"{label}: {name} is") for name, value in others.items()}
        return CallResult(arrays, self._loans.backward({"dy": (given, dy)}, dx))

    def names(self) -> tuple[str, ...]:
        """Return the names of the numbers and arrays that the object holds, and of its module's that it reads."""
        return (*held_arrays.list_names(self.thing), *self._variables.names())

    def has(self, name: str) -> bool:
        """Return whether the object holds anything under a name."""
        return held_arrays.has_name(self.thing, name) or self._variables.has(name)

    def get(self, name: str) -> Array | None:
        """Return a copy of the array or number under a name; None if there is none."""
        if self._variables.has(name):
            return self._variables.get(name)
        value = held_arrays.find_part(self.thing, name) if self.has(name) else None
        return np.array(value) if is_numeric(value) else None

    def set(self, name: str, value: Array) -> None:
        """Replace the value under a name."""
        if self._variables.has(name):
            self._variables.set(name, value)
        else:
            held_arrays.put_part(self.thing, name, value)

    def copy(self) -> "Methods":
        """Return an independent copy, around a copy of the object."""
        return copy.deepcopy(self)

    def another(self) -> "Methods":
        """Return another object of the same class, constructed alike; a copy of an object that was given."""
        if self._constructed is None:
            return self.copy()
        twin = copy.copy(self)
        twin.thing = _instance(cast("type[Any]", type(self.thing)), self._label, self._constructed)
        twin._loans = Loans()
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> "Methods":
        """Return an independent copy; objects copied together share the copy of what they share."""
        twin = copy.copy(self)
        twin.thing = call(f"{self.kind}: a copy", copy.deepcopy, self.thing, memo)
        twin._loans = Loans()
        return twin


def _instance(kind: type[Any], label: str, known: Mapping[str, Any]) -> Any:
    """Instantiate a class; StudentError if it needs arguments of which the value is not known.

    known  values of arguments by their usual names in lower case, such as in_features; others keep their defaults
    """
    try:
        signature = inspect.signature(kind)
    except ValueError:  # a class of C has no signature
        return call(label, kind)
    given = {name: known[name.lower()] for name in signature.parameters if name.lower() in known}
    try:
        bound = signature.bind(**given)
    except TypeError:
        raise StudentError(
            f"{label} needs arguments: {signature}; give an object, {kind.__name__}(…), not the class"
        ) from None
    return call(label, kind, *bound.args, **bound.kwargs)
