"""Checks of a learner's layer or loss on several test cases, batch sizes and inputs."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from chainrule.check import input_formats, random_inputs, submitted_functions
from chainrule.check.checked_case import CheckedCase
from chainrule.check.examination import Examination, examine, make_test_case, quick_check, with_diagnoses
from chainrule.check.extra_checks import OVERWRITTEN, extra_checks
from chainrule.check.failures import failure_result
from chainrule.check.first_wrong import with_first_wrong
from chainrule.check.host.process import GuestSlow
from chainrule.check.input_checks import BATCH_OF_ONE
from chainrule.check.intended_layer import misnamed_results
from chainrule.check.interface_search import match_layer, with_intended_layer, with_layer_of_output
from chainrule.check.layer_interface import fit
from chainrule.check.learner_task import LearnerTask
from chainrule.check.library_functions import LibraryLayer, Values
from chainrule.check.mode_checks import dropout_results
from chainrule.check.pairing import match_parameters
from chainrule.check.parameters import NO_CHANNELS, ArrayLayout
from chainrule.check.references import LayerReference
from chainrule.check.report import DY_OVERWRITTEN, RESHAPED, CheckResult, Diagnosis, Report, has_wrong
from chainrule.check.results import TestCase, find_unnamed_gradients, half_precision_result, output_result
from chainrule.check.submitted_functions import OneNonzero, SubmittedLayer, failed_in_backward
from chainrule.check.tie_results import TIE_OPERATIONS, with_ties
from chainrule.core.shapes import text
from chainrule.custom.calls import Array
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.sample_axis import ONE
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import BatchNorm2D, Dropout, Layer

FIRST = "first"  # value of `LearnerTask.ties`
MIN_TOLERANCE = 1e-9  # tolerance on further test cases
UNKNOWN_OUTPUT = Diagnosis(
    "not-checked",
    "is not checked: the output identifies none of the layers of this library; pass the layer: --against LAYER",
)
ONLY_SQUARE = Diagnosis(
    "only-square",
    "is computed for square images only: take height and width from the shape of x, or pass --input-shape if all "
    "images are square",
)
DROPOUT_NOTE = "the numbers of a dropout are random: its mask, scale and gradient are checked, in training"
ONE_NONZERO_NOTE = "backward is right only if a single element of dy is not 0, as for the logarithm of one probability"
QUICK_TOLERANCE = 1e-6  # tolerance of the comparison with the reference that precedes all other checks


def check_layer(learner_layer: LearnerLayer, task: LearnerTask, seed: int) -> Report:
    """Return the report of a learner's layer. Each unwritten function gets a result that reports it as missing.

    If backward fails or is missing, the report still contains the result of y: a wrong output may be the cause.

    Errors   StudentError if forward fails, or if backward fails and nothing is known about y: the error alone is then
             the result
    """
    try:
        if isinstance(task.against, Dropout) and task.against.rate:
            shape = task.shape or random_inputs.input_shape_for(task.against)
            return _dropout_report(learner_layer, task.against.rate, shape, seed, task.options_given)
        return _check_written_layer(learner_layer, task, seed)
    except StudentError as error:
        result = failure_result(learner_layer.name, error)
        is_unwritten = isinstance(error, UnwrittenError)
        if result.tensor == "y":  # forward fails; a failure of backward has the result of x
            if is_unwritten:
                return Report(learner_layer.name, (result,))
            raise
        if task.against is None and not is_unwritten:  # that it is missing needs no explanation
            task = with_layer_of_output(learner_layer, task, seed)
        output = check_output(learner_layer, task, seed)
        if not output and not is_unwritten:
            raise
        if task.against is None:
            tensors = ("x",)
        else:
            tensors = _tensors(task)
        return Report(learner_layer.name, (*output, *(replace(result, tensor=tensor) for tensor in tensors)))


def _tensors(task: LearnerTask) -> tuple[str, ...]:
    """Return the names of the tensors of a task's intended layer."""
    layer = cast("Layer", task.against)
    return LibraryLayer(layer, task.shape or random_inputs.input_shape_for(layer)).tensors


def _dropout_report(
    learner_layer: LearnerLayer, rate: float, shape: tuple[int, ...], seed: int, rate_is_given: bool
) -> Report:
    """Return the report of a learner's dropout in training.

    rate_is_given  whether the code was given the rate
    """
    results = list[CheckResult]()
    try:
        results.extend(dropout_results(learner_layer, rate, shape, seed, rate_is_given))
    except StudentError as error:
        if not results:
            raise
        results.append(failure_result(learner_layer.name, error))
    return Report(learner_layer.name, tuple(results), (shape_note(shape), DROPOUT_NOTE))


