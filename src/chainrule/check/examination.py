"""The check of a function on one test case: its output, if the correct one is known, and every gradient.

The output is compared with that of the intended layer. If it is right, the gradients are compared
with the right ones. Otherwise, these are compared with numerical derivatives of the function's own forward pass.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from chainrule.check import derivatives
from chainrule.check.derivatives import LIMIT, TieSlopes
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.extra_checks import NONLINEAR, STALE
from chainrule.check.input_checks import BATCH_SIZE, LARGE_FACTOR
from chainrule.check.library_functions import DifferentiableFunction, Values
from chainrule.check.references import EXACT, CheckedResult, Reference, explain
from chainrule.check.report import CheckResult, Diagnosis
from chainrule.check.results import (
    EXACT_TOLERANCE,
    TestCase,
    code_noise,
    comparison_result,
    function_of,
    gradient_result,
    numerical_derivatives,
    output_result,
    reference_result,
)
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
    """A test case, the function's gradients on it, and results without diagnoses.

    earlier_values  values of a first call, before the test case; None if there was no such call
    varying         tensors whose gradients change between calls
    """

    test_case: TestCase
    claimed: Mapping[str, Array]
    results: tuple[CheckResult, ...] = field(default=())
    earlier_values: Values | None = None
    varying: frozenset[str] = frozenset()

    def case(self, tensor: str) -> CheckedResult | None:
        """Return what is diagnosed if a result is wrong; None without a result or an expected result."""
        test_case = self.test_case
        result = test_case.output if tensor == "y" else self.claimed.get(tensor)
        if test_case.reference is None or result is None:
            return None
        expected = test_case.reference.output(test_case.values)
        if expected.size == test_case.dy.size and expected.shape[:1] == test_case.dy.shape[:1]:
            return CheckedResult(test_case.reference, test_case.values, test_case.dy, test_case.output, result)
        if tensor == "y":  # the output does not depend on dy
            return CheckedResult(
                test_case.reference, test_case.values, np.zeros_like(expected), test_case.output, result
            )
        return None


def make_test_case(
    function: DifferentiableFunction,
    values: Values,
    seed: int,
    reference: Reference | None = None,
    tolerance: float = EXACT_TOLERANCE,
) -> TestCase:
    """Return a test case with a random upstream gradient; StudentError if the output is unusable."""
    generator = np.random.default_rng([seed, zlib.crc32(function.name.encode())])
    y = function.output(values)
    repeated = function.output(values)
    if not y.size:
        raise StudentError(f"{function.name}: forward returned an empty array y")
    if not np.isfinite(y).all():
        raise StudentError(
            f"{function.name}: forward returns values that are not finite (inf or nan) for an ordinary input"
        )
    if y.shape != repeated.shape or not np.allclose(y, repeated, rtol=1e-6, atol=1e-9):
        raise StudentError(
            f"{function.name}: a second call of forward with the same input and options returns different values; "
            "if there is a seed, use it in every call"
        )
    if y.ndim:
        dy = generator.normal(size=y.shape)
    else:
        dy = np.array(1.0)
    return TestCase(function, values, dy, y, generator, reference, tolerance)


def examine(test_case: TestCase, *, limit: int = LIMIT, earlier: Values | None = None) -> Examination:
    """Check a function on a test case. Return the result of y, if its expected value is known, and of each gradient.

    The gradients of a right output are compared with the right ones, all others with numerical derivatives.

    limit    number of elements per tensor that are checked individually
    earlier  values of a call before the test case, to detect results that belong to them; None: no such call
    """
    claimed = test_case.function.gradients(test_case.values, test_case.dy)
    varying = _varying_gradients(test_case, claimed)
    noise = code_noise(test_case)
    results = list[CheckResult]()
    if test_case.reference is not None:
        results.append(output_result(test_case, noise))
    if test_case.reference is not None and results[0].ok:
        expected = test_case.reference.gradients(test_case.values, test_case.dy)
        judge = partial(reference_result, expected=expected, noise=noise)
    else:
        judge = partial(gradient_result, numerical=numerical_derivatives(test_case, limit, noise))
    for tensor in test_case.function.tensors:
        result = judge(test_case, tensor, claimed.get(tensor))
        if tensor in varying:
            result = replace(result, ok=False, diagnoses=(ACCUMULATED,) if varying[tensor] else (), notes=())
        results.append(result)
    return Examination(test_case, claimed, tuple(results), earlier, frozenset(varying))


def quick_check(test_case: TestCase, tolerances: Mapping[str, float], complete: bool = True) -> Examination:
    """Compare a later test case with the reference only. Gradients are skipped if the output is wrong.

    tolerances  tolerance of each tensor, including y, based on the rounding errors on the first test case
    complete    whether the code has a backward
    """
    if test_case.reference is None:
        return Examination(test_case, {})
    output = comparison_result(
        test_case, "y", test_case.output, test_case.reference.output(test_case.values), tolerances["y"]
    )
    if not output.ok or not complete:
        return Examination(test_case, {}, (output,))
    claimed = test_case.function.gradients(test_case.values, test_case.dy)
    expected = test_case.reference.gradients(test_case.values, test_case.dy)
    results = list[CheckResult]()
    for name in test_case.function.tensors:
        results.append(comparison_result(test_case, name, claimed.get(name), expected[name], tolerances[name]))
    return Examination(test_case, claimed, (output, *results))


def with_diagnoses(examinations: Sequence[Examination]) -> list[CheckResult]:
    """Return the results of the first test case, with diagnoses of those that are wrong.

    Tensors that are right on the first test case but wrong on a later one get an additional result.
    """
    first, *others = examinations
    right = set[str]()
    results = list[CheckResult]()
    for result in first.results:
        if not result.is_wrong:
            right.add(result.tensor)
        unexplained = (VARYING,) if result.tensor in first.varying else ()
        results.append(_diagnosed(result, examinations, unexplained))
    for other in others:
        for result in other.results:
            if result.is_wrong and result.tensor in right:
                results.append(_diagnosed(result, examinations, _batch_size_diagnosis(result, first, other)))
    return results


def _diagnosed(
    result: CheckResult, examinations: Sequence[Examination], unexplained: tuple[Diagnosis, ...]
) -> CheckResult:
    """Return a result with its diagnoses if it is wrong; `unexplained` are those if no mistake explains it."""
    if not result.is_wrong or result.diagnoses:
        return result
    return replace(result, diagnoses=_diagnoses(result, examinations) or unexplained)


def _batch_size_diagnosis(result: CheckResult, first: Examination, other: Examination) -> tuple[Diagnosis, ...]:
    """Return the diagnosis of a mistake on a later test case, if only its number of samples differs from the first.

    If the gradient is right for a small dy, the code clips the larger sum over more samples.
    """
    test_case = other.test_case
    first_shape = first.test_case.values[first.test_case.function.tensors[0]].shape
    other_shape = test_case.values[test_case.function.tensors[0]].shape
    if first_shape[1:] != other_shape[1:] or first_shape == other_shape:
        return ()
    if result.tensor != "y" and test_case.reference is not None:
        dy = test_case.dy / LARGE_FACTOR
        gradient = test_case.function.gradients(test_case.values, dy)[result.tensor]
        expected = test_case.reference.gradients(test_case.values, dy)[result.tensor]
        if nearly_equal(gradient, expected, max(result.tolerance, EXACT)):
            return (NONLINEAR,)
    return (BATCH_SIZE,)


def _diagnoses(result: CheckResult, examinations: Sequence[Examination]) -> tuple[Diagnosis, ...]:
    """Return the mistakes that explain all wrong results for the tensor of a result.

    Results of an earlier call come first: they would not equal those of any mistake on this call's values.
    """
    cases = list[CheckedResult]()
    for examination in examinations:
        if not any(other.tensor == result.tensor and other.is_wrong for other in examination.results):
            continue
        case = examination.case(result.tensor)
        if case is None:
            continue
        earlier = examination.earlier_values
        if earlier and _is_stale(result.tensor, case, earlier):
            return (STALE,)
        cases.append(case)
    if not cases:
        return ()
    return explain(result.tensor, cases, result.tolerance)


def _is_stale(tensor: str, case: CheckedResult, earlier: Values) -> bool:
    """Return whether a result belongs to values of the first call: either all of them, or x only."""
    if tensor == "y":
        return False
    expected = case.reference.result(tensor, case.values, case.dy)
    x = next(iter(case.values))
    for point in (earlier, {**case.values, x: earlier[x]}):
        stale = case.reference.result(tensor, point, case.dy)
        if nearly_equal(case.result, stale, EXACT) and not nearly_equal(expected, stale, EXACT):
            return True
    return False


def check_ties(test_case: TestCase, examination: Examination, exact: bool = False) -> CheckResult | None:
    """Check dx of max pooling or ReLU on integers, which contain many ties and zeros.

    exact  whether dx must equal that of the intended layer at ties, instead of any gradient between the two sides

    Returns the result of x, or None if another result is wrong or dx has the wrong shape.
    """
    x = derivatives.tied_integers(test_case.values["x"].shape, test_case.generator)
    values = {**test_case.values, "x": x}  # positive, so that no terms cancel
    dy = np.abs(test_case.dy) + 0.1
    dx = test_case.function.gradients(values, dy).get("x")
    if dx is None or dx.shape != x.shape or not all(result.ok for result in examination.results):
        return None
    forward = partial(function_of, test_case.function, values, "x")
    slopes = derivatives.slopes_at_ties(forward, x, dy, dx, test_case.generator)
    error: float | None = max(slope.excess for slope in slopes) / float(dy.max())
    is_right = error <= TIE_TOLERANCE
    if not np.isfinite(error):
        error = None
    result = CheckResult(test_case.function.name, "x", TIES, error, TIE_TOLERANCE, is_right)
    if test_case.reference is None:
        return result
    if exact and result.ok:
        expected = test_case.reference.gradients(values, dy)["x"]
        result = comparison_result(test_case, "x", dx, expected, TIE_TOLERANCE, "elements that tie")
    if result.ok:
        return result
    case = CheckedResult(test_case.reference, values, dy, test_case.function.output(values), dx)
    return replace(result, diagnoses=explain("x", [case], 1e-9) or (_tie_diagnosis(slopes),))


def _tie_diagnosis(slopes: Sequence[TieSlopes]) -> Diagnosis:
    """Return the diagnosis of a gradient outside the one-sided slopes, with the worst element if there is one."""
    single = [slope for slope in slopes if slope.index is not None]
    worst = max(single, key=lambda slope: slope.excess)
    if worst.excess <= TIE_TOLERANCE or worst.index is None:
        return AT_TIES
    index = ", ".join(map(str, worst.index))
    claimed = f"{worst.claimed:.6g}"
    return replace(
        AT_TIES, message=f"{AT_TIES.message}; [{index}] is {claimed}, not from {worst.before:.6g} to {worst.after:.6g}"
    )


def _varying_gradients(test_case: TestCase, claimed: Mapping[str, Array]) -> dict[str, bool]:
    """Return the tensors whose gradients change between calls with equal dy, and whether they grow by equal amounts."""
    second = test_case.function.gradients(test_case.values, test_case.dy)
    third = test_case.function.gradients(test_case.values, test_case.dy)
    is_growing = dict[str, bool]()
    for name, first in claimed.items():
        shapes = {first.shape, second[name].shape, third[name].shape}
        if len(shapes) > 1 or np.allclose(first, second[name], rtol=1e-4, atol=1e-12, equal_nan=True):
            continue
        is_growing[name] = np.allclose(second[name] - first, third[name] - second[name], rtol=1e-4, atol=1e-12)
    return is_growing
