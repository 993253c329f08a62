"""What a learner wrote, as a subject: its parameters found and given random values, its results taken as they are."""

from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.check.subjects import LayerSubject, Values
from chainrule.engines import Array
from chainrule.errors import ShapeError, StudentError
from chainrule.shapes import text
from chainrule.student import Student

ALIASES: dict[str, tuple[str, ...]] = {
    "w": ("w", "W", "weight", "weights", "kernel", "kernels", "K", "k", "filters", "F"),
    "b": ("b", "B", "bias", "biases"),
    "gamma": ("gamma", "g", "scale"),
    "beta": ("beta", "b", "shift"),
}
NEGLIGIBLE = 1e-9
SHAPES = ((3, 7, 6), (7,), (3, 9), (1, 8, 9), (1, 28, 28))  # tried when nobody says what the code takes


class StudentSubject:
    """A learner's layer on inputs of a shape; its tensors go by the names of the layer that it is to be.

    names   our name of a parameter → the learner's
    """

    analytic = False

    def __init__(self, student: Student, shape: tuple[int, ...], names: Mapping[str, str]) -> None:
        self.student, self.shape, self.name, self.names = student, shape, student.name, dict(names)
        self.values: dict[str, Array] = {}
        self.tests = ("x", *names)

    def forward(self, values: Values) -> Array:
        """What its forward makes of these values."""
        for ours, theirs in self.names.items():
            self.student.set(theirs, values[ours])
        y = self.student.forward(values["x"])
        return y if any(np.iscomplexobj(value) for value in values.values()) else _real(y, f"{self.name}.forward")

    def output(self, values: Values) -> Array:
        """The same."""
        return self.forward(values)

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """What its backward claims, in whatever shape; what is missing is left out."""
        self.forward(values)
        dx, found = self.student.backward(dy, strict=False)
        ours = {theirs: name for name, theirs in self.names.items()}
        named = {"x": dx, **{ours[name]: gradient for name, gradient in found.items() if name in ours}}
        return {name: _real(gradient, f"{self.name}.backward") for name, gradient in named.items()}


def meant_for(student: Student, meant: LayerSubject) -> StudentSubject:
    """The learner's layer with its parameters paired with those of the layer that it is meant to be."""
    names: dict[str, str] = {}
    for ours in meant.parameters:
        free = [name for name in ALIASES.get(ours, (ours,)) if student.has(name) and name not in names.values()]
        if not free:
            wanted = ", ".join(meant.parameters)
            raise StudentError(
                f"{student.name} has no parameter {ours}; {meant.name} has {wanted} "
                f"(an attribute beside which backward leaves d{ours}, or an argument of forward)"
            )
        names[ours] = free[0]
        _check_shape(student, free[0], meant.parameters[ours], meant)
    student.declare(*names.values())
    return StudentSubject(student, meant.shape, names)


def _check_shape(student: Student, name: str, expected: tuple[int, ...], meant: LayerSubject) -> None:
    held = student.peek(name)
    if held is not None and held.shape != expected:
        raise StudentError(
            f"{student.name}: {name} is {text(held.shape) or 'a number'}, and in {meant.name} on an input of "
            f"{text(meant.shape)} it is {text(expected)}: make them the same, or give --input-shape"
        )


def alone(student: Student, shape: tuple[int, ...] | None) -> StudentSubject:
    """The learner's layer by itself: its input, where no shape is given, and its parameters are found by trying."""
    errors: list[StudentError] = []
    for tried in [shape] if shape is not None else _likely(student):
        try:
            student.explore(np.random.default_rng(0).normal(size=(2, *tried)))
        except StudentError as error:
            errors.append(error)
            continue
        return StudentSubject(student, tried, {name: name for name in student.names})
    if shape is not None or len(errors) == 1:
        raise errors[0]
    raise ShapeError(f"{student.name} takes none of the inputs that were tried (give --input-shape): {errors[0]}")


def _likely(student: Student) -> Sequence[tuple[int, ...]]:
    """Shapes of inputs that may fit, first of all what the parameters suggest."""
    for name in ALIASES["w"]:
        w = student.peek(name) if student.has(name) else None
        if w is not None and w.ndim in (2, 3, 4):
            C, *window = w.shape[1:]
            sizes = [taps + more for taps, more in zip(window, (5, 3), strict=False)]
            return [(C, *sizes), *SHAPES]
    return SHAPES


def _real(array: Array, what: str) -> Array:
    """The real part of what is real but for rounding (after a Fourier transform); a StudentError for other numbers."""
    if not np.iscomplexobj(array):
        return array
    if np.abs(np.imag(array)).max(initial=0.0) > NEGLIGIBLE * np.abs(array).max(initial=0.0):
        raise StudentError(f"{what} gives complex numbers for real ones")
    return np.real(array)