def check_output(learner_layer: LearnerLayer, task: LearnerTask, seed: int) -> list[CheckResult]:
    """Return the result of y for a layer without backward, or an empty list if the intended layer is unknown."""
    if task.against is None:
        return []
    shape = task.shape or random_inputs.input_shape_for(task.against)
    intended = LibraryLayer(task.against, shape)
    interface = fit(learner_layer, intended, layouts=task.layouts)
    if interface is not None and interface.exact:
        layouts = interface.submitted.layouts
    else:
        layouts = task.layouts
    test_case = reference_case(learner_layer, task.against, shape, layouts, seed)
    return with_diagnoses([Examination(test_case, {}, (output_result(test_case),))])


def reference_case(
    learner_layer: LearnerLayer,
    against: Layer,
    shape: tuple[int, ...] | None,
    layouts: Mapping[str, ArrayLayout],
    seed: int,
    scale: float = 1.0,
) -> TestCase:
    """Return a test case for a copy of a learner's layer, with a reference for the intended layer.

    scale  factor for the inputs
    """
    intended = LibraryLayer(against, shape or random_inputs.input_shape_for(against))
    submitted = match_parameters(copy.deepcopy(learner_layer), intended, layouts)
    values = submitted_functions.draw_values(submitted, random_inputs.batch_size(intended.shape), seed, intended)
    reference = LayerReference(intended, submitted.layouts)
    return make_test_case(submitted, {**values, "x": scale * values["x"]}, seed, reference)


def _check_written_layer(learner_layer: LearnerLayer, task: LearnerTask, seed: int) -> Report:
    """Return the report of a learner's layer, assuming that its functions are written."""
    submitted, intended, notes = match_layer(learner_layer, task, seed)
    constants = task.constants
    count = random_inputs.batch_size(submitted.shape)
    first = submitted_functions.draw_values(submitted, count, seed + 2, intended)
    unchecked = find_unnamed_gradients(submitted, first, constants, intended is not None, seed)
    if intended is None and not unchecked:
        submitted, intended = with_intended_layer(submitted, seed)
    values = submitted_functions.draw_values(submitted, count, seed, intended)
    earlier = submitted_functions.draw_values(submitted, count, seed + 2, intended)
    notes.insert(0, shape_note(submitted.shape))
    if intended is not None:
        reference = LayerReference(intended, submitted.layouts)
    else:
        reference = None
    test_case = make_test_case(submitted, values, seed, reference)
    cheap = quick_check(
        replace(test_case, function=copy.deepcopy(submitted)), dict.fromkeys(("y", *submitted.tensors), QUICK_TOLERANCE)
    )
    try:
        report = _complete_report(learner_layer, task, test_case, earlier, notes, unchecked, seed)
    except GuestSlow as slow:
        if not cheap.results:
            raise
        report = Report(
            learner_layer.name, (*with_diagnoses([cheap]), *unchecked), (*notes, f"{learner_layer.name} {slow}")
        )
    if ONE == submitted.learner_layer.adapted_axis != task.samples:
        return of_single_samples(report)
    return report


def of_single_samples(report: Report) -> Report:
    """Return the report of code that takes one sample at a time, although batches are expected."""
    return replace(report, results=tuple(replace(result, single=True) for result in report.results))


def _complete_report(
    learner_layer: LearnerLayer,
    task: LearnerTask,
    test_case: TestCase,
    earlier: Values,
    notes: Sequence[str],
    unchecked: Sequence[CheckResult],
    seed: int,
) -> Report:
    """Return the report of all checks of a learner's layer.

    earlier    values of an earlier call
    unchecked  results of parameters that cannot be checked
    """
    submitted = cast("SubmittedLayer", test_case.function)
    reference = cast("LayerReference | None", test_case.reference)
    if unchecked:
        unknown_output = []
    else:
        unknown_output = unknown_output_results(test_case)
    examination = examine(test_case, earlier=earlier)
    if learner_layer.rate and _returns_probabilities(test_case.output) and has_wrong(examination.results):
        single = examine(replace(test_case, function=OneNonzero(submitted)))
        if not has_wrong(single.results):
            results = (*single.results, *extra_results(single, earlier), *unchecked, *unknown_output)
            return Report(learner_layer.name, results, (*notes, ONE_NONZERO_NOTE))
    other_sizes, batch_of_one = _check_other_sizes(submitted, examination, task.larger, seed)
    if task.against is None and reference is not None and _hides_window(reference.intended):
        own = examination.test_case.values["x"].shape[1:]
        other_sizes = [other for other in other_sizes if other.test_case.values["x"].shape[1:] == own]
    results = with_first_wrong_entry(with_diagnoses([examination, *other_sizes]), examination)
    if reference is not None:
        forward = reference.intended.plan.forward
    else:
        forward = ()
    if forward and forward[0].name in TIE_OPERATIONS:
        results = with_ties(results, examination, exact=task.ties == FIRST and forward[0].name == TIE_OPERATIONS[0])
    if not has_wrong(results):
        right = set[str]()
        for result in examination.results:
            if result.ok:
                right.add(result.tensor)
        for result in batch_of_one:
            if result.tensor in right:
                results.append(result)
    results += _square_results(learner_layer, submitted, task)
    for name, shape in submitted.reshaped.items():
        results.append(_reshaped_result(submitted, name, shape))
    results += [result for result in extra_results(examination, earlier) if not _is_reported(result, results)]
    if task.against is None and not (unchecked or task.constants) and not has_wrong(results):
        intended = reference and reference.intended
        unknown_output = misnamed_results(learner_layer.kind, submitted, intended, test_case.values) or unknown_output
    return Report(learner_layer.name, (*results, *unchecked, *unknown_output), tuple(notes))


