"""Checks of a learner's layer or loss on several test cases, batch sizes and inputs."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from chainrule.check import random_inputs, submitted_functions
from chainrule.check.checked_case import CheckedCase
from chainrule.check.examination import Examination, examine, make_test_case, quick_check, with_diagnoses
from chainrule.check.extra_checks import OVERWRITTEN, extra_checks
from chainrule.check.failures import failure_result
from chainrule.check.first_wrong import with_first_wrong
from chainrule.check.host.process import GuestSlow
from chainrule.check.input_checks import BATCH_OF_ONE
from chainrule.check.learner_task import LearnerTask
from chainrule.check.library_functions import LibraryLayer, Values
from chainrule.check.mode_checks import dropout_results
from chainrule.check.references import LayerReference
from chainrule.check.report import DY_OVERWRITTEN, RESHAPED, CheckResult, Diagnosis, Report, has_wrong
from chainrule.check.results import TestCase, half_precision_result, output_result
from chainrule.check.submitted_functions import SubmittedLayer, failed_in_backward
from chainrule.check.tie_results import TIE_OPERATIONS, with_ties
from chainrule.core.shapes import text
from chainrule.custom.interface import Code
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import BatchNorm2D, Dropout

FIRST = "first"  # value of `LearnerTask.ties`
MIN_TOLERANCE = 1e-9  # tolerance on further test cases
UNKNOWN_OUTPUT = Diagnosis(
    "not-checked",
    "is not checked: the output identifies none of the layers of this library; pass the layer: --against LAYER",
)
DROPOUT_NOTE = "the numbers of a dropout are random: its mask, scale and gradient are checked, in training"
QUICK_TOLERANCE = 1e-6  # tolerance of the comparison with the reference that precedes all other checks


def check_layer(code: Code, task: LearnerTask, seed: int) -> Report:
    """Return the report of a learner's layer under the contract of its task. An unwritten function has a result.

    If backward fails or is missing, the report still contains the result of y: a wrong output may be the cause.

    Errors   StudentError if forward fails
    """
    intended = None
    if task.against is not None:
        intended = LibraryLayer(task.against, task.shape or random_inputs.input_shape_for(task.against))
    try:
        if isinstance(task.against, Dropout) and task.against.rate:
            return _dropout_report(code, task.against.rate, cast("LibraryLayer", intended).shape, seed)
        return _check_written_layer(code, task, intended, seed)
    except StudentError as error:
        result = failure_result(code.kind, error)
        if result.tensor == "y":  # forward fails; a failure of backward has the result of x
            if isinstance(error, UnwrittenError):
                return Report(code.kind, (result,))
            raise
        if intended is None:
            return Report(code.kind, (result,))
        test_case = layer_case(code, intended, seed)
        output = with_diagnoses([Examination(test_case, {}, (output_result(test_case),))])
        failed = [replace(result, tensor=tensor) for tensor in intended.tensors]
        return Report(code.kind, (*output, *failed))


def _dropout_report(code: Code, rate: float, shape: tuple[int, ...], seed: int) -> Report:
    """Return the report of a learner's dropout in training."""
    results = list[CheckResult]()
    try:
        results.extend(dropout_results(code, rate, shape, seed))
    except StudentError as error:
        if not results:
            raise
        results.append(failure_result(code.kind, error))
    return Report(code.kind, tuple(results), (shape_note(shape), DROPOUT_NOTE))


def submitted_layer(code: Code, intended: LibraryLayer) -> SubmittedLayer:
    """Return a learner's layer as the intended layer. Parameters that its contract does not use are neutral."""
    return SubmittedLayer(code, intended.shape, [name for name in intended.parameters if name in code.parameters])


def layer_case(code: Code, intended: LibraryLayer, seed: int, scale: float = 1.0) -> TestCase:
    """Return a test case for a copy of a learner's layer, with a reference for the intended layer.

    scale  factor for the inputs
    """
    submitted = submitted_layer(copy.deepcopy(code), intended)
    values = submitted_functions.draw_values(
        submitted, random_inputs.batch_size(intended.shape), seed, intended.parameters
    )
    return make_test_case(submitted, {**values, "x": scale * values["x"]}, seed, LayerReference(intended))


