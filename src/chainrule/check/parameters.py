"""Which of the arrays that a learner's object holds are parameters, by what they do, whatever they are called."""

import copy
from collections.abc import Collection

import numpy as np

from chainrule.check.methods import Derivative
from chainrule.engines import Array
from chainrule.errors import StudentError
from chainrule.student import Student

WEIGHTS = ("w", "weight", "weights", "b", "bias")  # of which a single number is a parameter too, not an option


def influential(student: Student, x: Array, known: Collection[str] = ()) -> tuple[str, ...]:
    """The arrays that a learner's layer holds whose change changes its output for x; ``known`` ones are left out.

    What forward itself assigns (a kept input, a buffer) changes nothing. Single numbers are options, such as a slope,
    unless they are called weights. The arrays are moved from the values that they have, and from random ones, since a
    kernel has no influence while the next one is zero.
    """
    twin = copy.deepcopy(student)
    held = {name: value for name in twin.holds() if name not in known and (value := _value(twin, name)) is not None}
    if not held:
        return ()
    found = _moving(twin, x, held)
    generator = np.random.default_rng(0)
    drawn = {name: generator.normal(size=value.shape) for name, value in held.items() if value.dtype.kind == "f"}
    try:
        for name, value in drawn.items():
            twin.put(name, value)
        found |= _moving(twin, x, drawn)
    except StudentError:  # random numbers are none for which the code was written
        pass
    return tuple(name for name in held if name in found)


def _value(student: Student, name: str) -> Array | None:
    """An array that may be a parameter; None for anything else."""
    value = student.peek(name)
    if value is None or value.size == 0 or value.dtype.kind == "c":
        return None
    if value.ndim == 0 and (name.rpartition(".")[2].strip("_").lower() not in WEIGHTS or value.dtype.kind != "f"):
        return None
    return value


def _moving(student: Student, x: Array, held: dict[str, Array]) -> set[str]:
    """Return the arrays that change the output when they are changed alone."""
    before = student.forward(x)
    found: set[str] = set()
    for name, value in held.items():
        try:
            student.put(name, 1.1 * value + 0.1)
            after = student.forward(x)
            moved = after.shape != before.shape or not np.array_equal(after, before, equal_nan=True)
        except StudentError:
            moved = value.dtype.kind == "f"  # whole numbers that must be whole are sizes or indices
        if moved:
            found.add(name)
        student.put(name, value)
    return found


def gradient_of(student: Student, name: str, derivative: Derivative, known: Collection[str]) -> str | None:
    """The array that backward has just left and that equals the derivative of a parameter, whatever it is called.

    None where no array does: then nobody knows which of them is meant to be the gradient. Nor does a derivative of
    zero tell, which any array of zeros equals.
    """
    own, scale = student.peek(name), derivative.size
    for other in student.holds():
        found = student.peek(other)
        if other in known or other == name or own is None or found is None or found.shape != own.shape or scale == 0:
            continue
        gaps = np.abs(found.reshape(-1)[derivative.places] - derivative.gradient)
        if (gaps <= derivative.tolerance * scale + derivative.bars + derivative.widths).all():
            return other
    return None
