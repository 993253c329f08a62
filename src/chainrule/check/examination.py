"""The check of one subject on one probe: its output, if the correct one is known, and the gradient of every tensor.

Gradients are compared with derivatives of the subject's own forward pass. The forward pass is compared with the
intended layer.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from chainrule.check import derivatives
from chainrule.check.derivatives import LIMIT, TieSlopes
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.extra_checks import BATCH_SIZE, LARGE_FACTOR, NONLINEAR, STALE
from chainrule.check.judges import EXACT, Judge, JudgedResult, explain
from chainrule.check.report import Diagnosis, Row
from chainrule.check.rows import (
    EXACT_TOLERANCE,
    Probe,
    comparison_row,
    function_of,
    gradient_row,
    numerical_derivatives,
    output_row,
)
from chainrule.check.subjects import Subject, Values
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError

TIES = "slopes on either side of ties"
TIE_TOLERANCE = 1e-4  # relative to the largest element of dy
ACCUMULATED = Diagnosis(
    "accumulated-over-calls",
    "accumulates over calls of backward: assign it, or reset it to zero at the start of each call",
)

AT_TIES = Diagnosis(
    "wrong-at-ties",
    "is wrong where inputs are equal or exactly 0: it must lie between the slopes of the two sides there",
)
VARYING = Diagnosis(
    "kept-from-earlier-calls",
    "changes from call to call of backward with the same dy: it may depend only on dy and the last forward",
)


@dataclass(frozen=True)
class Examination:
    """A probe, the subject's gradients on it, and rows without diagnoses.

    earlier_values  values of a first call, before the probe; None if there was no such call
    varying         tensors whose gradients change between calls
    """

    probe: Probe
    claimed: Mapping[str, Array]
    rows: tuple[Row, ...] = field(default=())
    earlier_values: Values | None = None
    varying: frozenset[str] = frozenset()

    def case(self, tensor: str) -> JudgedResult | None:
        """Return what is diagnosed if a result is wrong; None without a result or an expected result."""
        probe = self.probe
        result = probe.output if tensor == "y" else self.claimed.get(tensor)
        if probe.judge is None or result is None:
            return None
        expected = probe.judge.output(probe.values)
        if expected.size == probe.dy.size and expected.shape[:1] == probe.dy.shape[:1]:
            return JudgedResult(probe.judge, probe.values, probe.dy, probe.output, result)
        if tensor == "y":  # the output does not depend on dy
            return JudgedResult(probe.judge, probe.values, np.zeros_like(expected), probe.output, result)
        return None


def make_probe(
    subject: Subject, values: Values, seed: int, judge: Judge | None = None, tolerance: float = EXACT_TOLERANCE
) -> Probe:
    """Return a probe with a random upstream gradient; StudentError if the output is unusable."""
    generator = np.random.default_rng([seed, zlib.crc32(subject.name.encode())])
    y, repeated = subject.output(values), subject.output(values)
    if not y.size:
        raise StudentError(f"{subject.name}: forward returned an empty array y")
    if not np.isfinite(y).all():
        raise StudentError(
            f"{subject.name}: forward returns values that are not finite (inf or nan) for an ordinary input"
        )
    if y.shape != repeated.shape or not np.allclose(y, repeated, rtol=1e-6, atol=1e-9):
        raise StudentError(
            f"{subject.name}: a second call of forward with the same input and options returns different values; "
            "if there is a seed, use it in every call"
        )
    if y.ndim:
        dy = generator.normal(size=y.shape)
    else:
        dy = np.array(1.0)
    return Probe(subject, values, dy, y, generator, judge, tolerance)


def examine(probe: Probe, *, limit: int = LIMIT, earlier: Values | None = None) -> Examination:
    """Check a subject on a probe. Return the row of y, if its expected value is known, and a row for each gradient.

    limit    number of elements per tensor that are checked individually
    earlier  values of a call before the probe, to detect results that belong to them; None: no such call
    """
    claimed = probe.subject.gradients(probe.values, probe.dy)
    varying = _varying_gradients(probe, claimed)
    numerical = numerical_derivatives(probe, limit)
    if probe.judge is not None:
        rows = [output_row(probe, numerical.noise)]
    else:
        rows = []
    for tensor in probe.subject.tensors:
        row = gradient_row(probe, tensor, claimed.get(tensor), numerical)
        if tensor in varying:
            row = replace(row, ok=False, diagnoses=(ACCUMULATED,) if varying[tensor] else (), notes=())
        rows.append(row)
    return Examination(probe, claimed, tuple(rows), earlier, frozenset(varying))


def quick_check(probe: Probe, tolerances: Mapping[str, float], complete: bool = True) -> Examination:
    """Compare a later probe with the reference only. Gradients are skipped if the output is wrong.

    tolerances  tolerance of each tensor, including y, based on the rounding errors on the first probe
    complete    whether the code has a backward
    """
    if probe.judge is None:
        return Examination(probe, {})
    output = comparison_row(probe, "y", probe.output, probe.judge.output(probe.values), tolerances["y"])
    if not output.ok or not complete:
        return Examination(probe, {}, (output,))
    claimed = probe.subject.gradients(probe.values, probe.dy)
    expected = probe.judge.gradients(probe.values, probe.dy)
    rows = list[Row]()
    for name in probe.subject.tensors:
        rows.append(comparison_row(probe, name, claimed.get(name), expected[name], tolerances[name]))
    return Examination(probe, claimed, (output, *rows))


def with_diagnoses(examinations: Sequence[Examination]) -> list[Row]:
    """Return the rows of the first probe, with diagnoses of those that are wrong.

    Tensors that are right on the first probe but wrong on a later one get an additional row.
    """
    first, *others = examinations
    right = set[str]()
    rows = list[Row]()
    for row in first.rows:
        if not row.is_wrong:
            right.add(row.tensor)
        unexplained = (VARYING,) if row.tensor in first.varying else ()
        rows.append(_diagnosed(row, examinations, unexplained))
    for other in others:
        for row in other.rows:
            if row.is_wrong and row.tensor in right:
                rows.append(_diagnosed(row, examinations, _batch_size_diagnosis(row, first, other)))
    return rows


def _diagnosed(row: Row, examinations: Sequence[Examination], unexplained: tuple[Diagnosis, ...]) -> Row:
    """Return a row with its diagnoses if it is wrong; `unexplained` are those of a result that no mistake explains."""
    if not row.is_wrong or row.diagnoses:
        return row
    return replace(row, diagnoses=_diagnoses(row, examinations) or unexplained)


def _batch_size_diagnosis(row: Row, first: Examination, other: Examination) -> tuple[Diagnosis, ...]:
    """Return the diagnosis of a mistake on a later probe, if only the number of samples differs from the first probe.

    If the gradient is right for a small dy, the code clips the larger sum over more samples.
    """
    probe = other.probe
    first_shape = first.probe.values[first.probe.subject.tensors[0]].shape
    other_shape = probe.values[probe.subject.tensors[0]].shape
    if first_shape[1:] != other_shape[1:] or first_shape == other_shape:
        return ()
    if row.tensor != "y" and probe.judge is not None:
        dy = probe.dy / LARGE_FACTOR
        result = probe.subject.gradients(probe.values, dy)[row.tensor]
        expected = probe.judge.gradients(probe.values, dy)[row.tensor]
        if nearly_equal(result, expected, max(row.tolerance, EXACT)):
            return (NONLINEAR,)
    return (BATCH_SIZE,)


def _diagnoses(row: Row, examinations: Sequence[Examination]) -> tuple[Diagnosis, ...]:
    """Return the mistakes that explain all wrong results for the tensor of a row.

    Results of an earlier call come first: they would not equal those of any mistake on this call's values. If several
    mistakes explain the results, values with ties may rule out some of them.
    """
    cases = list[JudgedResult]()
    first_wrong: Examination | None = None
    for examination in examinations:
        if not any(other.tensor == row.tensor and other.is_wrong for other in examination.rows):
            continue
        first_wrong = first_wrong or examination
        case = examination.case(row.tensor)
        if case is None:
            continue
        earlier = examination.earlier_values
        if earlier and _is_stale(row.tensor, case, earlier):
            return (STALE,)
        cases.append(case)
    if not cases or first_wrong is None:
        return ()
    diagnoses = explain(row.tensor, cases, row.tolerance)
    if len(diagnoses) > 1:
        tied = _tied_case(row.tensor, first_wrong.probe)
        if tied is not None:
            return explain(row.tensor, [*cases, tied], row.tolerance) or diagnoses
    return diagnoses


def _tied_case(tensor: str, probe: Probe) -> JudgedResult | None:
    """Return a case that may rule out some of several diagnoses, with integers that often tie; None for a loss."""
    if "x" not in probe.values or probe.judge is None:
        return None
    x = derivatives.tied_integers(probe.values["x"].shape, np.random.default_rng(0))
    values = {**probe.values, "x": x}
    try:
        y = probe.subject.output(values)
        if tensor == "y":
            result = y
        else:
            result = probe.subject.gradients(values, probe.dy)[tensor]
    except StudentError:
        return None
    return JudgedResult(probe.judge, values, probe.dy, y, result)


def _is_stale(tensor: str, case: JudgedResult, earlier: Values) -> bool:
    """Return whether a result belongs to values of the first call: either all of them, or x only."""
    if tensor == "y":
        return False
    expected = case.judge.result(tensor, case.values, case.dy)
    x = next(iter(case.values))
    for point in (earlier, {**case.values, x: earlier[x]}):
        stale = case.judge.result(tensor, point, case.dy)
        if nearly_equal(case.result, stale, EXACT) and not nearly_equal(expected, stale, EXACT):
            return True
    return False


def check_ties(probe: Probe, examination: Examination, exact: bool = False) -> Row | None:
    """Check dx of max pooling or ReLU on integers, which contain many ties and zeros.

    exact  whether dx must equal that of the intended layer at ties, instead of any gradient between the two sides

    Returns the row of x, or None if another row is wrong or dx has the wrong shape.
    """
    x = derivatives.tied_integers(probe.values["x"].shape, probe.generator)
    values, dy = {**probe.values, "x": x}, np.abs(probe.dy) + 0.1  # positive, so that no terms cancel
    dx = probe.subject.gradients(values, dy).get("x")
    if dx is None or dx.shape != x.shape or not all(row.ok for row in examination.rows):
        return None
    function = partial(function_of, probe.subject, values, "x")
    slopes = derivatives.slopes_at_ties(function, x, dy, dx, probe.generator)
    error = max(slope.excess for slope in slopes) / float(dy.max())
    row = Row(
        probe.subject.name, "x", TIES, error if np.isfinite(error) else None, TIE_TOLERANCE, error <= TIE_TOLERANCE
    )
    if exact and row.ok and probe.judge is not None:
        row = comparison_row(probe, "x", dx, probe.judge.gradients(values, dy)["x"], TIE_TOLERANCE, "elements that tie")
    if row.ok or probe.judge is None:
        return row
    case = JudgedResult(probe.judge, values, dy, probe.subject.output(values), dx)
    return replace(row, diagnoses=explain("x", [case], 1e-9) or (_tie_diagnosis(slopes),))


def _tie_diagnosis(slopes: Sequence[TieSlopes]) -> Diagnosis:
    """Return the diagnosis of a gradient outside the one-sided slopes, with the worst element if there is one."""
    worst = max((slope for slope in slopes if slope.index), key=lambda slope: slope.excess)
    if worst.excess <= TIE_TOLERANCE:
        return AT_TIES
    index, claimed = ", ".join(map(str, worst.index)), f"{worst.claimed:.6g}"
    return replace(
        AT_TIES, message=f"{AT_TIES.message}; [{index}] is {claimed}, not from {worst.before:.6g} to {worst.after:.6g}"
    )


def _varying_gradients(probe: Probe, claimed: Mapping[str, Array]) -> dict[str, bool]:
    """Return the tensors whose gradients change between calls with equal dy, and whether they grow by equal amounts."""
    if probe.subject.analytic:
        return {}
    second, third = (probe.subject.gradients(probe.values, probe.dy) for _ in range(2))
    is_growing = dict[str, bool]()
    for name, first in claimed.items():
        shapes = {first.shape, second[name].shape, third[name].shape}
        if len(shapes) > 1 or np.allclose(first, second[name], rtol=1e-4, atol=1e-12, equal_nan=True):
            continue
        is_growing[name] = np.allclose(second[name] - first, third[name] - second[name], rtol=1e-4, atol=1e-12)
    return is_growing
