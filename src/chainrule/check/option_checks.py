"""Checks of a learner's layer with other options or constructor arguments."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np

from chainrule.check import random_inputs, submitted_functions
from chainrule.check.checked_file import CheckedFile
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.examination import Examination, check_ties, examine, make_test_case, quick_check, with_diagnoses
from chainrule.check.failures import failure_result
from chainrule.check.interface_search import match_layer
from chainrule.check.known_interfaces import SMALL_SCALE, Case, ClassInterface, class_interface, impossible_value
from chainrule.check.layer_interface import fit
from chainrule.check.learner_checks import FIRST, reference_case, unknown_output_results
from chainrule.check.learner_task import LearnerTask
from chainrule.check.library_functions import LibraryLayer
from chainrule.check.pairing import match_parameters
from chainrule.check.references import LayerReference
from chainrule.check.report import CheckResult, Diagnosis
from chainrule.check.results import TestCase, adopt_unnamed_gradients, has_output_shape
from chainrule.check.tie_results import credits_all_ties
from chainrule.check.usual_options import ARGUMENTS, NAMES, OTHER_SIZES, constructor_values, usual_values
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.errors import ShapeError, StudentError
from chainrule.layers import AveragePool2D, BatchNorm2D, Layer, LayerNorm, MaxPool2D

SLOPES = dict.fromkeys(("alpha", "beta", "slope", "negative_slope"), 0.3)
EPSILONS = (1e-5, 1e-3, 1e-4, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)  # usual ε of batch normalization
EXACT = 1e-10  # relative tolerance
OPTIONS_TOLERANCE = 1e-4  # tolerance with other options; sufficient for float32 code


class LayerSignature(NamedTuple):
    """Names of the constructor arguments of a class, of those without a default, and the calls of its two methods."""

    arguments: tuple[str, ...]
    required: tuple[str, ...]
    methods: tuple[str, ...]


def check_options(
    learner_layer: LearnerLayer, other: Case, complete: bool, seed: int, ties: str | None = None
) -> list[CheckResult]:
    """Check a learner's layer with another set of options, and return the wrong results.

    Forward may reject options with an advice. If the stride does not divide the input, it may also round up the output
    size.

    complete  whether the code has a backward
    ties      "first" if max pooling must pass dy to the first of several largest elements
    """
    method = f"other options: {other.description}"
    try:
        layouts = other.layouts
        if complete and not layouts and not learner_layer.adapted_axis:
            submitted, _, _ = match_layer(learner_layer, LearnerTask(other.layer, other.shape), seed)
            learner_layer = submitted.learner_layer
            layouts = submitted.layouts
            other = replace(other, shape=submitted.shape)
        test_case = reference_case(learner_layer, other.layer, other.shape, layouts, seed, other.scale)
        if complete and isinstance(test_case.function, submitted_functions.SubmittedLayer):
            adopt_unnamed_gradients(test_case.function, test_case.values, seed)
    except StudentError as error:
        if other.advice is not None:
            return []
        return [failure_result(learner_layer.name, error, method)]
    if _may_round_up(other, test_case) and not has_output_shape(test_case):
        return []
    try:
        examination = quick_check(
            test_case, dict.fromkeys(("y", *test_case.function.tensors), OPTIONS_TOLERANCE), complete
        )
        exact = ties == FIRST and isinstance(other.layer, MaxPool2D)
        if complete and (exact or _has_touching_windows(other.layer)):
            tied = check_ties(test_case, examination, exact)
            if tied is not None and (exact or not credits_all_ties(tied)):
                examination = replace(examination, results=(*examination.results, tied))
    except StudentError as error:
        return [failure_result(learner_layer.name, error, method)]
    results = list[CheckResult]()
    for result in with_diagnoses([examination]):
        if result.is_wrong:
            diagnoses = result.diagnoses or (_options_diagnosis(other, examination, result.tensor),)
            results.append(replace(result, method=method, diagnoses=diagnoses))
    return results


def _may_round_up(other: Case, test_case: TestCase) -> bool:
    """Return whether a stride that does not divide the input, or a pooling, may round the output size up."""
    return other.advice == "uneven" or (other.advice is not None and len(test_case.function.tensors) == 1)


def _options_diagnosis(other: Case, examination: Examination, tensor: str) -> Diagnosis:
    """Return the diagnosis of a result with other options that no classic mistake explains."""
    remedy = other.remedy
    if _lost_an_axis(examination, tensor):
        remedy = "keep axes of length 1, which squeeze removes"
    return Diagnosis("options", f"is wrong for {other.description}: {remedy}")


def check_variation(learner_layer: LearnerLayer, description: str, seed: int) -> list[CheckResult]:
    """Check a learner's layer with constructor arguments that its name does not explain, and return the wrong results.

    description  the arguments, for messages

    Errors       ShapeError or StudentError if the code does not support the arguments
    """
    submitted, intended, _ = match_layer(learner_layer, LearnerTask(), seed)
    values = submitted_functions.draw_values(submitted, random_inputs.batch_size(submitted.shape), seed, intended)
    adopt_unnamed_gradients(submitted, values, seed)
    reference = None
    if intended is not None:
        reference = LayerReference(intended, submitted.layouts)
    test_case = make_test_case(submitted, values, seed, reference)
    tolerances = dict.fromkeys(("y", *submitted.tensors), OPTIONS_TOLERANCE)
    examinations = [quick_check(test_case, tolerances)]
    if len(examinations[0].results) < len(tolerances):  # the output is wrong or unknown
        examinations.append(examine(replace(test_case, reference=None)))
    method = f"other options: {description}"
    unexplained = Diagnosis("options", f"is wrong for {description}: use the options that are passed")
    results = list[CheckResult]()
    for examination in examinations:
        for result in with_diagnoses([examination]):
            if result.is_wrong:
                diagnoses = _named_for(result.diagnoses, description) or (unexplained,)
                results.append(replace(result, method=method, diagnoses=diagnoses))
    for result in unknown_output_results(test_case):
        results.append(replace(result, method=method))
    return results


def _named_for(diagnoses: Sequence[Diagnosis], description: str) -> tuple[Diagnosis, ...]:
    """Return the diagnoses with the constructor arguments of the wrong code."""
    return tuple(replace(mistake, message=f"{mistake.message} (with {description})") for mistake in diagnoses)


def _lost_an_axis(examination: Examination, tensor: str) -> bool:
    """Return whether a result has the correct number of elements but too few axes."""
    case = examination.case(tensor)
    if case is None:
        return False
    expected = case.reference.result(tensor, case.values, case.dy)
    return case.result.size == expected.size and case.result.ndim < expected.ndim


def _has_touching_windows(layer: Layer) -> bool:
    """Return whether a layer computes maxima of adjacent windows, a case that much code handles separately."""
    return isinstance(layer, MaxPool2D) and layer.window in (layer.stride, (layer.stride, layer.stride))


def with_own_variant(task: LearnerTask, learner_layer: LearnerLayer) -> LearnerTask:
    """Return the task with the ε of a learner's batch normalization, or the average that its output shows.

    The ε is inferred from the output unless a value within the bounds of practice is stored. An average may divide by
    the number of cells with or without padding.
    """
    if isinstance(task.against, AveragePool2D) and task.against.padding != "valid":
        counted = replace(task.against, count_padding=True)
        intended = LibraryLayer(counted, task.shape or ())
        interface = fit(learner_layer, intended)
        if interface is not None and interface.fits:
            return replace(task, against=counted)
        return task
    if not isinstance(task.against, BatchNorm2D | LayerNorm):
        return task
    epsilon = stored_epsilon(learner_layer)
    if epsilon is None or impossible_value("epsilon", epsilon):
        epsilon = _epsilon_of(learner_layer, task.against, task.shape or ())
    if epsilon is None:
        return task
    return replace(task, against=replace(task.against, epsilon=epsilon))


def stored_epsilon(learner_layer: LearnerLayer) -> float | None:
    """Return the ε that a learner's normalization stores, or None if there is none."""
    for name in ARGUMENTS["epsilon"]:
        if learner_layer.has(name):
            value = learner_layer.copy_of(name)
            if value is not None and value.ndim == 0 and value > 0:
                return float(value)
    return None


