"""Checks one subject: its output where it is known what it should be, and the gradient of every tensor.

The gradients are held to the subject's own forward pass; the forward pass to the layer that it is meant to be.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from chainrule.check import comparing, kinks, methods, precision
from chainrule.check.judging import Case, Judge, explain
from chainrule.check.methods import COMPLEX, LIMIT, Derivative, Scalar
from chainrule.check.report import Diagnosis, Row
from chainrule.check.subjects import Subject, Values
from chainrule.engines import Array
from chainrule.errors import StudentError
from chainrule.shapes import text

SINGLE = "float32 or less inside: tolerances follow its rounding"
LOOPS, TIES = "reference loops", "slopes on either side of ties"
SHARP = 1e-12
FLAT = 1e-4  # gradients below this share of dy·y/x are those of a flat place: their rounding is not their own
FLAT_SINGLE = 1e-2  # in float32
ACCUMULATED = Diagnosis(
    "accumulated-over-calls", "adds up over calls of backward: begin every call with zeros, or assign"
)


@dataclass(frozen=True)
class Probe:
    """A point and what comes from above, for one subject.

    judge      who knows what is right, if anybody does
    tolerance  for the output of a subject that is known not to compute in float64
    """

    subject: Subject
    values: Values
    dy: Array
    output: Array
    generator: np.random.Generator
    judge: Judge | None = None
    tolerance: float = SHARP


@dataclass(frozen=True)
class Examined:
    """A probe, what the subject claimed on it, and the rows, not yet explained."""

    probe: Probe
    claimed: Mapping[str, Array]
    rows: tuple[Row, ...] = field(default=())

    def case(self, tensor: str) -> Case | None:
        """What was found in a tensor, for a diagnosis; None where nothing was, or nobody knows what belongs there."""
        found = self.probe.output if tensor == "y" else self.claimed.get(tensor)
        if self.probe.judge is None or found is None:
            return None
        return Case(self.probe.judge, self.probe.values, self.probe.dy, self.probe.output, found)


def prepare(subject: Subject, values: Values, seed: int, judge: Judge | None = None, tolerance: float = SHARP) -> Probe:
    """A probe with a random gradient from above; StudentError where the output cannot be used."""
    generator = np.random.default_rng([seed, zlib.crc32(subject.name.encode())])
    y, again = subject.output(values), subject.output(values)
    if not np.isfinite(y).all():
        raise StudentError(f"{subject.name}: forward gives numbers that are not finite for a normal input")
    if y.shape != again.shape or not np.allclose(y, again, rtol=1e-6, atol=1e-9):
        raise StudentError(f"{subject.name}: forward gives other numbers at a second call with the same input")
    dy = generator.normal(size=y.shape) if y.ndim else np.array(1.0)
    return Probe(subject, values, dy, y, generator, judge, tolerance)


def examine(probe: Probe, *, limit: int = LIMIT) -> Examined:
    """The rows of a subject on a probe: y first if it is known what it should be, then a gradient each."""
    claimed = probe.subject.gradients(probe.values, probe.dy)
    grown = _accumulated(probe, claimed)
    numbers = _numbers(probe, limit)
    rows = [_output(probe, numbers.noise)] if probe.judge is not None else []
    for tensor in probe.subject.tests:
        row = _gradient(probe, tensor, claimed.get(tensor), numbers)
        rows.append(replace(row, ok=False, diagnoses=(ACCUMULATED,)) if tensor in grown else row)
    return Examined(probe, claimed, tuple(rows))


def glance(probe: Probe, tolerances: Mapping[str, float]) -> Examined:
    """The rows by the reference alone, for a second probe; no gradients where the output is another.

    tolerances   of every tensor and y: those of the first probe, which knows how the code rounds
    """
    if probe.judge is None:
        return Examined(probe, {})
    output = _output(replace(probe, tolerance=tolerances["y"]), 0.0)
    output = replace(output, method=_elsewhere(probe))
    claimed = probe.subject.gradients(probe.values, probe.dy)
    if not output.ok:
        return Examined(probe, claimed, (output,))
    right = probe.judge.gradients(probe.values, probe.dy)
    rows = [_beside(probe, name, claimed.get(name), right[name], tolerances[name]) for name in probe.subject.tests]
    return Examined(probe, claimed, (output, *rows))


def explained(found: Sequence[Examined]) -> list[Row]:
    """The rows of the first probe, and those of the others that are wrong where the first is right; with diagnoses."""
    rows = list(found[0].rows)
    right = {row.tensor for row in rows if row.ok}
    rows += [row for other in found[1:] for row in other.rows if not row.ok and row.tensor in right]
    return [row if row.ok or row.diagnoses else replace(row, diagnoses=_diagnoses(row, found)) for row in rows]


def _diagnoses(row: Row, found: Sequence[Examined]) -> tuple[Diagnosis, ...]:
    wrong = [one for one in found if any(other.tensor == row.tensor and not other.ok for other in one.rows)]
    cases = [case for one in wrong if (case := one.case(row.tensor))]
    return explain(row.tensor, cases, row.tolerance) if cases else ()


def ties(probe: Probe, examined: Examined) -> Row | None:
    """The row of x on whole numbers, for max pooling and ReLU: full of ties, and of zeros; None where all is right."""
    x = kinks.tied(probe.values["x"].shape, probe.generator)
    values, dy = {**probe.values, "x": x}, np.abs(probe.dy) + 0.1
    dx = probe.subject.gradients(values, dy)["x"]
    if dx.shape != x.shape or not all(row.ok for row in examined.rows):
        return None
    excess = kinks.outside(partial(_with, probe.subject, values, "x"), x, dy, dx, probe.generator)
    error = float(excess.max()) / float(dy.max())
    row = Row(probe.subject.name, "x", TIES, error, 1e-4, error <= 1e-4)
    if row.ok or probe.judge is None:
        return row
    case = Case(probe.judge, values, dy, probe.subject.output(values), dx)
    return replace(row, diagnoses=explain("x", [case], 1e-9))


def _accumulated(probe: Probe, claimed: Mapping[str, Array]) -> set[str]:
    """Tensors whose gradient grows by the same amount at every further call with the same dy."""
    if probe.subject.analytic:
        return set()
    second, third = (probe.subject.gradients(probe.values, probe.dy) for _ in range(2))
    return {
        name
        for name, first in claimed.items()
        if first.shape == second[name].shape == third[name].shape
        and not np.allclose(first, second[name], rtol=1e-4, atol=1e-12)
        and np.allclose(second[name] - first, third[name] - second[name], rtol=1e-4, atol=1e-12)
    }


@dataclass(frozen=True)
class Numbers:
    """The derivatives by numbers and how exact they can be.

    least   what errors are relative to at least: a tensor whose gradient vanishes still has rounding errors
    """

    derivatives: Mapping[str, Derivative]
    scalars: Mapping[str, Scalar]
    noise: float
    least: float


def _numbers(probe: Probe, limit: int) -> Numbers:
    """Derivatives of every tensor, and the rounding of the code that they were taken of."""
    values, generator = probe.values, probe.generator
    functions = {name: partial(_with, probe.subject, values, name) for name in probe.subject.tests}
    ours = probe.subject.analytic
    noise = 0.0 if ours else max(precision.noise(f, values[name], generator) for name, f in functions.items())
    derivatives = {
        name: methods.derive(f, values[name], probe.dy, generator, noise=noise, limit=limit, analytic=ours)
        for name, f in functions.items()
    }
    scalars = {name: Scalar(f, values[name], probe.dy, noise) for name, f in functions.items()}
    largest = max(one.size for one in derivatives.values())
    usual = max(
        float(np.abs(probe.dy).max(initial=0.0) * np.abs(probe.output).max(initial=0.0)) / one.scale
        for one in scalars.values()
    )
    flat = FLAT if probe.tolerance <= SHARP else FLAT_SINGLE
    return Numbers(derivatives, scalars, noise, max(1e-3 * largest, flat * usual))


def _with(subject: Subject, values: Values, name: str, value: Array) -> Array:
    """The subject's function of one tensor."""
    return subject.forward({**values, name: value})


