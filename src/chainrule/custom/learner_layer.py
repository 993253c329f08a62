"""A learner's layer: any object with `forward` and `backward`, or two plain functions.

An object may save values between the two calls. It stores the gradient of a parameter ``w`` in an attribute ``dw`` (or
under another usual name, see `held_arrays`), or returns it. Functions are stateless: ``forward(x, w, b)`` and
``backward(dy, x, w, b)``, in a module or as a pair. Any error in the code is raised as a `StudentError` with a one-line
message.
"""

import copy
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core.shapes import text
from chainrule.custom.calls import POSITION, Array, InterfaceError, array, same
from chainrule.custom.functions import Functions, takes_context
from chainrule.custom.gradient_names import owners, role_of
from chainrule.custom.held_arrays import squeezed
from chainrule.custom.interface import Code
from chainrule.custom.methods import Methods
from chainrule.errors import StudentError

__all__ = ["NO_DX", "Array", "LearnerLayer"]
PARTS: dict[str, Any] = {  # rows and columns of weights that contain a bias
    "[:-1]": np.s_[:-1],
    "[-1]": -1,
    "[1:]": np.s_[1:],
    "[0]": 0,
    "[:, :-1]": np.s_[:, :-1],
    "[:, -1]": np.s_[:, -1],
    "[:, 1:]": np.s_[:, 1:],
    "[:, 0]": np.s_[:, 0],
}
NO_DX: Array = np.empty(0)  # dx of a backward that returns nothing, such as that of a network's first layer


class Pairing(NamedTuple):
    """The names of all arrays in an object, and array → gradient among them."""

    names: tuple[str, ...]
    gradients: Mapping[str, str]