def _epsilon_of(learner_layer: LearnerLayer, layer: BatchNorm2D | LayerNorm, shape: tuple[int, ...]) -> float | None:
    """Return the usual ε that reproduces the output of a new normalization, or None if there is none."""
    x = np.random.default_rng(0).normal(0, SMALL_SCALE, (5, *shape))
    try:
        y = copy.deepcopy(learner_layer).forward(x)
    except StudentError:
        return None
    for candidate in EPSILONS:
        submitted = LibraryLayer(replace(layer, epsilon=candidate), shape)
        scales = {"gamma": np.ones(submitted.parameters["gamma"]), "beta": np.zeros(submitted.parameters["beta"])}
        if nearly_equal(y, submitted.output({"x": x, **scales}), EXACT):
            return candidate
    return None


def other_options_results(
    file: CheckedFile, name: str, intended: tuple[ClassInterface, LearnerTask], arguments: Sequence[str], seed: int
) -> Iterator[CheckResult]:
    """Yield the results of a class with the other options of its interface.

    intended  the interface, and the task with the first options
    """
    known_interface, task = intended
    for case in known_interface.cases(arguments)[1:]:
        kept = dict[str, Any]()
        for option in ("count_padding", "bias"):
            if hasattr(case.layer, option):
                kept[option] = getattr(task.against, option)
        other = replace(case, layer=replace(cast("Any", case.layer), **kept))
        try:
            learner_layer = file.layer(name, options=constructor_values(other.layer, other.shape))
        except StudentError:
            if other.advice is not None:
                continue
            raise
        if known_interface.resizable(arguments) or _fits(learner_layer, LibraryLayer(other.layer, other.shape)):
            yield from check_options(learner_layer, other, True, seed, task.ties)