def _output(probe: Probe, noise: float) -> Row:
    """The row of y."""
    judge = probe.judge
    row = Row(probe.subject.name, "y", LOOPS, None, max(probe.tolerance, 200 * noise), False)
    expected = np.asarray(probe.output if judge is None else judge.output(probe.values))
    if probe.output.shape != expected.shape:
        return replace(row, notes=(comparing.shapes_differ("y", probe.output, expected.shape),))
    result = comparing.with_array(probe.output, expected)
    return replace(row, error=result.error, ok=result.error <= row.tolerance, worst=result.worst)


def _beside(probe: Probe, tensor: str, claimed: Array | None, right: Array, tolerance: float) -> Row:
    """The row of a gradient beside the right one."""
    row = Row(probe.subject.name, tensor, _elsewhere(probe), None, tolerance, False)
    if claimed is None:
        return replace(row, notes=(f"backward gives no {row.title}",))
    if claimed.shape != right.shape:
        return replace(row, notes=(comparing.shapes_differ(row.title, claimed, right.shape),))
    result = comparing.with_array(claimed, right)
    return replace(row, error=result.error, ok=result.error <= tolerance, worst=result.worst)


def _gradient(probe: Probe, tensor: str, claimed: Array | None, numbers: Numbers) -> Row:
    """The row of one gradient beside its derivative."""
    derivative, scalar, value = numbers.derivatives[tensor], numbers.scalars[tensor], probe.values[tensor]
    row = Row(probe.subject.name, tensor, derivative.method, None, derivative.tolerance, False)
    if claimed is None:
        return replace(row, notes=(f"backward gives no {row.title}",))
    if claimed.shape != value.shape:
        return replace(row, notes=(comparing.shapes_differ(row.title, claimed, value.shape),))
    noise = max(numbers.noise, _backward_noise(probe, tensor))
    derivative = replace(derivative, tolerance=max(derivative.tolerance, probe.tolerance, 200 * noise))
    scale = max(derivative.size, numbers.least)
    result = comparing.with_derivative(claimed, derivative, scale, scalar)
    if result.excess > derivative.tolerance and derivative.method == COMPLEX and not probe.subject.analytic:
        second = methods.by_differences(scalar, probe.generator)
        plain = comparing.with_derivative(claimed, second, scale, scalar)
        if plain.excess <= second.tolerance and not comparing.agree(derivative, second, scale):
            derivative, result = second, plain  # imaginary parts were dropped somewhere
    notes = [SINGLE] if noise else []
    if result.kinks:
        notes.append(f"{row.title}: {result.kinks} entries lie on a kink and were stepped round")
    if (open_ := int(np.sum(derivative.bars > derivative.tolerance * scale))) > 0:
        notes.append(f"{row.title}: {open_} entries are known less exactly than that, near kinks or large numbers")
    if len(derivative.places) < value.size:
        notes.append(f"of large tensors {len(derivative.places)} entries one by one, and all along random directions")
    return replace(
        row,
        method=derivative.method,
        tolerance=derivative.tolerance,
        error=result.error,
        ok=result.excess <= derivative.tolerance,
        worst=result.worst,
        notes=tuple(notes),
    )


def _elsewhere(probe: Probe) -> str:
    """The method of a second probe, which has another shape."""
    return f"{LOOPS} on {text(probe.values['x'].shape)}"


def _backward_noise(probe: Probe, tensor: str) -> float:
    """The rounding of the gradient: it is linear in dy, so that fourth differences leave nothing else."""

    def gradient(dy: Array) -> Array:
        return probe.subject.gradients(probe.values, dy)[tensor]

    return 0.0 if probe.subject.analytic else precision.noise(gradient, probe.dy, probe.generator)
