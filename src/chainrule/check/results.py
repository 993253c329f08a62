"""Check results: an output compared with the expected output, or a gradient compared with numerical derivatives.

Parameters that cannot be checked also get a result, so that their layer does not count as right.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from chainrule.check import comparison, derivatives
from chainrule.check.derivatives import Derivative
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.host.remote import EMPTY_SLICE
from chainrule.check.library_functions import DifferentiableFunction, Values
from chainrule.check.references import Reference
from chainrule.check.report import NOT_RETURNED, PADDING_ZERO, CheckResult, Diagnosis
from chainrule.core.shapes import text
from chainrule.engines.protocol import Array

FLOAT32_NOTE = "the code computes in float32 or lower precision: tolerances are adapted to its rounding errors"
REFERENCE_LOOPS, CENTRAL = "reference loops", "central differences"
EXACT_TOLERANCE, GRADIENT_TOLERANCE = 1e-12, 1e-10  # tolerances of outputs and of gradients in float64
NOT_FINITE = "not-finite"
HALF_PRECISION = "half-precision"
DTYPE_ADVICE = "compute in the dtype of x"
MAX_ERROR_BOUND = 0.1  # relative to the largest element; derivatives with a larger error bound are inconclusive
HIDDEN_BY_KINKS = Diagnosis("not-checked", "is not checked: kinks or rounding hide the derivative at most elements")
MIN_SCALE = 1e-4  # scale of errors, relative to dy·y/x: if f is flat, rounding errors exceed the gradient
MIN_SCALE_FLOAT32 = 1e-2  # the same for float32
ENTRIES = 40  # number of elements that are compared to identify a gradient by its value
NOT_CHECKED = "not-checked"
NO_INPUT_GRADIENT = Diagnosis(NOT_RETURNED, "is not returned, which only the first layer of a network may do")
SHORTCUT_LEFT_OUT = Diagnosis("shortcut-left-out", "lacks dy: the shortcut in y = x + f(x) passes dy on, too")
SHORTCUT_MISSING = Diagnosis("shortcut-missing", "contains dy, but y does not contain x: write y = x + f(x) in forward")
WIDTH_FROM_HEIGHT = Diagnosis(
    "width-from-height", "has as many columns as rows: compute the width from that of x, not from the height"
)
BRANCH_LEFT_OUT = Diagnosis(
    "branch-left-out", "is dy: the gradient of f is missing, alone or beside a shortcut, as in y = x + f(x)"
)
NO_GRADIENT = "is not checked: the contract states no place of d{0}, or there is nothing in it after backward"


@dataclass(frozen=True)
class TestCase:
    """A point and an upstream gradient for checking one function.

    output     the function's output for these values
    reference      source of correct results; None if they are unknown
    tolerance  tolerance of the output; larger for code that does not compute in float64
    """

    function: DifferentiableFunction
    values: Values
    dy: Array
    output: Array
    generator: np.random.Generator
    reference: Reference | None = None
    tolerance: float = EXACT_TOLERANCE


@dataclass(frozen=True)
class NumericalDerivatives:
    """Numerical derivatives and their accuracy.

    derivatives  derivative with respect to each tensor
    noise        relative rounding error of the differentiated code
    min_scale    minimum scale for relative errors, since even zero gradients have rounding errors
    """

    derivatives: Mapping[str, Derivative]
    noise: float
    min_scale: float


def code_noise(test_case: TestCase) -> float:
    """Return the relative rounding error of the code of a function."""
    errors = list[float]()
    for name in test_case.function.tensors:
        f = partial(function_of, test_case.function, test_case.values, name)
        errors.append(comparison.noise(f, test_case.values[name], test_case.generator))
    return max(errors)


def numerical_derivatives(test_case: TestCase, limit: int, noise: float | None = None) -> NumericalDerivatives:
    """Return the numerical derivatives with respect to all tensors.

    limit   number of elements per tensor that are checked individually
    noise   that of the code; None: estimate it
    """
    if noise is None:
        noise = code_noise(test_case)
    by_name = dict[str, Derivative]()
    for name in test_case.function.tensors:
        f = partial(function_of, test_case.function, test_case.values, name)
        value = test_case.values[name]
        by_name[name] = derivatives.derive(f, value, test_case.dy, test_case.generator, noise=noise, limit=limit)
    sizes = [derivative.size for derivative in by_name.values()]
    return NumericalDerivatives(by_name, noise, min_scale(test_case, sizes))


def min_scale(test_case: TestCase, sizes: Sequence[float]) -> float:
    """Return the smallest scale for errors: those of a gradient that is almost 0 are relative to the largest, or dy·y.

    sizes   largest absolute values of the gradients
    """
    relative = MIN_SCALE_FLOAT32
    if test_case.tolerance <= EXACT_TOLERANCE:
        relative = MIN_SCALE
    typical = 0.0
    dy_times_y = float(np.abs(test_case.dy).max(initial=0.0) * np.abs(test_case.output).max(initial=0.0))
    for name in test_case.function.tensors:
        typical = max(typical, dy_times_y / derivatives.scale_of(test_case.values[name]))
    return max(1e-3 * max(sizes), relative * typical)


def has_output_shape(test_case: TestCase) -> bool:
    """Return whether the output has the shape of the expected one, or none is expected."""
    return test_case.reference is None or test_case.output.shape == test_case.reference.output(test_case.values).shape


def function_of(function: DifferentiableFunction, values: Values, name: str, value: Array) -> Array:
    """Return the function's output with one tensor replaced."""
    return function.output({**values, name: value})