class LearnerLayer:
    """A learner's class, object, module of functions, or pair of functions.

    source      a class (instantiated without arguments), an object, a module, or (forward, backward)
    name        name used in messages; None: the source's name
    parameters  initial values of parameters, by name; required for plain functions

    An array in an object is a parameter if `backward` stores or returns its gradient and `forward` does not change it.
    A saved input, for example, is not a parameter. The parameters are known after the first `backward`, or after
    `explore`.
    """

    def __init__(self, source: Any, name: str | None = None, parameters: Mapping[str, ArrayLike] | None = None) -> None:
        functions = isinstance(source, ModuleType | tuple | list) or takes_context(source)
        self._initialize(Functions(source, name) if functions else Methods(source, name), name)
        for parameter, value in (parameters or {}).items():
            self.set(parameter, value)

    @classmethod
    def around(cls, code: Code, name: str | None = None) -> "LearnerLayer":
        """Return a student for code with the interface `Code`, which may run in another process."""
        learner_layer = cls.__new__(cls)
        learner_layer._initialize(code, name)
        return learner_layer

    def _initialize(self, code: Code, name: str | None) -> None:
        self._code = code
        self.kind = code.kind
        self.name = name or code.kind
        self._names: tuple[str, ...] | None = code.arguments
        self._adopted = dict[str, str]()
        self._axis: str | None = None
        self._pairing = Pairing((), {})
        self._x: Array | None = None
        self._y: Array | None = None
        self.changed: tuple[str, ...] = ()
        self.needed: str | None = None  # what calls need beyond x and dy, such as "save_cache=True in forward"

    @property
    def independent(self) -> bool:
        """Whether copies are independent, sharing no state with the original."""
        return self._code.independent

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters; empty while they are unknown."""
        return self._names or ()

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies of the parameters, by name."""
        parameters = dict[str, Array]()
        for name in self.names:
            value = self.copy_of(name)
            if value is not None:
                parameters[name] = array(value, name)
        return parameters

    def array_names(self) -> tuple[str, ...]:
        """Return the names of all numbers and arrays in the code, including saved inputs and gradients."""
        return self._code.names()

    def has(self, name: str) -> bool:
        """Return whether the object has an attribute, or the functions an argument, with the given name."""
        return self._code.has(whole_name(name))

    def copy_of(self, name: str) -> Array | None:
        """Return a copy of the array or number with the given name, in its own dtype; None if there is none.

        The name of a part of an array ends with one of `PARTS`: weights[:-1].
        """
        whole, part = _place(name)
        held = self._code.get(whole)
        if held is None:
            return None
        return np.array(held[part])

    def declare(self, *names: str) -> None:
        """Set the names of the parameters. `backward` then does not detect them."""
        self._names = names

    def adopt(self, name: str, gradient: str) -> None:
        """Set the name of the array where `backward` stores the gradient of a parameter."""
        self._adopted[name] = gradient

    def set(self, name: str, value: ArrayLike) -> None:
        """Set a parameter to a value, keeping the value's dtype; StudentError for an unknown parameter."""
        if not self.has(name) or (self._names is not None and name not in self._names):
            raise StudentError(f"{self.name} has no parameter {name!r}; known: {', '.join(self.names) or 'none'}")
        self.put(name, value)

    def put(self, name: str, value: ArrayLike) -> None:
        """Set any number or array, even if it is not a parameter. Integers remain integers."""
        is_integer = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
        if is_integer:
            new = np.array(value)
        else:
            new = array(value, f"{self.name}: the value of {name} is")
        whole, part = _place(name)
        if part is not ...:
            held = self._code.get(whole)
            if held is not None:
                new = _with_part(held, part, new)
        self._code.set(whole, new)

    def explore(self, x: ArrayLike, *, strict: bool = True) -> Array:
        """Call `forward` and, while the parameters are unknown, `backward`. Return y.

        strict  whether the shapes of the gradients must match those of the parameters
        """
        y = self.forward(x)
        if self._names is None:
            self.backward(np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype), strict=strict)
        return y

    def forward(self, x: ArrayLike, *, strided: bool = False) -> Array:
        """Return y for a batch x. The learner's code receives a copy of x, and its result is copied.

        strided  whether to pass x as a noncontiguous array, like a slice of a larger array

        Afterwards, ``changed`` lists the caller's arrays that the code has overwritten.
        """
        self._x = np.array(x)
        result = self._code.forward(self._x, strided=strided)
        self._y = result.arrays["y"]
        self.changed = result.changed
        return self._y.copy()

    def backward(self, dy: ArrayLike, *, strict: bool = True, strided: bool = False) -> tuple[Array, dict[str, Array]]:
        """Return dx and the gradients of the parameters, by name, for the last call of `forward`.

        dx is empty (`NO_DX`) if `backward` updates the parameters and returns nothing.

        strict  whether the shapes of the gradients must match those of x and the parameters; if False, shapes are not
                checked, and missing gradients are omitted
        """
        if self._x is None or self._y is None:
            raise StudentError(f"{self.name}: backward before forward")
        label = f"{self.name}.backward"
        result = self._code.backward(np.array(dy), strided=strided)
        self.changed = result.changed
        self.needed = result.needed
        dx = result.arrays.get("dx", NO_DX)
        if strict and dx.shape != self._x.shape:
            raise StudentError(f"{label}: dx has the shape {_shown(dx.shape)}, and x {_shown(self._x.shape)}")
        gradients = self._gradients(result.arrays, label)
        if self._names is None:
            self._names = self._find_parameters(gradients, self._x)
        if not strict:
            return dx, {name: gradients[name] for name in self._names if name in gradients}
        return dx, {name: self._checked(name, gradients, label) for name in self._names}

    def is_current(self, x: Array, parameters: Mapping[str, Array]) -> bool:
        """Return whether the last call of `forward` used the given x and parameters."""
        if self._x is None or not np.array_equal(self._x, x, equal_nan=True):
            return False
        own = self.parameters
        return all(np.array_equal(own[name], value, equal_nan=True) for name, value in parameters.items())

    def __deepcopy__(self, memo: dict[int, object]) -> "LearnerLayer":
        """Return a student with a copy of the learner's code."""
        return self._with(copy.deepcopy(self._code, memo))

    def _with(self, code: Code) -> "LearnerLayer":
        """Return a student with the same names that runs other code."""
        duplicate = copy.copy(self)
        duplicate._code = code
        duplicate._adopted = dict(self._adopted)
        return duplicate

    @property
    def rate(self) -> str | None:
        """Name of the argument of backward that is a learning rate; None if backward does not update parameters."""
        return self._code.rate

    @property
    def adapted_axis(self) -> str | None:
        """Sample axis of the learner's code if it is not the first: "one" or "last"; otherwise None."""
        return self._axis

    def adapted(self, axis: str) -> "LearnerLayer":
        """Return a student whose code takes samples along another axis; see `interface.Code.adapted`."""
        duplicate = self._with(self._code.adapted(axis))
        duplicate._axis = axis
        return duplicate

    def another(self) -> "LearnerLayer":
        """Return a student with another instance of the learner's class."""
        return self._with(self._code.another())

    def _gradients(self, returned: Mapping[str, Array], label: str) -> dict[str, Array]:
        """Return array name → gradient, for gradients that `backward` has returned or stored under usual names.

        Errors   StudentError for a returned gradient that belongs to no array
        """
        names = self._code.names()
        if names != self._pairing.names:
            self._pairing = Pairing(names, owners(names, names))
        gradients = dict[str, Array]()
        for name, key in {**self._pairing.gradients, **self._adopted}.items():
            stored = self._code.get(key)
            if stored is not None:
                gradients[name] = array(stored, f"{label}: d{name} is")
        for key, owner in self._owners_of_returned(returned, names).items():
            if owner is None:
                raise InterfaceError(f"{label} returned {key!r}, which belongs to no parameter of {self.name}")
            gradients[owner] = returned[key]
        for name in self.names:
            whole, part = _place(name)
            if whole in gradients:
                gradients[name] = gradients[whole][part]
        return gradients

    def _owners_of_returned(self, returned: Mapping[str, Array], names: Iterable[str]) -> dict[str, str | None]:
        """Return gradient → array for the gradients that `backward` returned beside dx; None if it belongs to none."""
        keys = [key for key in returned if key != "dx"]
        arrays = dict.fromkeys((*names, *self.names))
        by_key = dict[str, str]()
        for name, key in owners(keys, arrays).items():
            by_key[key] = name
        by_key |= self._in_order(returned)
        found = dict[str, str | None]()
        for key in keys:
            if key in arrays:
                found[key] = key
            else:
                found[key] = by_key.get(key)
        return found

    def _in_order(self, returned: Mapping[str, Array]) -> dict[str, str]:
        """Return gradient → array for gradients returned without names: the next parameter, of equal shape if any.

        Gradients "returned 1" (3,) and "returned 2" (4, 3), for example, belong to b (3,) and W (4, 3), although W is
        the first parameter. The first round of the loop only assigns equal shapes, the second one whatever is left.
        """
        unnamed = [key for key in returned if key.startswith(POSITION)]
        names = list(dict.fromkeys(map(whole_name, self.names)))
        if unnamed and not names:
            gradients = self._pairing.gradients.values()
            names = [name for name in self._code.names() if role_of(name) is not None and name not in gradients]
        free = dict[str, tuple[int, ...]]()  # shapes of the arrays that no gradient has yet
        for name in names:
            value = self._code.get(name)
            if value is not None:
                free[name] = squeezed(value.shape)
        matched = dict[str, str]()
        for equal_shapes in (True, False):
            for key in unnamed:
                if key in matched:
                    continue
                shape = squeezed(returned[key].shape)
                for name in free:
                    if free[name] == shape or not equal_shapes:
                        matched[key] = name
                        del free[name]
                        break
        return matched

    def _find_parameters(self, gradients: Mapping[str, Array], x: Array) -> tuple[str, ...]:
        """Return the names of all arrays with a gradient that do not change if `forward` is called with another input.

        Finally, `forward` is called with x again, so that saved values belong to x.
        """
        before = dict[str, Array | None]()
        for name in gradients:
            before[name] = self._code.get(name)
        self._code.forward((np.flip(x) * 0.75).astype(x.dtype))
        unchanged = list[str]()
        for name, value in before.items():
            if value is not None and same(value, self._code.get(name)):
                unchanged.append(name)
        self._code.forward(x)
        return tuple(unchanged)

    def _checked(self, name: str, gradients: Mapping[str, Array], label: str) -> Array:
        if name not in gradients:
            raise StudentError(f"{label}: no gradient of {name}: expected it in d{name}, or returned")
        shape = gradients[name].shape
        expected = ()
        held = self.copy_of(name)
        if held is not None:
            expected = held.shape
        if shape != expected:
            raise StudentError(f"{label}: d{name} has the shape {_shown(shape)}, and {name} {_shown(expected)}")
        return gradients[name]


def whole_name(name: str) -> str:
    """Return the name of the whole array for the name of an array or of a part of it."""
    return _place(name)[0]


def _place(name: str) -> tuple[str, Any]:
    """Return the name of the whole array, and the index of the part of it that a name denotes."""
    whole, bracket, rest = name.partition("[")
    return whole, PARTS.get(bracket + rest, ...)


def _with_part(held: Array, part: Any, new: Array) -> Array:
    """Return a copy of an array with a new part; real if the part is."""
    joined = held.astype(np.result_type(held, new))
    joined[part] = new
    if np.imag(joined).any() or np.iscomplexobj(new):
        return joined
    return np.real(joined)


def _shown(shape: tuple[int, ...]) -> str:
    return text(shape) or "()"