def _check_written_layer(code: Code, task: LearnerTask, intended: LibraryLayer | None, seed: int) -> Report:
    """Return the report of a learner's layer, assuming that its functions are written."""
    if intended is None:
        submitted = SubmittedLayer(code, task.shape or (), [*task.shapes])
        shapes = task.shapes
        reference = None
    else:
        submitted = submitted_layer(code, intended)
        shapes = intended.parameters
        reference = LayerReference(intended)
    count = random_inputs.batch_size(submitted.shape)
    values = submitted_functions.draw_values(submitted, count, seed, shapes)
    earlier = submitted_functions.draw_values(submitted, count, seed + 2, shapes)
    submitted.gradients(earlier, np.resize(1.0, submitted.output(earlier).shape))
    test_case = make_test_case(submitted, values, seed, reference)
    cheap = quick_check(
        replace(test_case, function=copy.deepcopy(submitted)), dict.fromkeys(("y", *submitted.tensors), QUICK_TOLERANCE)
    )
    notes = [shape_note(submitted.shape)]
    try:
        return _complete_report(code, task, test_case, earlier, notes, seed)
    except GuestSlow as slow:
        if not cheap.results:
            raise
        return Report(code.kind, tuple(with_diagnoses([cheap])), (*notes, f"{code.kind} {slow}"))


def _complete_report(
    code: Code, task: LearnerTask, test_case: TestCase, earlier: Values, notes: Sequence[str], seed: int
) -> Report:
    """Return the report of all checks of a learner's layer. ``earlier`` are values of an earlier call."""
    submitted = cast("SubmittedLayer", test_case.function)
    reference = cast("LayerReference | None", test_case.reference)
    unknown_output = unknown_output_results(test_case)
    examination = examine(test_case, earlier=earlier)
    other_sizes, batch_of_one = _check_other_sizes(submitted, examination, task.larger, seed)
    results = with_first_wrong_entry(with_diagnoses([examination, *other_sizes]), examination)
    if reference is not None:
        forward = reference.intended.plan.forward
    else:
        forward = ()
    if forward and forward[0].name in TIE_OPERATIONS:
        results = with_ties(results, examination, exact=task.ties == FIRST and forward[0].name == TIE_OPERATIONS[0])
    if not has_wrong(results):
        right = {result.tensor for result in examination.results if result.ok}
        for result in batch_of_one:
            if result.tensor in right:
                results.append(result)
    for name in sorted(submitted.reshaped):
        results.append(_reshaped_result(submitted, name))
    results += [result for result in extra_results(examination, earlier) if not _is_reported(result, results)]
    return Report(code.kind, (*results, *unknown_output), tuple(notes))


def unknown_output_results(test_case: TestCase) -> list[CheckResult]:
    """Return the result of an output that cannot be compared, because the intended layer is unknown."""
    result = CheckResult(test_case.function.name, "y", "none", checked=False, diagnoses=(UNKNOWN_OUTPUT,))
    if test_case.reference:
        return []
    return [
        result
        if test_case.output.dtype.itemsize >= 4
        else half_precision_result(replace(result, checked=True), test_case.output)
    ]


def _reshaped_result(submitted: SubmittedLayer, name: str) -> CheckResult:
    """Return the result of a right gradient whose shape has other axes of length 1."""
    message = f"does not have the shape of {name}: reshape it, or change keepdims in the sum"
    return CheckResult(submitted.name, name, "its shape", diagnoses=(Diagnosis(RESHAPED, message),))


def with_first_wrong_entry(results: Sequence[CheckResult], examination: Examination) -> list[CheckResult]:
    """Return the results, with the first wrong element added to the first wrong result of the first test case."""
    completed = list(results)
    for first in examination.results:
        if not first.is_wrong:
            continue
        for place, result in enumerate(results):
            if (result.tensor, result.method) == (first.tensor, first.method):
                completed[place] = with_first_wrong(result, examination)
        break
    return completed