def output_result(test_case: TestCase, noise: float = 0.0) -> CheckResult:
    """Return the result of y.

    noise  relative rounding error of the code
    """
    if test_case.reference is None:
        expected = test_case.output
    else:
        expected = test_case.reference.output(test_case.values)
    return comparison_result(
        test_case, "y", test_case.output, expected, max(test_case.tolerance, 200 * noise), REFERENCE_LOOPS
    )


def comparison_result(
    test_case: TestCase, tensor: str, array: Array | None, expected: Array, tolerance: float, method: str | None = None
) -> CheckResult:
    """Return the result of comparing an array with the expected one.

    array   the compared; None if it is missing
    method  source of the expected values, for the result; None: the reference loops with the input shape
    """

    def is_right(transposed: Array) -> bool:
        return nearly_equal(transposed, expected, tolerance)

    result = CheckResult(test_case.function.name, tensor, method or _later_method(test_case), None, tolerance, False)
    if (incomparable := _incomparable_result(result, array, expected.shape, is_right)) or array is None:
        return incomparable or result
    compared = comparison.compare_with_array(array, expected)
    return replace(result, error=compared.error, ok=compared.error <= tolerance, worst=compared.worst)


def reference_result(
    test_case: TestCase, tensor: str, claimed: Array | None, expected: Mapping[str, Array], noise: float
) -> CheckResult:
    """Return the result of a gradient compared with that of the intended layer, which forward computes.

    expected   the right gradients of all tensors
    noise      relative rounding error of forward
    """
    tolerance = max(GRADIENT_TOLERANCE, test_case.tolerance)
    shown = comparison_result(test_case, tensor, claimed, expected[tensor], tolerance, REFERENCE_LOOPS)
    if claimed is None or shown.error is None or shown.ok:
        return shown
    noise = max(noise, _backward_noise(test_case, tensor))
    tolerance = max(tolerance, 200 * noise)
    sizes = [float(np.abs(gradient).max(initial=0.0)) for gradient in expected.values()]
    compared = comparison.compare_with_array(claimed, expected[tensor], min_scale(test_case, sizes))
    return replace(
        shown,
        error=compared.error,
        tolerance=tolerance,
        ok=compared.error <= tolerance,
        notes=(FLOAT32_NOTE,) * bool(noise),
    )


def gradient_result(
    test_case: TestCase, tensor: str, claimed: Array | None, numerical: NumericalDerivatives
) -> CheckResult:
    """Return the result of a gradient compared with a numerical derivative. ``claimed`` is None if it is missing."""

    def is_right(transposed: Array) -> bool:
        return bool(gradient_result(test_case, tensor, transposed, numerical).ok)

    derivative = numerical.derivatives[tensor]
    size = test_case.values[tensor].size
    result = CheckResult(test_case.function.name, tensor, CENTRAL, None, derivative.tolerance, False)
    if (
        incomparable := _incomparable_result(result, claimed, test_case.values[tensor].shape, is_right)
    ) or claimed is None:
        return incomparable or result
    noise = max(numerical.noise, _backward_noise(test_case, tensor))
    derivative = replace(derivative, tolerance=max(derivative.tolerance, test_case.tolerance, 200 * noise))
    scale = max(derivative.size, numerical.min_scale)
    compared = comparison.compare_with_derivative(claimed, derivative, scale)
    notes = ((FLOAT32_NOTE,) if noise else ()) + _accuracy_notes(result.title, derivative, compared.kinks, scale, size)
    result = replace(result, tolerance=derivative.tolerance, error=compared.error, notes=notes)
    if compared.excess > derivative.tolerance:
        comparable = tensor == "x" and test_case.reference is None and claimed.shape == test_case.dy.shape
        if comparable:
            diagnoses = _shortcut_mistake(claimed, test_case.dy, derivative, scale)
        else:
            diagnoses = ()
        return replace(result, worst=compared.worst, diagnoses=diagnoses)
    # If kinks make most numerical derivatives too inaccurate, their agreement proves nothing.
    if np.sum(derivative.error_bounds + derivative.kink_widths > MAX_ERROR_BOUND * scale) * 2 > len(derivative.indices):
        return replace(result, checked=False, diagnoses=(HIDDEN_BY_KINKS,))
    return replace(result, ok=True, worst=compared.worst)