def variation_results(
    file: CheckedFile, name: str, options: Mapping[str, Any], signature: LayerSignature, seed: int
) -> Iterator[CheckResult]:
    """Yield the results of a class with the author's default values, and with other values for an unknown interface."""
    by_text = activation_arguments(signature.arguments)
    slopes = dict[str, float]()
    for argument, slope in SLOPES.items():
        if argument in signature.arguments:
            slopes[argument] = slope
    for variation in _variations(name, options, signature, slopes):
        shown = list[str]()
        for argument, value in variation.items():
            if argument in (*signature.arguments, *by_text):
                shown.append(f"{argument}={value}")
        with suppress(StudentError, ShapeError):  # code may support fewer options
            learner_layer = file.layer(name, options=variation)
            results = check_variation(learner_layer, ", ".join(shown) or "the default arguments", seed)
            is_known = not (slopes or by_text)  # another slope may be that of no layer
            for result in results:
                if is_known or (result.is_wrong and result.tensor != "y"):
                    yield result


def _variations(
    name: str, options: Mapping[str, Any], signature: LayerSignature, slopes: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    """Yield the values of the constructor arguments of further objects of a class."""
    required = dict[str, Any]()
    for argument, value in options.items():
        if argument in signature.required:
            required[argument] = value
    if any(argument in options and argument not in required for argument in signature.arguments):
        yield required  # without the optional arguments, the author's defaults apply
    if class_interface(name) is None:
        for sizes in OTHER_SIZES:
            values = usual_values(signature.arguments, sizes)
            if values:
                yield {**options, **values}
    if slopes.keys() - options.keys():
        yield {**options, **slopes}
    for argument in activation_arguments(signature.arguments):
        for text in NAMES["activations"]:
            yield {**options, argument: text}


def activation_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the constructor arguments that select an activation by its name: their default is a text."""
    names = list[str]()
    for argument in arguments:
        name, is_text, _ = argument.partition("=")
        if is_text and name in NAMES["activation_arguments"]:
            names.append(name)
    return names


def _fits(learner_layer: LearnerLayer, intended: LibraryLayer) -> bool:
    """Return whether an object's parameters have the shapes of a layer's parameters."""
    try:
        match_parameters(copy.deepcopy(learner_layer), intended)
    except StudentError:
        return False
    return True
