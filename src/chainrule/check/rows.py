"""Rows of a report: an output compared with the expected output, or a gradient compared with numerical derivatives.

Parameters that cannot be checked also get a row, so that their layer does not count as right.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from chainrule.check import comparison, derivatives
from chainrule.check.derivatives import COMPLEX, Derivative, Scalar
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.host.remote import EMPTY_SLICE
from chainrule.check.learner_subjects import SubmittedLayer
from chainrule.check.parameters import gradient_of, influential_arrays
from chainrule.check.references import Reference
from chainrule.check.report import NOT_RETURNED, PADDING_ZERO, Diagnosis, Row
from chainrule.check.subjects import Subject, Values
from chainrule.core.shapes import text
from chainrule.custom.learner_layer import whole_name
from chainrule.engines.protocol import Array
from chainrule.layers import CustomLayer
from chainrule.network.network import Network

FLOAT32_NOTE = "the code computes in float32 or lower precision: tolerances are adapted to its rounding errors"
REFERENCE_LOOPS = "reference loops"
EXACT_TOLERANCE = 1e-12  # tolerance of outputs in float64
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
NO_GRADIENT = (
    "is not checked: {0} changes the output, but no gradient of it was recognized; "
    "name the gradient d{1}, dLd{1}, grad_{1} or {1}_grad, or declare that {0} is not a parameter: --constant {0}"
)


@dataclass(frozen=True)
class TestCase:
    """A point and an upstream gradient for checking one subject.

    output     the subject's output for these values
    reference      source of correct results; None if they are unknown
    tolerance  tolerance of the output; larger for subjects that do not compute in float64
    affine     False if the subject seems affine but may have kinks, such as a mostly constant graph
    """

    subject: Subject
    values: Values
    dy: Array
    output: Array
    generator: np.random.Generator
    reference: Reference | None = None
    tolerance: float = EXACT_TOLERANCE
    affine: bool = True


@dataclass(frozen=True)
class NumericalDerivatives:
    """Numerical derivatives and their accuracy.

    derivatives  derivative with respect to each tensor
    scalars      the differentiated function of each tensor
    noise        relative rounding error of the differentiated code
    min_scale    minimum scale for relative errors, since even zero gradients have rounding errors
    """

    derivatives: Mapping[str, Derivative]
    scalars: Mapping[str, Scalar]
    noise: float
    min_scale: float


def numerical_derivatives(test_case: TestCase, limit: int) -> NumericalDerivatives:
    """Return the numerical derivatives with respect to all tensors.

    limit   number of elements per tensor that are checked individually
    """
    values = test_case.values
    generator = test_case.generator
    analytic = test_case.subject.analytic
    functions = dict[str, partial[Array]]()
    for name in test_case.subject.tensors:
        functions[name] = partial(function_of, test_case.subject, values, name)
    noise = 0.0
    if not analytic:
        noise = max(comparison.noise(f, values[name], generator) for name, f in functions.items())
    by_name = dict[str, Derivative]()
    scalars = dict[str, Scalar]()
    largest = 0.0
    typical = 0.0
    dy_times_y = float(np.abs(test_case.dy).max(initial=0.0) * np.abs(test_case.output).max(initial=0.0))
    for name, f in functions.items():
        by_name[name] = derivatives.derive(
            f,
            values[name],
            test_case.dy,
            generator,
            noise=noise,
            limit=limit,
            analytic=analytic,
            affine=test_case.affine,
        )
        scalars[name] = Scalar(f, values[name], test_case.dy, noise)
        largest = max(largest, by_name[name].size)
        typical = max(typical, dy_times_y / scalars[name].scale)
    relative = MIN_SCALE_FLOAT32
    if test_case.tolerance <= EXACT_TOLERANCE:
        relative = MIN_SCALE
    # Errors of a gradient that is 0, or almost, are relative to the largest one, or to dy · y, instead of itself.
    return NumericalDerivatives(by_name, scalars, noise, max(1e-3 * largest, relative * typical))


def has_output_shape(test_case: TestCase) -> bool:
    """Return whether the output has the shape of the expected one, or none is expected."""
    return test_case.reference is None or test_case.output.shape == test_case.reference.output(test_case.values).shape


def function_of(subject: Subject, values: Values, name: str, value: Array) -> Array:
    """Return the subject's output with one tensor replaced."""
    return subject.forward({**values, name: value})


def output_row(test_case: TestCase, noise: float = 0.0) -> Row:
    """Return the row of y.

    noise  relative rounding error of the code
    """
    if test_case.reference is None:
        expected = test_case.output
    else:
        expected = test_case.reference.output(test_case.values)
    return comparison_row(
        test_case, "y", test_case.output, expected, max(test_case.tolerance, 200 * noise), REFERENCE_LOOPS
    )


