"""Checks of other inputs: far from zero and close to it, with zeros, in other batch sizes, and where eˣ overflows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.checked_case import CheckedCase
from chainrule.check.failures import failure_result
from chainrule.check.library_functions import Values
from chainrule.check.report import LOGARITHM_OF_ZERO, CheckResult, Diagnosis
from chainrule.check.results import TestCase, gradient_result, numerical_derivatives
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError

FAR_ENTRIES = 60  # number of elements per tensor that are checked individually far from zero
REMEDIES = {
    "softmax": "subtract the largest element of each row before taking eˣ, which does not change the result",
    "softmax_cross_entropy": "subtract the largest element m of each row before taking eˣ, and take no logarithm of a "
    "probability, which may be 0: log p = x − m − log Σ eˣ⁻ᵐ",
    "sigmoid": "use 1/(1 + e⁻ˣ) where x ≥ 0 and eˣ/(1 + eˣ) where x < 0",
    "tanh": "use np.tanh, or write it with e⁻²|ˣ|",
    "gelu": "use np.tanh",
    "exact_gelu": "use math.erfc or scipy.special.ndtr",
}


LARGE_FACTOR = 1000.0  # scale of large inputs and of large dy
LARGE_INPUTS = "large inputs"  # name of their check


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


@dataclass(frozen=True)
class OtherInputs:
    """Further inputs x, the name of their check, and the diagnosis of results that are wrong for them only."""

    method: str
    diagnosis: Diagnosis
    x: Array


def check_other_inputs(checked: CheckedCase) -> list[CheckResult]:
    """Check inputs far from zero and close to it, and inputs that are positive or 0, as after a ReLU.

    If the intended results are unknown, only inputs far from zero are checked, by numerical derivatives: close to zero,
    the differences would cross kinks.
    """
    values = checked.test_case.values
    x = values.get("x")
    if x is None:  # a loss, which reads p and t
        return []
    spread = random_inputs.spread_values(x.shape, checked.test_case.generator)
    far = OtherInputs(f"inputs up to ±{random_inputs.FAR_LIMIT:.0f}", FAR, spread)
    if not checked.output_is_right:
        return list(compare_with_derivatives(checked, {**values, "x": far.x}, far.method, far.diagnosis))
    near = OtherInputs(f"inputs up to ±{3 * SMALL_FACTOR:g}", NEAR, SMALL_FACTOR * x)
    rectified = np.abs(x)
    rectified[(slice(None), *(0 for _ in x.shape[1:]))] = 0.0  # the first element of every sample
    results = list[CheckResult]()
    for inputs in (far, near, OtherInputs("inputs with zeros", ZEROS, rectified)):
        results += _compare_with_reference(checked, inputs)
    return results


def _compare_with_reference(checked: CheckedCase, inputs: OtherInputs) -> list[CheckResult]:
    """Return the wrong results for other inputs.

    At a kink, any gradient between those of the two sides is right: of ReLU at 0, all from 0 to dy.
    """
    values = {**checked.test_case.values, "x": inputs.x}
    distance = SIDE * (inputs.x == 0)
    below = checked.right_results({**values, "x": inputs.x - distance})
    above = checked.right_results({**values, "x": inputs.x + distance})
    actual = checked.results(values, checked.test_case.dy)
    expected = dict[str, Array]()
    for name in below:
        expected[name] = _nearest_right(actual.get(name), below[name], above[name])
    return checked.compare(inputs.method, actual, expected, inputs.diagnosis, x=inputs.x)


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
    if checked.test_case.reference is not None:  # `learner_checks` compares other batches with the reference
        return []
    values = checked.test_case.values
    results = list[CheckResult]()
    samples, *shape = values[checked.function.tensors[0]].shape
    for count, diagnosis in ((1, BATCH_OF_ONE), (samples + 1, BATCH_SIZE)):
        x = checked.test_case.generator.normal(size=(count, *shape))
        method = f"batch of {count}"
        try:
            results += compare_with_derivatives(checked, {**values, "x": x}, method, diagnosis)
        except StudentError as error:
            results.append(failure_result(checked.function.name, error, method))
    return results


def check_large_inputs(checked: CheckedCase) -> list[CheckResult]:
    """Check inputs around ±1,000, where eˣ overflows, unless the correct results overflow, too.

    If the correct results are unknown, only NaN is a mistake.
    """
    test_case = checked.test_case
    name = checked.function.tensors[0]
    operation = _operation(test_case)
    is_half_precision = max(checked.tolerances.values()) > HALF_PRECISION_TOLERANCE
    is_bounded = name == "p" and operation not in UNBOUNDED  # such as probabilities
    if is_half_precision or is_bounded:
        return []
    values = {**test_case.values, name: _large_values(test_case.values[name].shape, test_case.generator)}
    diagnosis = Diagnosis("overflow", _overflow(operation))
    try:
        actual = checked.results(values, test_case.dy)
    except StudentError as error:
        failed = replace(diagnosis, message=f"{diagnosis.message} ({error})")
        return [failure_result(checked.function.name, error, LARGE_INPUTS, diagnoses=(failed,))]
    if not checked.output_is_right:
        for tensor, array in actual.items():
            if np.isnan(array).any():  # in y, or in a gradient
                return [CheckResult(checked.function.name, tensor, LARGE_INPUTS, diagnoses=(diagnosis,))]
        return []
    expected = checked.right_results(values)
    if not np.isfinite(expected["y"]).all():
        return []  # the operation itself overflows, as eˣ does
    if all(np.isfinite(array).all() for array in actual.values()):
        diagnosis = FAR
    results = checked.compare(LARGE_INPUTS, actual, expected, diagnosis, x=values[name])
    of_output = [result for result in results if result.tensor == "y"]
    is_only_output = len(of_output) == len(results) == 1
    if operation == "softmax_cross_entropy" and is_only_output:  # the gradient needs no logarithm
        return [replace(of_output[0], diagnoses=(LOGARITHM,))]
    return of_output or results  # NaN in y explains NaN in the gradients


def _operation(test_case: TestCase) -> str | None:
    """Return the name of the operation that the code should compute; None if it is unknown."""
    if test_case.reference is None:
        return None
    y = test_case.reference.output(test_case.values)
    return next(iter(test_case.reference.ground_truth(test_case.values, np.zeros_like(y)).operations), None)


def _large_values(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Draw values from 500 to 1,000 of both signs; in the first sample all are negative, so that whole windows are."""
    signs = generator.choice((-LARGE_FACTOR, LARGE_FACTOR), shape)
    signs[0] = -LARGE_FACTOR
    return signs * generator.uniform(0.5, 1, shape)


def _overflow(operation: str | None) -> str:
    """Return the message about overflow for large inputs, with advice for the operation (None if it is unknown)."""
    remedy = REMEDIES.get(operation or "", "write it so that no exponent is above 0")
    return f"overflows for inputs around ±1,000 (eˣ is infinite above 709): {remedy}"
