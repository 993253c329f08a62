"""Rows of a report: an output compared with the right one, a gradient compared with its derivative."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from chainrule.check import comparing, methods, precision
from chainrule.check.judging import Judge
from chainrule.check.methods import COMPLEX, Derivative, Scalar
from chainrule.check.report import Diagnosis, Row
from chainrule.check.subjects import Subject, Values
from chainrule.core.shapes import text
from chainrule.engines.protocol import Array

SINGLE = "the code computes in float32 or less: tolerances are widened to its rounding"
LOOPS = "reference loops"
SHARP = 1e-12
NOT_FINITE = "not-finite"
HALF = "half-precision"
ROUNDED = "compute in the dtype of x"
KNOWN = 0.1  # a derivative with a larger error bound, relative to the largest entry, proves nothing
UNTOLD = Diagnosis("not-checked", "is not checked: kinks or rounding hide the derivative at most entries")
FLAT = 1e-4  # errors are relative to at least this share of dy·y/x: where f is flat, rounding exceeds the gradient
FLAT_SINGLE = 1e-2  # the same in float32


@dataclass(frozen=True)
class Probe:
    """A point and an upstream gradient at which one subject is checked.

    judge      source of right results; None if they are unknown
    tolerance  tolerance of the output, larger for a subject that is known not to compute in float64
    affine     False for a subject that may seem affine and have kinks, as a graph that is constant nearly everywhere
    """

    subject: Subject
    values: Values
    dy: Array
    output: Array
    generator: np.random.Generator
    judge: Judge | None = None
    tolerance: float = SHARP
    affine: bool = True


@dataclass(frozen=True)
class NumericalDerivatives:
    """Numerical derivatives and their accuracy.

    least   lower bound of the scale of relative errors: a vanishing gradient still has rounding errors
    """

    derivatives: Mapping[str, Derivative]
    scalars: Mapping[str, Scalar]
    noise: float
    least: float


def numbers_of(probe: Probe, limit: int) -> NumericalDerivatives:
    """Return the numerical derivatives by every tensor, and the rounding error of the differentiated code."""
    values, generator = probe.values, probe.generator
    functions = {name: partial(function_of, probe.subject, values, name) for name in probe.subject.tests}
    ours = probe.subject.analytic
    noise = 0.0 if ours else max(precision.noise(f, values[name], generator) for name, f in functions.items())
    derivatives = {
        name: methods.derive(
            f, values[name], probe.dy, generator, noise=noise, limit=limit, analytic=ours, affine=probe.affine
        )
        for name, f in functions.items()
    }
    scalars = {name: Scalar(f, values[name], probe.dy, noise) for name, f in functions.items()}
    largest = max(one.size for one in derivatives.values())
    usual = max(
        float(np.abs(probe.dy).max(initial=0.0) * np.abs(probe.output).max(initial=0.0)) / one.scale
        for one in scalars.values()
    )
    flat = FLAT if probe.tolerance <= SHARP else FLAT_SINGLE
    return NumericalDerivatives(derivatives, scalars, noise, max(1e-3 * largest, flat * usual))


def function_of(subject: Subject, values: Values, name: str, value: Array) -> Array:
    """Return the subject's output with one tensor replaced."""
    return subject.forward({**values, name: value})


def output_row(probe: Probe, noise: float = 0.0) -> Row:
    """Return the row of y."""
    right = probe.output if probe.judge is None else probe.judge.output(probe.values)
    return row_beside(probe, "y", probe.output, right, max(probe.tolerance, 200 * noise), LOOPS)


def row_beside(probe: Probe, tensor: str, found: Array | None, right: Array, tolerance: float, method: str = "") -> Row:
    """Return the row of a result compared with the right one, by default on a later probe."""
    row = Row(probe.subject.name, tensor, method or _elsewhere(probe), None, tolerance, False)
    if (told := _unlike(row, found, right.shape)) or found is None:
        return told or row
    result = comparing.compare_with_array(found, right)
    return replace(row, error=result.error, ok=result.error <= tolerance, worst=result.worst)


def gradient_row(probe: Probe, tensor: str, claimed: Array | None, numbers: NumericalDerivatives) -> Row:
    """Return the row of a gradient compared with its numerical derivative."""
    derivative, scalar, value = numbers.derivatives[tensor], numbers.scalars[tensor], probe.values[tensor]
    row = Row(probe.subject.name, tensor, derivative.method, None, derivative.tolerance, False)
    if (told := _unlike(row, claimed, value.shape)) or claimed is None:
        return told or row
    noise = max(numbers.noise, _backward_noise(probe, tensor))
    derivative = replace(derivative, tolerance=max(derivative.tolerance, probe.tolerance, 200 * noise))
    scale = max(derivative.size, numbers.least)
    result = comparing.compare_with_derivative(claimed, derivative, scale)
    if result.excess > derivative.tolerance and derivative.method == COMPLEX and not probe.subject.analytic:
        second = methods.by_differences(scalar, probe.generator)
        plain = comparing.compare_with_derivative(claimed, second, scale)
        if plain.excess <= second.tolerance and not comparing.agree(derivative, second, scale):
            derivative, result = second, plain  # imaginary parts were dropped somewhere
    notes = [SINGLE] if noise else []
    if result.kinks:
        notes.append(f"{row.title}: {result.kinks} entries lie on a kink, where any slope between the two is right")
    if (open_ := int(np.sum(derivative.bars > derivative.tolerance * scale))) > 0:
        notes.append(f"{row.title}: {open_} entries are checked less accurately, near kinks or large values")
    if len(derivative.places) < value.size:
        notes.append(
            f"in large tensors {len(derivative.places)} entries are checked one by one, and all along random directions"
        )
    row = replace(row, method=derivative.method, tolerance=derivative.tolerance, error=result.error)
    if result.excess > derivative.tolerance:
        return replace(row, worst=result.worst, notes=tuple(notes))
    if np.sum(derivative.bars + derivative.widths > KNOWN * scale) * 2 > len(derivative.places):
        return replace(row, checked=False, diagnoses=(UNTOLD,), notes=tuple(notes))
    return replace(row, ok=True, worst=result.worst, notes=tuple(notes))


def _unlike(row: Row, found: Array | None, shape: tuple[int, ...]) -> Row | None:
    """Return the row of a result that is missing, of another shape or not finite; None for a comparable one."""
    if found is None:
        return replace(row, notes=(f"backward gives no {row.title}",))
    if found.shape != shape:
        return replace(row, notes=(comparing.shapes_differ(row.title, found, shape),))
    if found.dtype.kind == "f" and found.dtype.itemsize < 4:
        return replace(row, diagnoses=(Diagnosis(HALF, f"is {found.dtype}, which has 3 digits: {ROUNDED}"),))
    if endless := comparing.not_finite(found):
        return replace(row, diagnoses=(Diagnosis(NOT_FINITE, endless),))
    return None


def _elsewhere(probe: Probe) -> str:
    """Return the method's name on a later probe, with the shape of its input."""
    return f"{LOOPS} on {text(probe.values[probe.subject.tests[0]].shape)}"


def _backward_noise(probe: Probe, tensor: str) -> float:
    """Return the rounding error of a gradient: it is linear in dy, so its fourth differences are rounding alone."""

    def gradient(dy: Array) -> Array:
        return probe.subject.gradients(probe.values, dy)[tensor]

    return 0.0 if probe.subject.analytic else precision.noise(gradient, probe.dy, probe.generator)
