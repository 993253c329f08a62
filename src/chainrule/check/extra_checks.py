"""Further checks of a learner's code: repeated calls, batch sizes, memory layouts, dtypes, and inputs far from zero.

Each check compares results with expected ones: the results at the test case, those of the intended layer, or numerical
derivatives at another point. A check returns results only for mistakes.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from chainrule.check.checked_case import CheckedCase
from chainrule.check.failures import failure_result
from chainrule.check.input_checks import LARGE_FACTOR, check_batch_sizes, check_large_inputs, check_other_inputs
from chainrule.check.report import DY_OVERWRITTEN, CheckResult, Diagnosis
from chainrule.check.submitted_functions import SubmittedLayer, SubmittedLoss
from chainrule.custom.calls import EARLIER
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError

OVERWRITTEN = "arrays-overwritten"
FLOAT32_TOLERANCE = 1e-3  # tolerance for float32 inputs

OVERWRITING = {  # by kind of array
    EARLIER: "overwrites the {} of an earlier call: return a new array in every call",
    "caller": "overwrites {}: work on a copy, since the caller still needs the original",
    "parameter": "changes {}: leave updates to the optimizer, after backward",
}
BATCHES = ("x", "p", "t")  # tensors with a batch axis

STALE = Diagnosis(
    "stale-forward",
    "belongs to an earlier call of forward: backward must use the values that the last forward stored",
)
SHARED = Diagnosis(
    "shared-between-layers",
    "uses values that another object of the same code stored: store them in the cache or in attributes of the object "
    "(self.…), not in global variables or in attributes of the class or function",
)
CONSUMED = Diagnosis(
    "kept-values-overwritten",
    "is wrong in a second backward after the same forward: backward overwrites values that forward stored; copy them",
)
STATE = Diagnosis(
    "state-between-calls", "depends on earlier calls: forward must not store anything that changes its later results"
)
STRIDED = Diagnosis(
    "memory-layout",
    "is wrong for arrays that are not contiguous in memory, such as slices: use shapes and indices, not raw memory",
)
NUMBER_OF_CLASSES = Diagnosis(
    "number-of-classes", "is right for one number of classes but wrong for another: take K from p.shape[1]"
)
OTHER_VALUES = Diagnosis("other-values", "is right for some values but wrong for others")
FLOAT32_INPUTS = Diagnosis("float32-inputs", "is wrong for inputs in float32: create new arrays in the dtype of x")
NONLINEAR = Diagnosis(
    "not-linear-in-dy", "is right for one dy but wrong for its multiples or parts: a gradient is linear in dy"
)


def extra_checks(checked: CheckedCase) -> list[CheckResult]:
    """Return results for mistakes that the test case does not reveal: the first result of each tensor."""
    first_results = dict[tuple[str, bool], CheckResult]()
    for check in CHECKS:
        try:
            results = check(checked)
        except StudentError as error:  # code that raises an error fails the check
            results = [failure_result(checked.function.name, error, "another call")]
        for result in results:
            first_results.setdefault((result.tensor, check is check_unchanged_arrays), result)
    return list(first_results.values())


def check_unchanged_arrays(checked: CheckedCase) -> list[CheckResult]:
    """Check that calls do not modify the caller's arrays, arrays from earlier calls, options or parameters."""
    function = checked.function
    results = list[CheckResult]()
    if not isinstance(function, SubmittedLayer):
        return []
    forward = tuple[str, ...]()
    backward = tuple[str, ...]()
    for values, dy in ((checked.test_case.values, checked.test_case.dy), (checked.other, checked.test_case.dy / 2)):
        function.output(values)
        forward += function.changed
        function.gradients(values, dy)
        backward += function.changed
    calls = {
        "forward": dict.fromkeys(forward),
        "backward": dict.fromkeys(name for name in backward if name not in forward),
    }
    for call, names in calls.items():
        if names:
            if call == "forward":
                tensor = "y"
            else:
                tensor = function.tensors[0]
            only_dy = call == "backward" and [*names] == ["dy"]
            diagnosis = Diagnosis(DY_OVERWRITTEN if only_dy else OVERWRITTEN, _overwriting_message(call, names))
            results.append(CheckResult(function.name, tensor, "arrays left as they were", diagnoses=(diagnosis,)))
    return results


def _overwriting_message(call: str, names: Collection[str]) -> str:
    """Return the message about overwritten arrays.

    call    "forward" or "backward"
    names   names of the arrays that the call overwrote
    """
    arrays: dict[str, list[str]] = {kind: [] for kind in OVERWRITING}
    for name in names:
        if name in ("x", "dy", "y", "p", "t"):
            kind = "caller"
        elif name.startswith(EARLIER):
            kind = EARLIER
        else:
            kind = "parameter"
        arrays[kind].append(name.removeprefix(kind))
    parts = list[str]()
    for kind, overwritten in arrays.items():
        if overwritten:
            parts.append(OVERWRITING[kind].format(" and ".join(overwritten)))
    return f"comes from a {call} that {'; and '.join(parts)}"


def check_another_forward(checked: CheckedCase) -> list[CheckResult]:
    """Check that a forward of other values does not affect the results of the next forward and backward."""
    test_case = checked.test_case
    function = checked.function
    function.output(checked.other)
    outputs = {"y": function.output(test_case.values)}
    results = checked.compare("after another forward", outputs, {"y": test_case.output}, STATE)
    function.output(checked.other)
    return results + checked.compare(
        "after another forward", function.gradients(test_case.values, test_case.dy), checked.claimed, STALE
    )


