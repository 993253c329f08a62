"""What a learner wrote, behind one interface: any object with `forward` and `backward`, or two plain functions.

An object keeps what it likes between the two calls and leaves the gradient of its parameter ``w`` in ``dw`` (or under
another usual name, see `recognition`), or returns it. Functions keep nothing: they are ``forward(x, w, b)`` and
``backward(dy, x, w, b)``, in a module or as a pair. Every mistake in using or in running them is a `StudentError` of
one line.
"""

import copy
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.errors import StudentError
from chainrule.shapes import text
from chainrule.student.calls import Array, array
from chainrule.student.functions import Functions
from chainrule.student.interface import Code
from chainrule.student.methods import Methods
from chainrule.student.recognition import owners

__all__ = ["Array", "Student"]


class Student:
    """One interface to a learner's class, instance, module of functions, or pair of functions.

    source      a class (made without arguments), an object, a module, or (forward, backward)
    name        for messages; by default what the source calls itself
    parameters  the first values of parameters, by name; plain functions have no others

    An object's parameters are those beside which its `backward` leaves a gradient, or whose gradient it returns: they
    are known after the first `backward`, or after `explore`. What `forward` changes (a kept input) is no parameter.
    """

    def __init__(self, source: Any, name: str | None = None, parameters: Mapping[str, ArrayLike] | None = None) -> None:
        functions = isinstance(source, ModuleType | tuple | list)
        self._begin(Functions(source, name) if functions else Methods(source, name), name)
        for parameter, value in (parameters or {}).items():
            self.set(parameter, value)

    @classmethod
    def around(cls, code: Code, name: str | None = None) -> "Student":
        """A student around code that runs elsewhere."""
        student = cls.__new__(cls)
        student._begin(code, name)
        return student

    def _begin(self, code: Code, name: str | None) -> None:
        self._code = code
        self.kind = code.kind
        self.name = name or code.kind
        self._names: tuple[str, ...] | None = code.arguments
        self._adopted: dict[str, str] = {}
        self._paired: tuple[tuple[str, ...], dict[str, str]] = ((), {})
        self._x: Array | None = None
        self._y: Array | None = None
        self.changed: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, as far as they are known."""
        return self._names or ()

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies of the parameters by name."""
        found = {name: self._code.get(name) for name in self.names}
        return {name: array(value, name) for name, value in found.items() if value is not None}

    def holds(self) -> tuple[str, ...]:
        """The names of all numbers and arrays that it holds, kept inputs and gradients among them."""
        return self._code.names()

    def has(self, name: str) -> bool:
        """Whether it has an attribute, or its functions an argument, of that name."""
        return self._code.has(name)

    def peek(self, name: str) -> Array | None:
        """A copy of what it holds under that name, whole numbers as such; None where it holds no numbers there."""
        return self._code.get(name)

    def declare(self, *names: str) -> None:
        """Say which attributes are the parameters, instead of finding out by `backward`."""
        self._names = names

    def adopt(self, name: str, gradient: str) -> None:
        """Say under which name `backward` leaves the gradient of a parameter."""
        self._adopted[name] = gradient

    def set(self, name: str, value: ArrayLike) -> None:
        """Give a parameter another value, in the dtype of that value."""
        if not self._code.has(name) or (self._names is not None and name not in self._names):
            raise StudentError(f"{self.name} has no parameter {name!r}; known: {', '.join(self.names) or 'none'}")
        self.put(name, value)

    def put(self, name: str, value: ArrayLike) -> None:
        """Give anything that it holds another value; whole numbers stay whole."""
        whole = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
        self._code.set(name, np.array(value) if whole else array(value, f"{self.name}: the value of {name} is"))

    def explore(self, x: ArrayLike, *, strict: bool = True) -> Array:
        """`forward`, and where that is needed `backward` for any gradient, after which the parameters are known.

        strict  False accepts gradients of any shape
        """
        y = self.forward(x)
        if self._names is None:
            self.backward(np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype), strict=strict)
        return y

    def forward(self, x: ArrayLike, *, strided: bool = False) -> Array:
        """y for a batch x. The learner's code gets a copy, and what it returns is copied.

        strided  whether its copy of x lies in memory with gaps, as a slice of a larger array does

        Afterwards ``changed`` names the arrays of the caller that the code has overwritten.
        """
        self._x = np.array(x)
        result = self._code.forward(self._x, strided=strided)
        self._y, self.changed = result.arrays["y"], result.changed
        return self._y.copy()

    def backward(self, dy: ArrayLike, *, strict: bool = True, strided: bool = False) -> tuple[Array, dict[str, Array]]:
        """dx (in the shape of x) and the gradients of the parameters (in theirs), for the last `forward`.

        strict  False returns them in whatever shape they have, and leaves out those that are missing
        """
        if self._x is None or self._y is None:
            raise StudentError(f"{self.name}: backward before forward")
        label = f"{self.name}.backward"
        result = self._code.backward(np.array(dy), strided=strided)
        self.changed = result.changed
        dx = result.arrays["dx"]
        if strict and dx.shape != self._x.shape:
            raise StudentError(f"{label}: dx has the shape {_shown(dx.shape)}, and x {_shown(self._x.shape)}")
        gradients = self._gradients(result.arrays, label)
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
        twin._code = copy.deepcopy(self._code, memo)
        twin._adopted = dict(self._adopted)
        return twin

    def _gradients(self, returned: Mapping[str, Array], label: str) -> dict[str, Array]:
        """The gradients by parameter: those that were returned, and those that lie beside what they belong to."""
        held = self._code.names()
        if held != self._paired[0]:
            self._paired = (held, owners(held, held))
        pairs = {**self._paired[1], **self._adopted}
        left = {name: self._code.get(key) for name, key in pairs.items()}
        found = {name: array(value, f"{label}: d{name} is") for name, value in left.items() if value is not None}
        others = [key for key in returned if key != "dx"]
        known = dict.fromkeys((*held, *self.names))
        by_name = {key: name for name, key in owners(others, known).items()}
        for key in others:
            owner = key if key in known else by_name.get(key)
            if owner is None:
                raise StudentError(f"{label} returned {key!r}, the gradient of nothing that {self.name} has")
            found[owner] = returned[key]
        return found

    def _kept(self, gradients: Mapping[str, Array], x: Array) -> tuple[str, ...]:
        """Those with a gradient that another `forward` leaves as they are; afterwards all is as after this one."""
        before = {name: self._code.get(name) for name in gradients}
        self._code.forward((np.flip(x) * 0.75).astype(x.dtype))
        kept = [name for name, old in before.items() if old is not None and _same(old, self._code.get(name))]
        self._code.forward(x)
        return tuple(kept)

    def _checked(self, name: str, gradients: Mapping[str, Array], label: str) -> Array:
        if name not in gradients:
            raise StudentError(f"{label}: no gradient of {name}: expected it in d{name}, or returned")
        found, held = gradients[name].shape, self._code.get(name)
        expected = () if held is None else held.shape
        if found != expected:
            raise StudentError(f"{label}: d{name} has the shape {_shown(found)}, and {name} {_shown(expected)}")
        return gradients[name]


def _same(old: Array, new: Array | None) -> bool:
    return new is not None and np.array_equal(old, new, equal_nan=True)


def _shown(shape: tuple[int, ...]) -> str:
    return text(shape) or "()"