def comparison_row(
    test_case: TestCase, tensor: str, array: Array | None, expected: Array, tolerance: float, method: str | None = None
) -> Row:
    """Return the row of a result compared with the expected array.

    array   the result; None if it is missing
    method  source of the expected values, for the row; None: the reference loops with the input shape
    """

    def is_right(transposed: Array) -> bool:
        return nearly_equal(transposed, expected, tolerance)

    row = Row(test_case.subject.name, tensor, method or _later_method(test_case), None, tolerance, False)
    if (incomparable := _incomparable_row(row, array, expected.shape, is_right)) or array is None:
        return incomparable or row
    result = comparison.compare_with_array(array, expected)
    return replace(row, error=result.error, ok=result.error <= tolerance, worst=result.worst)


def gradient_row(test_case: TestCase, tensor: str, claimed: Array | None, numerical: NumericalDerivatives) -> Row:
    """Return the row of a gradient compared with a numerical derivative. ``claimed`` is None if it is missing."""

    def is_right(transposed: Array) -> bool:
        return bool(gradient_row(test_case, tensor, transposed, numerical).ok)

    derivative = numerical.derivatives[tensor]
    size = test_case.values[tensor].size
    row = Row(test_case.subject.name, tensor, derivative.method, None, derivative.tolerance, False)
    if (incomparable := _incomparable_row(row, claimed, test_case.values[tensor].shape, is_right)) or claimed is None:
        return incomparable or row
    noise = max(numerical.noise, _backward_noise(test_case, tensor))
    derivative = replace(derivative, tolerance=max(derivative.tolerance, test_case.tolerance, 200 * noise))
    scale = max(derivative.size, numerical.min_scale)
    if derivative.method == COMPLEX and not test_case.subject.analytic:
        derivative = _without_dropped_parts(derivative, claimed, numerical.scalars[tensor], test_case, scale)
    compared = comparison.compare_with_derivative(claimed, derivative, scale)
    notes = ((FLOAT32_NOTE,) if noise else ()) + _accuracy_notes(row.title, derivative, compared.kinks, scale, size)
    row = replace(row, method=derivative.method, tolerance=derivative.tolerance, error=compared.error, notes=notes)
    if compared.excess > derivative.tolerance:
        comparable = tensor == "x" and test_case.reference is None and claimed.shape == test_case.dy.shape
        if comparable:
            diagnoses = _shortcut_mistake(claimed, test_case.dy, derivative, scale)
        else:
            diagnoses = ()
        return replace(row, worst=compared.worst, diagnoses=diagnoses)
    # If kinks make most numerical derivatives too inaccurate, their agreement proves nothing.
    if np.sum(derivative.error_bounds + derivative.kink_widths > MAX_ERROR_BOUND * scale) * 2 > len(derivative.indices):
        return replace(row, checked=False, diagnoses=(HIDDEN_BY_KINKS,))
    return replace(row, ok=True, worst=compared.worst)


def _without_dropped_parts(
    by_complex_step: Derivative, claimed: Array, scalar: Scalar, test_case: TestCase, scale: float
) -> Derivative:
    """Return the derivative by differences if it confirms a gradient that a complex step contradicts.

    This is the case for code that drops imaginary parts.
    """
    if comparison.compare_with_derivative(claimed, by_complex_step, scale).excess <= by_complex_step.tolerance:
        return by_complex_step
    by_differences = derivatives.by_differences(scalar, test_case.generator)
    compared = comparison.compare_with_derivative(claimed, by_differences, scale)
    confirms = compared.excess <= by_differences.tolerance
    differ = not comparison.agree(by_complex_step, by_differences, scale)
    if confirms and differ:
        return by_differences
    return by_complex_step


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


def _incomparable_row(
    row: Row, result: Array | None, shape: tuple[int, ...], is_right: Callable[[Array], bool]
) -> Row | None:
    """Return the row of a result that is missing, not finite, or of the wrong shape; None for other results.

    is_right  whether a matrix of the expected shape is the expected result, to detect its transpose
    """
    if result is None and row.tensor == "x":
        return replace(row, diagnoses=(NO_INPUT_GRADIENT,))
    if result is None:
        return replace(_row(row.subject, row.tensor, row.tensor), method=row.method)
    if result.shape != shape:
        if result.ndim == 2 and result.shape[::-1] == shape and is_right(result.T):
            message = f"is transposed: its shape is {text(result.shape)}, not {text(shape)}"
            return replace(row, diagnoses=(Diagnosis("axes-transposed", message),))
        empty = Diagnosis(PADDING_ZERO, f"is an empty array: {EMPTY_SLICE}")
        # shapes (…, H, W) with a size replaced by that of the axis before it, as by code that takes H for both
        squares = list[tuple[int, ...]]()
        for axis in range(2, len(shape)):
            squares.append((*shape[:axis], shape[axis - 1], *shape[axis + 1 :]))
        if result.size:
            diagnoses = (WIDTH_FROM_HEIGHT,) * (result.shape in squares)
        else:
            diagnoses = (empty,)
        return replace(row, diagnoses=diagnoses, notes=(comparison.shape_message(row.title, result, shape),))
    if result.dtype.kind == "f" and result.dtype.itemsize < 4:
        return half_precision_row(row, result)
    if message := comparison.non_finite_message(result):
        return replace(row, diagnoses=(Diagnosis(NOT_FINITE, message),))
    return None


