"""The check of a class or an object of a file: a layer or a loss, with its modes and other options."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from chainrule.check import constructors
from chainrule.check.checked_file import CheckedFile
from chainrule.check.failures import failure_result
from chainrule.check.input_formats import INPUT_NOTE
from chainrule.check.interface_search import UPDATES_NOTE
from chainrule.check.known_interfaces import ClassInterface, class_interface, impossible_value, normalized_name
from chainrule.check.learner_checks import ONE_NONZERO_NOTE, ONLY_SQUARE, check_layer, of_single_samples
from chainrule.check.learner_task import LearnerTask
from chainrule.check.library_functions import LibraryLayer, LibraryLoss
from chainrule.check.loss_checks import check_loss_interface
from chainrule.check.loss_interface import all_losses, find_loss_interface
from chainrule.check.mode_checks import class_results
from chainrule.check.option_checks import (
    EPSILONS,
    SLOPES,
    LayerSignature,
    activation_arguments,
    other_options_results,
    stored_epsilon,
    variation_results,
    with_own_variant,
)
from chainrule.check.pair_checks import other_pair_results
from chainrule.check.report import CheckResult, Report, all_right, has_wrong
from chainrule.check.usual_options import constructor_values, usual_values
from chainrule.custom.calls import InterfaceError
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.losses import ONLY_LOSS
from chainrule.custom.sample_axis import LAST, ONE, AdaptedLoss
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import BatchNorm2D, Dropout, Layer, LayerNorm, Softmax

# Beginnings of notes that the report of a file repeats
REPORTED_NOTES = (INPUT_NOTE, UPDATES_NOTE, ONE_NONZERO_NOTE)


LOGITS, PROBABILITIES = "softmax_cross_entropy", "categorical_cross_entropy"


PROBABILITIES_NOTE = "checked on probabilities, because it is not the cross-entropy of logits"


SINGLE_VECTORS = f"{INPUT_NOTE} single vectors or columns, without a batch axis"


NORMALIZATIONS = (BatchNorm2D, LayerNorm)


OF_VECTORS = (Softmax, LayerNorm)  # layers that code may compute for a single vector, or for columns of a batch


class Findings(NamedTuple):
    """What the checks of earlier classes have found: notes for the report, which checks extend, and results."""

    notes: list[str]
    results: Sequence[CheckResult]

    def may_take_vectors(self, *, certain: bool) -> bool:
        """Return whether the other classes of a file take single vectors, or are not known to take batches.

        certain  whether another class must take single vectors
        """
        single = set[str]()
        for note in self.notes:
            if "single" in note or "vectors" in note:
                single.add(note.partition(":")[0])
        if certain:
            return bool(single)
        for result in self.results:
            if result.title == "dw" and result.ok and result.name not in single:
                return False
        return True


def _sample_results(
    learner_layer: LearnerLayer, task: LearnerTask, seed: int, axes: Sequence[str]
) -> tuple[CheckResult, ...]:
    """Return the results of a layer for columns of a batch, or for single vectors; empty if it is wrong."""
    for axis in axes:
        with suppress(StudentError):
            report = check_layer(learner_layer.adapted(axis), task, seed)
            if report.ok:
                return report.results
    return ()


def results_of_class(
    file: CheckedFile,
    name: str,
    signature: LayerSignature,
    seed: int,
    base: LearnerTask,
    findings: Findings,
    is_loss: bool,
) -> Iterator[CheckResult]:
    """Yield the results of a class or an object.

    findings    those of earlier classes
    is_loss     whether the methods take predictions and targets

    A class that raises an error counts as not checked, because it may expect other inputs than its name suggests. If
    all of its earlier results were right, it counts as wrong.
    """
    known_interface = class_interface(name)
    is_right = False
    try:
        if known_interface is not None and known_interface.layer is None:
            yield from _loss_class_results(file, name, known_interface.against, seed, findings)
            return
        if is_loss:
            yield from _loss_class_results(file, name, None, seed, findings)
            return
        task, known = _task(name, known_interface, signature, base)
        tried = [*signature.required]
        if known_interface is not None:
            tried += activation_arguments(signature.arguments)
        learner_layer, options = constructors.construct(file, name, tried, known, seed)
        if signature.arguments == ("ctx",):
            yield from other_pair_results(file, name, None, base, seed)
            return
        task, report = _report_of_fitting_task(learner_layer, with_own_variant(task, learner_layer), seed)
        results = report.results
        epsilon = stored_epsilon(learner_layer) if isinstance(task.against, NORMALIZATIONS) else None
        if epsilon is not None:
            results = _results_with_epsilon(results, name, epsilon, findings.notes)
        layer = task.against or (known_interface and known_interface.fixed_layer)
        if isinstance(layer, OF_VECTORS) and not report.ok and findings.may_take_vectors(certain=False):
            single = _vector_results(file.layer(name, options=options), layer, findings, seed)
            if single:
                findings.notes.append(f"{name}: {SINGLE_VECTORS}")
                results = single
        guessed = set(signature.required) - known.keys()  # arguments whose values were found by trial
        if guessed:
            results = [result for result in results if ONLY_SQUARE not in result.diagnoses]
        yield from results
        for note in report.notes:
            if note.startswith(REPORTED_NOTES):
                findings.notes.append(f"{name}: {note}")
        is_right = all_right(results)
        if is_right and not guessed:
            yield from _results_with_other_options(file, name, options, signature, (known_interface, task), seed)
    except (StudentError, ShapeError) as error:
        yield _failed_class_result(name, error, signature, is_right, is_loss)


def _vector_results(learner_layer: LearnerLayer, layer: Layer, findings: Findings, seed: int) -> Sequence[CheckResult]:
    """Return the results of a layer for columns of a batch, or for single vectors; empty if it is wrong.

    The code may run on batches, so only another layer that takes single vectors shows that they are meant.
    """
    axes = [LAST]
    if findings.may_take_vectors(certain=True):
        axes.append(ONE)
    return _sample_results(learner_layer, LearnerTask(layer, (6,)), seed, axes)


def _failed_class_result(
    name: str, error: StudentError | ShapeError, signature: LayerSignature, is_right: bool, is_loss: bool
) -> CheckResult:
    """Return the result of a class that raises an error, with the contract to state if nothing was checked before."""
    failure = error if isinstance(error, StudentError) else str(error)
    notes = ()
    if not is_right:
        notes = (constructors.class_contract(name, signature.arguments, signature.methods, is_loss),)
    if str(failure).endswith(ONLY_LOSS):
        return failure_result(name, failure, checked=is_right, notes=notes, tensor="p")
    return failure_result(name, failure, checked=is_right, notes=notes)


def _results_with_other_options(
    file: CheckedFile,
    name: str,
    options: Mapping[str, Any],
    signature: LayerSignature,
    course: tuple[ClassInterface | None, LearnerTask],
    seed: int,
) -> Iterator[CheckResult]:
    """Yield the results of a class whose first instance is right, for its modes and for other arguments."""
    known_interface, task = course
    if task.against is not None:
        intended = LibraryLayer(task.against, task.shape or ())
        yield from class_results(name, intended, lambda modes: file.layer(name, options={**options, **modes}), seed)
    has_slope = not SLOPES.keys().isdisjoint(signature.arguments)
    if not (options or has_slope or activation_arguments(signature.arguments)):
        return
    if isinstance(task.against, (*NORMALIZATIONS, Dropout)):
        return  # the only option of these is the number of features or the probability
    if known_interface is not None and task.against is not None:
        yield from other_options_results(file, name, (known_interface, task), signature.arguments, seed)
    yield from variation_results(file, name, options, signature, seed)


def _results_with_epsilon(
    results: Sequence[CheckResult], name: str, epsilon: float, notes: list[str]
) -> Sequence[CheckResult]:
    """Return the results of a normalization. An impossible epsilon explains the wrong ones; an unusual one is noted."""
    mistake = impossible_value("epsilon", epsilon)
    if not mistake:
        if epsilon not in EPSILONS:
            notes.append(f"{name} has epsilon = {epsilon:g}; usual is {EPSILONS[0]:g}")
        return results
    explained = list[CheckResult]()
    for result in results:
        explained.append(replace(result, diagnoses=mistake) if result.is_wrong else result)
    return explained


def _loss_class_results(
    file: CheckedFile, name: str, usual: str | None, seed: int, findings: Findings
) -> Sequence[CheckResult]:
    """Return the results of a loss.

    usual     the loss that its name suggests; None if it is unknown
    findings  those of earlier classes

    Errors   InterfaceError if the values of an unknown loss are those of no loss of this library
    """
    if usual is None:
        candidates = all_losses()
    else:
        candidates = [LibraryLoss(usual, engine="reference")]
        if usual == LOGITS and "softmax" not in normalized_name(name):
            candidates.append(LibraryLoss(PROBABILITIES, engine="reference"))
    code = file.loss(name)
    interface = find_loss_interface(code, candidates, seed, lenient=True)
    if usual is None and not interface.right:
        raise InterfaceError("its values are those of no loss of this library; name the loss with --against LOSS")
    if usual == LOGITS and interface.intended.name == PROBABILITIES:
        findings.notes.append(f"{name}: {PROBABILITIES_NOTE}")
    for note in interface.notes:
        findings.notes.append(f"{name}: {note}")
    results = check_loss_interface(interface, seed).results
    if has_wrong(results) and findings.may_take_vectors(certain=True):
        of_samples = find_loss_interface(AdaptedLoss(code, single=True), [interface.intended], seed, lenient=True)
        single = of_single_samples(check_loss_interface(of_samples, seed)).results
        if all(result.ok for result in single):
            findings.notes.append(f"{name}: {SINGLE_VECTORS}")
            return single
    return results


def _report_of_fitting_task(learner_layer: LearnerLayer, task: LearnerTask, seed: int) -> tuple[LearnerTask, Report]:
    """Return the first task that a layer's code can be checked against, and the report of this check.

    Three tasks are tried, from the strictest to the most lenient: the intended layer; this layer without a bias, which
    a learner may omit; no intended layer, where only the gradients are checked. Code that raises an error does not fit
    a task. For the task without a bias, the output must also be right, since a wrong one means another layer.

    Errors   UnwrittenError if a function is not written; StudentError if the code fits no task
    """
    layer: Any = task.against
    if layer is None:
        return task, check_layer(learner_layer, task, seed)
    stricter = [task]
    if getattr(layer, "bias", False):
        stricter.append(replace(task, against=replace(layer, bias=False)))
    for candidate in stricter:
        try:
            report = check_layer(learner_layer, candidate, seed)
        except UnwrittenError:  # no task can change this
            raise
        except StudentError:
            continue
        wrong_outputs = [result for result in report.results if result.tensor == "y" and result.is_wrong]
        if candidate is task or not wrong_outputs:
            return candidate, report
    unknown = replace(task, against=None, shape=None, larger=None)
    return unknown, check_layer(learner_layer, unknown, seed)


def _task(
    name: str, known_interface: ClassInterface | None, signature: LayerSignature, task: LearnerTask
) -> tuple[LearnerTask, dict[str, Any]]:
    """Return the completed task of a layer class, and values of its constructor arguments.

    The task has no intended layer if a required argument has an unknown name.
    """
    options = dict[str, Any]()
    if known_interface is None:
        options = usual_values(signature.arguments)
    elif signature.arguments:
        case = known_interface.cases(signature.arguments)[0]
        task = replace(task, against=case.layer, shape=case.shape, larger=case.larger)
        for argument, value in constructor_values(case.layer, case.shape).items():
            if argument in signature.arguments:
                options[argument] = value
        unknown = [argument for argument in signature.required if argument not in options]
        if isinstance(case.layer, NORMALIZATIONS) and len(unknown) == 1:  # the number of features
            options[unknown[0]] = case.shape[0]
        elif isinstance(case.layer, Dropout):
            if unknown:
                options[unknown[0]] = case.layer.rate
            task = replace(task, options_given=bool(options))
    elif known_interface.layer is Dropout:
        case = known_interface.cases(signature.arguments)[0]
        task = replace(task, against=case.layer, shape=case.shape, options_given=False)
    if set(signature.required) - options.keys():
        task = replace(task, against=None, shape=None, larger=None)
    return task, options