def _accuracy_notes(title: str, derivative: Derivative, kinks: int, scale: float, size: int) -> tuple[str, ...]:
    """Return notes about elements that are checked less accurately, or not individually.

    kinks  number of elements on a kink
    scale  size of the gradient, for relative errors
    size   number of elements of the tensor
    """
    notes = list[str]()
    imprecise = int(np.sum(derivative.error_bounds > derivative.tolerance * scale))
    if kinks:
        notes.append(f"{title}: {kinks} elements lie on a kink; any slope between the two sides is right")
    if imprecise:
        notes.append(f"{title}: {imprecise} elements are checked less accurately, near kinks or large values")
    if len(derivative.indices) < size:
        notes.append(
            f"in large tensors {len(derivative.indices)} elements are checked individually, "
            "and all of them along random directions"
        )
    return tuple(notes)


def _shortcut_mistake(claimed: Array, dy: Array, derivative: Derivative, scale: float) -> tuple[Diagnosis, ...]:
    """Return the mistake in a dx that is wrong by dy, as with y = x + f(x); empty for other mistakes."""
    if np.array_equal(claimed, dy):
        return (BRANCH_LEFT_OUT,)
    for sign, diagnosis in ((1, SHORTCUT_LEFT_OUT), (-1, SHORTCUT_MISSING)):
        result = comparison.compare_with_derivative(claimed + sign * dy, derivative, scale)
        if result.excess <= derivative.tolerance:
            return (diagnosis,)
    return ()


def _incomparable_result(
    result: CheckResult, array: Array | None, shape: tuple[int, ...], is_right: Callable[[Array], bool]
) -> CheckResult | None:
    """Return the result for an array that is missing, not finite, or of the wrong shape; None for other results.

    is_right  whether a matrix of the expected shape is the expected array, to detect its transpose
    """
    if array is None and result.tensor == "x":
        return replace(result, diagnoses=(NO_INPUT_GRADIENT,))
    if array is None:
        diagnosis = Diagnosis(NOT_CHECKED, NO_GRADIENT.format(result.tensor))
        return replace(result, tolerance=0.0, diagnoses=(diagnosis,), checked=False)
    if array.shape != shape:
        if array.ndim == 2 and array.shape[::-1] == shape and is_right(array.T):
            message = f"is transposed: its shape is {text(array.shape)}, not {text(shape)}"
            return replace(result, diagnoses=(Diagnosis("axes-transposed", message),))
        empty = Diagnosis(PADDING_ZERO, f"is an empty array: {EMPTY_SLICE}")
        # shapes (…, H, W) with a size replaced by that of the axis before it, as by code that takes H for both
        squares = list[tuple[int, ...]]()
        for axis in range(2, len(shape)):
            squares.append((*shape[:axis], shape[axis - 1], *shape[axis + 1 :]))
        if array.size:
            diagnoses = (WIDTH_FROM_HEIGHT,) * (array.shape in squares)
        else:
            diagnoses = (empty,)
        return replace(result, diagnoses=diagnoses, notes=(comparison.shape_message(result.title, array, shape),))
    if array.dtype.kind == "f" and array.dtype.itemsize < 4:
        return half_precision_result(result, array)
    if message := comparison.non_finite_message(array):
        return replace(result, diagnoses=(Diagnosis(NOT_FINITE, message),))
    return None


def half_precision_result(result: CheckResult, array: Array) -> CheckResult:
    """Return the result with the diagnosis of an array in half precision."""
    message = f"is {array.dtype}, which has 3 digits: {DTYPE_ADVICE}"
    return replace(result, diagnoses=(Diagnosis(HALF_PRECISION, message),))


def _later_method(test_case: TestCase) -> str:
    """Return the method for results of later test cases: the reference loops, with the input shape."""
    return f"{REFERENCE_LOOPS} on {text(test_case.values[test_case.function.tensors[0]].shape)}"


def _backward_noise(test_case: TestCase, tensor: str) -> float:
    """Return the relative rounding error of a gradient, estimated from its fourth differences with respect to dy."""

    def gradient(dy: Array) -> Array:
        return test_case.function.gradients(test_case.values, dy)[tensor]

    return comparison.noise(gradient, test_case.dy, test_case.generator)