def _is_reported(result: CheckResult, results: Sequence[CheckResult]) -> bool:
    """Return whether a mistake in a result's tensor is already known. Overwritten arrays are always reported."""
    if result.diagnoses[0].name in (OVERWRITTEN, DY_OVERWRITTEN):
        return False
    return any(other.tensor == result.tensor and other.is_wrong for other in results)


def further_tolerances(examination: Examination) -> dict[str, float]:
    """Return the tolerances of y and all tensors on further test cases: four times those on the first, or more."""
    return {result.tensor: max(MIN_TOLERANCE, 4 * result.tolerance) for result in examination.results}


def extra_results(examination: Examination, other: Values) -> list[CheckResult]:
    """Return results for mistakes that the first test case does not reveal.

    other  other values, with the same shapes as the test case's
    """
    right = {"y"}  # unless it has a result
    for result in examination.results:
        right.discard(result.tensor)
    last = dict[str, CheckResult]()
    for result in examination.results:
        last[result.tensor] = result
    for tensor, result in last.items():
        if result.ok:
            right.add(tensor)
    tolerances = further_tolerances(examination)
    tolerances.setdefault("y", max(tolerances.values()))
    return extra_checks(CheckedCase(examination.test_case, examination.claimed, tolerances, frozenset(right), other))


def _check_other_sizes(
    submitted: SubmittedLayer, first: Examination, larger: tuple[int, ...] | None, seed: int
) -> tuple[list[Examination], list[CheckResult]]:
    """Check other batch sizes, and another input size if the code and the layer support it.

    larger  another shape of one input; None: choose one

    Returns the examinations of batches of several samples, and the wrong results of a batch of one, or the result of an
    error. Wrong results of a batch of one only get the diagnosis `BATCH_OF_ONE`, because many mistakes have the same
    effect on a single sample.
    """
    reference = first.test_case.reference
    if not isinstance(reference, LayerReference):
        return [], []
    tolerances = further_tolerances(first)
    count = random_inputs.batch_size(submitted.shape)
    larger = larger or random_inputs.larger_shape(submitted.shape)
    examinations = list[Examination]()
    large_batch = random_inputs.large_batch_size(submitted.shape, seed)
    sizes_to_check = (  # input shape, batch size, seed of the values, batch size with repeated samples or 0
        (larger, count + 1, seed + 1, 0),
        (submitted.shape, count, seed + 1, 0),
        (submitted.shape, count, seed, large_batch),
        (submitted.shape, 1, seed + 1, 0),
    )
    for shape, samples, values_seed, repeated in dict.fromkeys(sizes_to_check):
        if shape != submitted.shape and not _has_same_parameters(reference, shape):
            continue
        if samples == 1 and isinstance(reference.intended.layer, BatchNorm2D):
            continue  # the variance of a single value is zero
        intended = LibraryLayer(reference.intended.layer, shape)
        other = SubmittedLayer(submitted.code, shape, submitted.names, submitted.name)
        try:
            test_case = make_test_case(
                other,
                submitted_functions.draw_values(other, samples, values_seed, intended.parameters, repeated),
                seed,
                LayerReference(intended),
            )
            examinations.append(quick_check(test_case, tolerances))
        except StudentError as error:
            if shape == submitted.shape or failed_in_backward(str(error)):
                return examinations, [failure_result(submitted.name, error, f"batch of {repeated or samples}")]
    if len(examinations[-1].test_case.values["x"]) == 1:
        wrong = [result for result in examinations[-1].results if result.is_wrong]
    else:
        wrong = []
    single = list[CheckResult]()
    for result in wrong:
        single.append(replace(result, method="batch of 1", diagnoses=result.diagnoses or (BATCH_OF_ONE,)))
    return [examination for examination in examinations if len(examination.test_case.values["x"]) > 1], single


def _has_same_parameters(reference: LayerReference, shape: tuple[int, ...]) -> bool:
    """Return whether a layer's parameters have the same shapes for inputs of another shape."""
    try:
        return LibraryLayer(reference.intended.layer, shape).parameters == reference.intended.parameters
    except ShapeError:
        return False


def shape_note(shape: tuple[int, ...]) -> str:
    """Return a note with the input shape."""
    return f"on inputs of shape {text(shape)}"
