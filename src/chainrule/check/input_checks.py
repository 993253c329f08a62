"""Checks of other inputs: far from zero and close to it, with zeros, in other batch sizes, and where eˣ overflows."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.checked_case import CheckedCase
from chainrule.check.diagnoses.activations import overflow
from chainrule.check.failures import failure_result
from chainrule.check.library_functions import Values
from chainrule.check.report import LOGARITHM_OF_ZERO, CheckResult, Diagnosis
from chainrule.check.results import gradient_result, numerical_derivatives
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError

FAR_ENTRIES = 60  # number of elements per tensor that are checked individually far from zero


LARGE_FACTOR = 1000.0  # scale of large inputs and of large dy


SMALL_FACTOR = 1e-4  # scale of inputs close to zero


SIDE = 1e-12  # distance from a kink of the points on its two sides


DIFFERENCE_TOLERANCE = 1e-5  # of numerical derivatives at further points


HALF_PRECISION_TOLERANCE = 1e-3  # a larger tolerance indicates float16, whose maximum is 65504


UNBOUNDED = (  # losses that accept any real predictions
    *("half_squared_error", "mean_squared_error", "mean_absolute_error", "huber", "quantile"),
    *("softmax_cross_entropy", "multiclass_hinge"),
)


BATCH_OF_ONE = Diagnosis("batch-of-one", "is right for several samples but wrong for one sample: allow any batch size")


BATCH_SIZE = Diagnosis("batch-size", "is right for one batch size but wrong for another: take N from the input shape")


FAR = Diagnosis(
    "wrong-far-from-zero",
    "is right near 0 but wrong for larger inputs: look for a missing or superfluous bound, such as the 6 of ReLU6, "
    "and for the initial value of a maximum",
)


LOGARITHM = Diagnosis(
    LOGARITHM_OF_ZERO,
    "is infinite or limited for scores around ±1,000, where a probability is 0: log p = x − m − log Σ eˣ⁻ᵐ needs none",
)


NEAR = Diagnosis("wrong-near-zero", "is wrong for inputs close to 0: look for a comparison with a number other than 0")


ZEROS = Diagnosis(
    "wrong-with-zeros", "is wrong if inputs are 0 or none is negative, as after a ReLU: treat 0 as any other number"
)


def check_other_inputs(checked: CheckedCase) -> list[CheckResult]:
    """Check inputs far from zero and close to it, and inputs that are positive or 0, as after a ReLU.

    If the intended actual are unknown, only inputs far from zero are checked, by numerical derivatives: close to zero,
    the differences would cross kinks. At a kink, any gradient between those of the two sides is right: of ReLU at
    0, all from 0 to dy.
    """
    test_case = checked.test_case
    results = list[CheckResult]()
    if (x := test_case.values.get("x")) is None:  # a loss, which reads p and t
        return []
    rectified = np.abs(x)
    rectified[(slice(None), *(0 for _ in x.shape[1:]))] = 0.0  # the first element of every sample
    for method, diagnosis, inputs in (
        (
            f"inputs up to ±{random_inputs.FAR_LIMIT:.0f}",
            FAR,
            random_inputs.spread_values(x.shape, test_case.generator),
        ),
        (f"inputs up to ±{3 * SMALL_FACTOR:g}", NEAR, SMALL_FACTOR * x),
        ("inputs with zeros", ZEROS, rectified),
    ):
        values = {**test_case.values, "x": inputs}
        if not checked.output_is_right:
            return list(compare_with_derivatives(checked, values, method, diagnosis))
        at_zero = SIDE * (inputs == 0)
        below = checked.right_results({**values, "x": inputs - at_zero})
        above = checked.right_results({**values, "x": inputs + at_zero})
        actual = checked.results(values, test_case.dy)
        expected = dict[str, Array]()
        for name in below:
            expected[name] = _nearest_right(actual.get(name), below[name], above[name])
        results += checked.compare(method, actual, expected, diagnosis, x=inputs)
    return results


def _nearest_right(result: Array | None, below: Array, above: Array) -> Array:
    """Return the array between those below and above a kink, element by element, that is nearest to a result.

    If the result is missing or has another shape, return the one below: `compare` reports the shape.
    """
    if result is None or result.shape != below.shape:
        return below
    return np.clip(result, *np.sort([below, above], axis=0))


def compare_with_derivatives(
    checked: CheckedCase, values: Values, method: str, diagnosis: Diagnosis
) -> Iterator[CheckResult]:
    """Compare the gradients at another point with numerical derivatives. Yield nothing if the output is not finite."""
    y = checked.function.output(values)
    if not np.isfinite(y).all():
        return
    dy = np.resize(checked.test_case.dy, y.shape)
    test_case = replace(checked.test_case, values=values, dy=dy, output=y, reference=None)
    claimed = checked.function.gradients(values, dy)
    numerical = numerical_derivatives(test_case, FAR_ENTRIES)
    for tensor in checked.function.tensors:
        result = gradient_result(test_case, tensor, claimed.get(tensor), numerical)
        if result.error is not None and result.error <= DIFFERENCE_TOLERANCE:
            continue  # differences at any other point may be less accurate than their estimated error
        if result.is_wrong and tensor in checked.right:
            yield replace(result, method=f"{result.method}, {method}", diagnoses=result.diagnoses or (diagnosis,))


def check_batch_sizes(checked: CheckedCase) -> list[CheckResult]:
    """Compare the gradients for other batch sizes with numerical derivatives, if the intended layer is unknown."""
    values = checked.test_case.values
    results = list[CheckResult]()
    samples, *shape = values[checked.function.tensors[0]].shape
    for count, diagnosis in (
        ((1, BATCH_OF_ONE), (samples + 1, BATCH_SIZE)) if checked.test_case.reference is None else ()
    ):
        other = checked.test_case.generator.normal(size=(count, *shape))
        method = f"batch of {count}"
        try:
            results += compare_with_derivatives(checked, {**values, "x": other}, method, diagnosis)
        except StudentError as error:
            results.append(failure_result(checked.function.name, error, method))
    return results


def check_large_inputs(checked: CheckedCase) -> list[CheckResult]:
    """Check inputs around ±1,000, where eˣ overflows, unless the correct actual overflow, too.

    If the correct actual are unknown, only NaN is a mistake.
    """
    test_case = checked.test_case
    title = checked.function.name
    name = checked.function.tensors[0]
    operation = None
    if test_case.reference is not None:
        operation = test_case.reference.ground_truth(
            test_case.values, np.zeros_like(test_case.reference.output(test_case.values))
        ).operation
    if max(checked.tolerances.values()) > HALF_PRECISION_TOLERANCE or (name == "p" and operation not in UNBOUNDED):
        return []
    signs = test_case.generator.choice((-LARGE_FACTOR, LARGE_FACTOR), test_case.values[name].shape)
    signs[0] = -LARGE_FACTOR  # makes some windows contain only negative numbers
    values = {**test_case.values, name: signs * test_case.generator.uniform(0.5, 1, signs.shape)}
    diagnosis = Diagnosis("overflow", overflow(operation))
    try:
        actual = checked.results(values, test_case.dy)
    except StudentError as error:
        result = failure_result(title, error, "large inputs")
        return [replace(result, diagnoses=(replace(diagnosis, message=f"{diagnosis.message} ({error})"),))]
    if not checked.output_is_right:
        overflowing = [tensor for tensor, array in actual.items() if np.isnan(array).any()][:1]  # y, or a gradient
        return [CheckResult(title, tensor, "large inputs", diagnoses=(diagnosis,)) for tensor in overflowing]
    expected = checked.right_results(values)
    if not np.isfinite(expected["y"]).all():
        return []  # the operation itself overflows, as eˣ does
    finite = all(np.isfinite(array).all() for array in actual.values())
    results = checked.compare("large inputs", actual, expected, FAR if finite else diagnosis, x=values[name])
    if operation == "softmax_cross_entropy" and [result.tensor for result in results] == ["y"]:  # the gradient is right
        return [replace(results[0], diagnoses=(LOGARITHM,))]
    return [result for result in results if result.tensor == "y"] or results  # NaN in y explains NaN in the gradients