def check_another_instance(checked: CheckedCase) -> list[CheckResult]:
    """Check that a forward of another object between forward and backward does not change the gradients.

    Objects that share a cache would use each other's values. The other object runs on a batch of the same size, whose
    values would give wrong gradients, then on one sample less, which would also reveal a shared shape.
    """
    test_case = checked.test_case
    function = checked.function
    if not isinstance(function, SubmittedLayer) or not function.independent:
        return []
    if isinstance(function, SubmittedLoss):
        kind = "loss"
    else:
        kind = "layer"
    instance = function.another()
    another = function.another()
    expected = instance.gradients(test_case.values, test_case.dy)
    smaller_batch = dict[str, Array]()
    for name, value in checked.other.items():
        smaller_batch[name] = value[:-1] if name in BATCHES else value
    for values in (checked.other, smaller_batch):
        instance.output(test_case.values)
        try:
            another.output(values)
        except StudentError:  # batch sizes are checked separately
            continue
        try:
            gradients = instance.backward(test_case.values, test_case.dy)
        except StudentError as error:
            diagnosis = replace(SHARED, message=f"{SHARED.message} ({error})")
            return [failure_result(function.name, error, f"another {kind} in between", diagnoses=(diagnosis,))]
        if results := checked.compare(f"another {kind} in between", gradients, expected, SHARED):
            return results
    return []


def check_second_backward(checked: CheckedCase) -> list[CheckResult]:
    """Check that a second backward after one forward returns the same gradients. It may also raise an error."""
    test_case = checked.test_case
    function = checked.function
    if not isinstance(function, SubmittedLayer):
        return []
    first = function.gradients(test_case.values, test_case.dy)
    if function.changed:  # already reported by check_unchanged_arrays
        return []
    try:
        second = function.backward(test_case.values, test_case.dy)
    except StudentError:
        return []
    return checked.compare("backward twice", second, first, CONSUMED)


def check_linearity(checked: CheckedCase) -> list[CheckResult]:
    """Check that gradients are linear in dy, for a dy that is multiplied, divided, or split into a sum of parts."""
    values = checked.test_case.values
    dy = checked.test_case.dy
    if not dy.ndim:
        return []
    # Each entry: the sum of the gradients for the parts, divided by the factor, should equal the gradients for dy.
    for method, factor, parts in (
        ("dy times 1000", LARGE_FACTOR, [LARGE_FACTOR * dy]),
        ("dy divided by 1000", 1 / LARGE_FACTOR, [dy / LARGE_FACTOR]),
        ("dy in parts", 1.0, _parts_of_dy(checked)),
    ):
        sums = dict[str, Array]()
        for number, part in enumerate(parts):
            gradients = checked.function.gradients(values, part)
            if gradients.keys() != checked.claimed.keys():  # code that fails for such a dy
                return []
            for name, gradient in gradients.items():
                if gradient.shape != checked.claimed[name].shape:  # already wrong: it changes from call to call
                    return []
                sums[name] = gradient if number == 0 else sums[name] + gradient
        whole = {name: sums[name] / factor for name in checked.claimed}
        results = checked.compare(method, whole, checked.claimed, NONLINEAR)
        if results:
            return results
    return []


def _parts_of_dy(checked: CheckedCase) -> list[Array]:
    """Return arrays that add up to dy: one nonzero element, a few, a constant, all positive, and all negative.

    The nonzero elements are those at the largest elements of dx, or of y if dx has another size: beyond a kink, the
    gradient would be 0 anyway.
    """
    dy = checked.test_case.dy
    dx = checked.claimed.get("x")
    if dx is None or dx.size != dy.size:
        influence = checked.test_case.output
    else:
        influence = dx
    order = np.argsort(np.abs(influence), axis=None)
    single = np.zeros_like(dy)
    few = np.zeros_like(dy)
    single.flat[order[-1:]] = few.flat[order[-4:-1]] = 1.0
    constant = np.ones_like(dy)
    positive = np.abs(dy)
    negative = dy - single - few - constant - positive  # dy − |dy| ≤ 0, so the remainder to dy is ≤ −1
    return [single, few, constant, positive, negative]


def check_strided_arrays(checked: CheckedCase) -> list[CheckResult]:
    """Check the same values in non-contiguous arrays."""
    function = checked.function
    if not isinstance(function, SubmittedLayer):
        return []
    function.strided = True
    try:
        results = checked.results(checked.test_case.values, checked.test_case.dy)
    finally:
        function.strided = False
    return checked.compare("arrays with gaps", results, {"y": checked.test_case.output, **checked.claimed}, STRIDED)


def check_float32_inputs(checked: CheckedCase) -> list[CheckResult]:
    """Compare the actual for float32 inputs with those for the same values in float64.

    If they differ, the check is repeated with scaled values, since rounding may have crossed a kink.
    """
    if not isinstance(checked.function, SubmittedLayer):
        return []
    dy = checked.test_case.dy.astype(np.float32)
    results = list[CheckResult]()
    for factor in (1.0, 0.75):
        single = dict[str, Array]()
        double = dict[str, Array]()
        for name, value in checked.test_case.values.items():
            single[name] = (factor * value).astype(np.float32)
            double[name] = single[name].astype(np.float64)
        expected = checked.results(double, dy.astype(np.float64))
        actual = checked.results(single, dy)
        results = checked.compare("inputs in float32", actual, expected, FLOAT32_INPUTS, FLOAT32_TOLERANCE)
        if not results:
            break
    return results


CHECKS = (
    *(check_unchanged_arrays, check_another_forward, check_another_instance, check_second_backward, check_linearity),
    *(check_strided_arrays, check_float32_inputs, check_other_inputs, check_batch_sizes, check_large_inputs),
)