def half_precision_row(row: Row, result: Array) -> Row:
    """Return the row with the diagnosis of a result in half precision."""
    message = f"is {result.dtype}, which has 3 digits: {DTYPE_ADVICE}"
    return replace(row, diagnoses=(Diagnosis(HALF_PRECISION, message),))


def _later_method(test_case: TestCase) -> str:
    """Return the method for rows of later test cases: the reference loops, with the input shape."""
    return f"{REFERENCE_LOOPS} on {text(test_case.values[test_case.subject.tensors[0]].shape)}"


def _backward_noise(test_case: TestCase, tensor: str) -> float:
    """Return the relative rounding error of a gradient, estimated from its fourth differences with respect to dy."""

    def gradient(dy: Array) -> Array:
        return test_case.subject.gradients(test_case.values, dy)[tensor]

    if test_case.subject.analytic:
        return 0.0
    return comparison.noise(gradient, test_case.dy, test_case.generator)


def find_unnamed_gradients(
    subject: SubmittedLayer, values: Values, constants: Sequence[str], has_intended_layer: bool, seed: int
) -> list[Row]:
    """Identify gradients with unusual names, and return a row for each parameter without a gradient.

    values              a point; the learner's code is called with these values
    has_intended_layer  whether the intended layer is known, so that the subject already has all of its parameters
    """
    learner_layer = subject.learner_layer
    point = dict(values)
    adopt_unnamed_gradients(subject, values, seed)
    rows = list[Row]()
    for name in influential_arrays(learner_layer, values["x"], {*map(whole_name, subject.names.values()), *constants}):
        extended = SubmittedLayer(
            copy.deepcopy(learner_layer), subject.shape, {**subject.names, name: name}, subject.layouts
        )
        extended.learner_layer.declare(*extended.names.values())
        array = np.asarray(learner_layer.copy_of(name), np.float64)
        if has_intended_layer:
            gradient = None
        else:
            gradient = _find_gradient(extended, name, {**point, name: array}, seed)
        if gradient is None:
            rows.append(_row(subject.name, name, name))
        else:
            point[name] = array
            subject.add(name)
            learner_layer.adopt(name, gradient)
    return rows


def adopt_unnamed_gradients(subject: SubmittedLayer, values: Values, seed: int) -> None:
    """Identify gradients with unusual names by their values. The learner's code is called with these values."""
    claimed = subject.gradients(values, _upstream(subject, values, seed))
    for parameter, learner_name in subject.names.items():
        if parameter not in claimed and (gradient := _find_gradient(subject, parameter, values, seed)) is not None:
            subject.learner_layer.adopt(learner_name, gradient)


def parameters_without_gradient(network: Network, title: str, constants: Sequence[str]) -> list[Row]:
    """Return a row for each parameter of a network's custom layers whose gradient is unknown."""
    rows: list[Row] = []
    for layer_name, layer, (shape, *_) in zip(network.names, network.layers, network.input_shapes, strict=True):
        if isinstance(layer, CustomLayer):
            x = np.random.default_rng(0).normal(size=(2, *shape))
            names = influential_arrays(layer.learner_layer, x, {*layer.learner_layer.names, *constants})
            for name in names:
                rows.append(_row(title, f"{layer_name}.{name}", name))
    return rows


def _row(subject: str, tensor: str, name: str) -> Row:
    """Return the row of an unchecked parameter."""
    diagnosis = Diagnosis(NOT_CHECKED, NO_GRADIENT.format(name, name.rpartition(".")[2]))
    return Row(subject, tensor, "none", diagnoses=(diagnosis,), checked=False)


def _find_gradient(subject: SubmittedLayer, parameter: str, values: Values, seed: int) -> str | None:
    """Return the name of the array that equals a parameter's derivative after backward, or None if there is none."""
    generator = np.random.default_rng(seed)
    dy = _upstream(subject, values, seed)
    f = partial(function_of, subject, values, parameter)
    noise = comparison.noise(f, values[parameter], generator)
    derivative = derivatives.derive(f, values[parameter], dy, generator, noise=noise, limit=ENTRIES)
    subject.gradients(values, dy)
    learner_name = subject.names[parameter]
    return gradient_of(subject.learner_layer, learner_name, derivative, set(subject.names.values()))


def _upstream(subject: SubmittedLayer, values: Values, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=subject.output(values).shape)
