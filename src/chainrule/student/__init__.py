"""What a learner wrote, behind one interface: any object with `forward` and `backward`, or two plain functions.

An object keeps what it likes between the two calls and leaves the gradient of its parameter ``w`` in ``dw``, or returns
it. Functions keep nothing: they are ``forward(x, w, b)`` and ``backward(dy, x, w, b)``, in a module or as a pair.
Every mistake in using or in running them is a `StudentError` of one line.
"""

import copy
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.errors import StudentError
from chainrule.shapes import text
from chainrule.student.calls import Array, array, call, numeric
from chainrule.student.functions import Functions
from chainrule.student.methods import Methods
from chainrule.student.results import split

__all__ = ["Array", "Student"]


class Student:
    """One interface to a learner's class, instance, module of functions, or pair of functions.

    source      a class (made without arguments), an object, a module, or (forward, backward)
    name        for messages; by default what the source calls itself
    parameters  the first values of parameters, by name; plain functions have no others

    An object's parameters are the attributes X beside which its `backward` leaves dX, or whose dX it returns: they
    are known after the first `backward`, or after `explore`. What `forward` changes (a kept input) is no parameter.
    """

    def __init__(self, source: Any, name: str | None = None, parameters: Mapping[str, ArrayLike] | None = None) -> None:
        if isinstance(source, ModuleType | tuple | list):
            self._code: Functions | Methods = Functions(source, name)
        else:
            self._code = Methods(source, name)
        self.kind = self._code.kind
        self.name = name or self.kind
        self._names: tuple[str, ...] | None = self._code.names
        self._x: Array | None = None
        self._y: Array | None = None
        for parameter, value in (parameters or {}).items():
            self.set(parameter, value)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, as far as they are known."""
        return self._names or ()

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies of the parameters by name."""
        return {name: self._parameter(name) for name in self.names if self._code.get(name) is not None}

    def has(self, name: str) -> bool:
        """Whether it has an attribute, or its functions an argument, of that name."""
        return self._code.has(name)

    def peek(self, name: str) -> Array | None:
        """What it holds under that name, if that is numbers."""
        value = self._code.get(name) if self._code.has(name) else None
        return array(value, f"{self.name}: {name} is") if numeric(value) else None

    def declare(self, *names: str) -> None:
        """Say which attributes are the parameters, instead of finding out by `backward`."""
        self._names = names

    def set(self, name: str, value: ArrayLike) -> None:
        """Give a parameter another value, in the dtype of that value."""
        if not self._code.has(name) or (self._names is not None and name not in self._names):
            raise StudentError(f"{self.name} has no parameter {name!r}; known: {', '.join(self.names) or 'none'}")
        self._code.set(name, array(value, f"{self.name}: the value of {name} is"))

    def explore(self, x: ArrayLike) -> Array:
        """`forward`, and where that is needed `backward` for any gradient, after which the parameters are known."""
        y = self.forward(x)
        if self._names is None:
            self.backward(np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype))
        return y

    def forward(self, x: ArrayLike) -> Array:
        """y for a batch x. The learner's code gets a copy, and what it returns is copied."""
        self._x = np.array(x)
        label = f"{self.name}.forward"
        self._y = array(call(label, self._code.forward, self._x.copy()), f"{label} returned")
        return self._y.copy()

    def backward(self, dy: ArrayLike, *, strict: bool = True) -> tuple[Array, dict[str, Array]]:
        """dx (in the shape of x) and the gradients of the parameters (in theirs), for the last `forward`.

        strict  False returns them in whatever shape they have, and leaves out those that are missing
        """
        if self._x is None or self._y is None:
            raise StudentError(f"{self.name}: backward before forward")
        label = f"{self.name}.backward"
        result = call(label, self._code.backward, np.array(dy), self._x.copy(), self._y.copy())
        found, returned = split(result, label, self._code.names or ())
        dx = array(found, f"{label} returned")
        if strict and dx.shape != self._x.shape:
            raise StudentError(f"{label}: dx has the shape {_shown(dx.shape)}, and x {_shown(self._x.shape)}")
        gradients = {**self._code.left(), **self._owned(returned, label)}
        gradients = {name: array(gradient, f"{label}: d{name} is") for name, gradient in gradients.items()}
        if self._names is None:
            self._names = self._kept(gradients, self._x)
        if not strict:
            return dx, {name: gradients[name] for name in self._names if name in gradients}
        return dx, {name: self._checked(name, gradients, label) for name in self._names}

    def follows(self, x: Array, parameters: Mapping[str, Array]) -> bool:
        """Whether the last `forward` was of these x and with these parameters."""
        if self._x is None or not np.array_equal(self._x, x, equal_nan=True):
            return False
        own = self.parameters
        return all(np.array_equal(own[name], value, equal_nan=True) for name, value in parameters.items())

    def __deepcopy__(self, memo: dict[int, Any]) -> "Student":
        """Another student with an object of its own."""
        twin = copy.copy(self)
        twin._code = self._code.twin(memo)
        return twin

    def _parameter(self, name: str) -> Array:
        return array(self._code.get(name), f"{self.name}: {name} is")

    def _owned(self, gradients: Mapping[str, Any], label: str) -> dict[str, Any]:
        """{"dw": …} by parameter, {"w": …}; the parameter's own name is understood too."""
        owned: dict[str, Any] = {}
        for key, gradient in gradients.items():
            owner = next((name for name in (key.removeprefix("d"), key) if name and self._code.has(name)), None)
            if owner is None:
                raise StudentError(f"{label} returned {key!r}, the gradient of nothing that {self.name} has")
            owned[owner] = gradient
        return owned

    def _kept(self, gradients: Mapping[str, Array], x: Array) -> tuple[str, ...]:
        """Those with a gradient that another `forward` leaves as they are; afterwards all is as after this one."""
        label = f"{self.name}.forward"
        before = {name: self._parameter(name) for name in gradients}
        call(label, self._code.forward, (np.flip(x) * 0.75).astype(x.dtype))
        kept = [name for name, old in before.items() if np.array_equal(old, self._parameter(name), equal_nan=True)]
        call(label, self._code.forward, x.copy())
        return tuple(kept)

    def _checked(self, name: str, gradients: Mapping[str, Array], label: str) -> Array:
        if name not in gradients:
            raise StudentError(f"{label}: no gradient of {name}: expected it in d{name}, or returned")
        found, expected = gradients[name].shape, np.shape(self._code.get(name))
        if found != expected:
            raise StudentError(f"{label}: d{name} has the shape {_shown(found)}, and {name} {_shown(expected)}")
        return gradients[name]


def _shown(shape: tuple[int, ...]) -> str:
    return text(shape) or "()"