def _hides_window(intended: LibraryLayer) -> bool:
    """Return whether the output suggests one window along an axis, which may have any size or stride elsewhere."""
    return len(intended.output_shape) < len(intended.shape) or 1 in intended.output_shape[1:]


def _square_results(learner_layer: LearnerLayer, submitted: SubmittedLayer, task: LearnerTask) -> list[CheckResult]:
    """Return the result of a layer that takes square images only, unless the task or the code specifies their size."""
    shape = submitted.shape
    if (
        len(shape) != 3
        or shape[1] != shape[2]
        or shape == task.shape
        or input_formats.stores_shape(learner_layer, shape)
    ):
        return []
    return [CheckResult(submitted.name, "y", "oblong images", diagnoses=(ONLY_SQUARE,))]


def _returns_probabilities(y: Array) -> bool:
    """Return whether the outputs of each sample are not negative and add up to 1."""
    return y.ndim > 1 and y.min() >= 0 and bool(np.allclose(y.reshape(len(y), -1).sum(axis=1), 1))


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


def _reshaped_result(submitted: SubmittedLayer, name: str, shape: tuple[int, ...]) -> CheckResult:
    """Return the result of a right gradient whose shape has other axes of length 1."""
    message = f"has the shape {text(shape)}, unlike {name}: reshape it, or change keepdims in the sum"
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
        (_several_channels(submitted), count, seed + 1, 0),
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
        other = SubmittedLayer(submitted.learner_layer, shape, submitted.names, submitted.layouts)
        try:
            test_case = make_test_case(
                other,
                submitted_functions.draw_values(other, samples, values_seed, intended, repeated),
                seed,
                LayerReference(intended, submitted.layouts),
            )
            examinations.append(quick_check(test_case, tolerances))
        except StudentError as error:
            if shape == submitted.shape or (_is_adapted(submitted) and failed_in_backward(str(error))):
                return examinations, [failure_result(submitted.name, error, f"batch of {repeated or samples}")]
    if len(examinations[-1].test_case.values["x"]) == 1:
        wrong = [result for result in examinations[-1].results if result.is_wrong]
    else:
        wrong = []
    single = list[CheckResult]()
    for result in wrong:
        single.append(replace(result, method="batch of 1", diagnoses=result.diagnoses or (BATCH_OF_ONE,)))
    return [examination for examination in examinations if len(examination.test_case.values["x"]) > 1], single


def _several_channels(submitted: SubmittedLayer) -> tuple[int, ...]:
    """Return the input shape, with three channels instead of one if the code accepts channels."""
    shape = submitted.shape
    if len(shape) == 3 and shape[0] == 1 and submitted.layouts.get("x") != NO_CHANNELS:
        return (3, *shape[1:])
    return shape


def _is_adapted(submitted: SubmittedLayer) -> bool:
    return bool(submitted.learner_layer.adapted_axis) or "x" in submitted.layouts


def _has_same_parameters(reference: LayerReference, shape: tuple[int, ...]) -> bool:
    """Return whether a layer's parameters have the same shapes for inputs of another shape."""
    try:
        return LibraryLayer(reference.intended.layer, shape).parameters == reference.intended.parameters
    except ShapeError:
        return False


def shape_note(shape: tuple[int, ...]) -> str:
    """Return a note with the input shape."""
    return f"on inputs of shape {text(shape)}"
