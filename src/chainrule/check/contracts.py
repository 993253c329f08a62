"""Checks of code under a stated contract, which says how it is called, and the contracts of courses.

The contracts of a course are data in the folder `courses`: names of classes or functions, the intended layer, loss or
optimizer, the shape of one input, and the text of the contract, where {C} is the name in the file.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.checked_file import CheckedFile
from chainrule.check.course_contracts import CourseEntry, course
from chainrule.check.failures import failure_result
from chainrule.check.learner_checks import check_layer
from chainrule.check.learner_task import LearnerTask
from chainrule.check.library_functions import DifferentiableFunction, LibraryLayer, LibraryLoss, MulticlassHinge
from chainrule.check.loss_checks import check_loss
from chainrule.check.loss_interface import all_losses
from chainrule.check.mode_checks import class_results
from chainrule.check.optimizer_checks import optimizer_kind, optimizer_results
from chainrule.check.option_checks import with_own_variant
from chainrule.check.report import CheckResult, Diagnosis, Report, all_right
from chainrule.check.results import NOT_CHECKED
from chainrule.check.running_statistics import normalization_results
from chainrule.check.submitted_functions import NEUTRAL
from chainrule.custom.contract import Contract, parse
from chainrule.custom.contract_code import TRAIN
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.methods import EVALUATED
from chainrule.errors import OptionError, ShapeError, StudentError
from chainrule.layers import BatchNorm2D, Dropout, LayerNorm, expressions
from chainrule.network import losses

SIZES = {"D": 7, "O": 4, "C": 3, "H": 6, "W": 8, "K": 3, "L": 2, "N": 5}  # of code that is no layer of this library


def read(argument: str) -> str:
    """Return the contract in a file, or the argument itself if it is no file, in one line; OptionError for others."""
    path = Path(argument)
    is_file = "\n" not in argument and "=" not in argument and path.is_file()
    return str(parse(path.read_text(encoding="utf-8") if is_file else argument))


def stated_report(file: CheckedFile, text: str, against: str | None, base: LearnerTask, seed: int) -> Report:
    """Return the report of code under a contract.

    text     the contract
    against  the intended layer, loss or optimizer; None: a layer of any kind, a loss of this library, or the optimizer
             that the name suggests
    base     the input shape, and the treatment of ties
    """
    contract = parse(text)
    if "dw" in contract.reads:
        kind = optimizer_kind(against or contract.name)
        if kind is None:
            raise OptionError(f"{contract.name}: state the optimizer, such as --against adam")
        results = tuple(optimizer_results(contract.name, kind, partial(file.evaluate, None), [str(contract)], seed))
        return Report(contract.name, results, (_note(contract),))
    if "p" in contract.reads:
        report = check_loss(file.loss(contract=text), _losses(against), seed)
        return replace(report, notes=(*report.notes, _note(contract)))
    layer = None
    if against is not None:
        layer = expressions.layer(against)
    task = replace(base, against=layer, contract=text)
    return layer_report(file, task, seed)


def layer_report(file: CheckedFile, task: LearnerTask, seed: int) -> Report:
    """Return the report of a layer under the contract of its task, with the results of its modes."""
    contract = parse(task.contract or "")
    learner_layer = file.layer(contract=task.contract)
    if task.against is None:
        shape = task.shape or _usual_shape(contract)
        task = replace(task, shape=shape)
        _put_parameters(learner_layer, contract, shape, seed)
    elif isinstance(task.against, BatchNorm2D | LayerNorm):
        task = _with_epsilon(file, task)
    try:
        report = check_layer(learner_layer, task, seed)
    except StudentError as error:  # in forward, or because the code does not keep to the contract
        return Report(learner_layer.name, (failure_result(learner_layer.name, error),), (_note(contract),))
    results = list[CheckResult]()
    for result in report.results:
        results.append(_of_contract(result, contract))
    if task.against is not None and all_right(results):
        results += _mode_results(file, contract, task, seed)
    return replace(report, results=tuple(results), notes=(*report.notes, _note(contract)))


def _of_contract(result: CheckResult, contract: Contract) -> CheckResult:
    """Return the result; if no gradient was found, with the advice to correct the contract."""
    if result.failed or result.checked or result.tensor not in contract.parameters:
        return result
    place = ""
    for line in contract.lines:
        if result.title in line.assigns:
            place = str(line)
            break
    if place:
        problem = f"after backward, there is nothing for {place}"
    else:
        problem = f"the contract does not state {result.title}"
    return replace(result, diagnoses=(Diagnosis(NOT_CHECKED, f"is not checked: {problem}"),))


def _with_epsilon(file: CheckedFile, task: LearnerTask) -> LearnerTask:
    """Return the task with the usual ε that the output of a normalization shows, which a contract may leave open."""
    learner_layer = file.layer(contract=task.contract)
    layer = cast("BatchNorm2D | LayerNorm", task.against)
    shape = task.shape or random_inputs.input_shape_for(layer)
    for name, size in LibraryLayer(layer, shape).parameters.items():
        if learner_layer.has(name):
            learner_layer.put(name, np.full(size, NEUTRAL.get(name, 0.0)))
    return with_own_variant(replace(task, shape=shape), learner_layer)


def _usual_shape(contract: Contract) -> tuple[int, ...]:
    """Return the shape of one input for the axes that a contract states; by default, that of a vector."""
    stated = contract.axes("x") or ""
    axes = contract.own_axes("x", len(stated.replace("1", ""))) or ""
    return tuple(SIZES[axis] for axis in axes.replace("N", "") or "D")


def _put_parameters(learner_layer: LearnerLayer, contract: Contract, shape: tuple[int, ...], seed: int) -> None:
    """Set the parameters of a layer that is none of this library to arrays with the stated axes."""
    sizes = {**SIZES, **dict(zip("D" if len(shape) == 1 else "CHW", shape, strict=False))}
    generator = np.random.default_rng(seed)
    for name in learner_layer.names:
        axes = contract.layouts.get(name, "").replace("1", "")
        if not axes:
            raise OptionError(f"{contract.name}: state the layer (--against), or the axes of {name}, as in {name}: D,O")
        learner_layer.put(name, generator.normal(size=[sizes[axis] for axis in axes]))


def _mode_results(file: CheckedFile, contract: Contract, task: LearnerTask, seed: int) -> list[CheckResult]:
    """Return the results of the modes of a dropout or a batch normalization; empty for other layers."""
    layer: Any = task.against
    intended = LibraryLayer(layer, task.shape or random_inputs.input_shape_for(layer))

    def load(modes: Any) -> LearnerLayer:
        learner_layer = file.layer(contract=str(contract))
        if modes.get(EVALUATED):
            learner_layer.put(TRAIN, 0.0)
        return learner_layer

    if not isinstance(layer, Dropout | BatchNorm2D):
        return []
    if not contract.has_modes:
        message = "no line of the contract states the test mode, as in test: self.eval()"
        return [failure_result(contract.name, message, "mode='test'", checked=False, tensor="y")]
    if isinstance(layer, Dropout):
        return class_results(contract.name, intended, load, seed)
    return normalization_results(contract.name, intended, load({}), seed)


def _losses(against: str | None) -> Sequence[DifferentiableFunction]:
    """Return the losses that code may compute."""
    if against is None:
        return all_losses()
    if against == MulticlassHinge.name:
        return [MulticlassHinge()]
    return [LibraryLoss(losses.find(against), engine="reference")]


def _note(contract: Contract) -> str:
    """Return the note with a contract, and what it leaves out."""
    names = sorted(name for name in contract.reads & {"w", "b", "gamma", "beta", "slope"})
    if "dw" in contract.reads or "p" in contract.reads:
        return f"contract: {contract}"
    left_out = list[str]()
    for name in ("x", *names):
        if f"d{name}" not in contract.assigns:
            left_out.append(f"d{name}")
    return f"contract: {contract}" + f" (states no {', '.join(left_out)})" * bool(left_out)


def entries_of_file(file: CheckedFile, name: str, selected: Collection[str] | None) -> dict[str, list[CourseEntry]]:
    """Return the contracts of a course by the names in a file that they are for.

    selected  names in the file; None: all
    """
    contents = file.contents()
    course_entries = course(name)
    classes = {*contents.layers, *contents.losses, *contents.optimizers} - {*contents.functions}
    entries_by_name = dict[str, list[CourseEntry]]()
    for held in dict.fromkeys([*contents.layers, *contents.functions, *contents.losses, *contents.optimizers]):
        if selected is not None and held not in selected:
            continue
        for entry in course_entries:
            if held in entry.names or (held in classes and held.lower() in map(str.lower, entry.names)):
                entries_by_name.setdefault(held, []).append(entry)
    return entries_by_name


def course_report(
    file: CheckedFile, name: str, base: LearnerTask, seed: int, title: str, selected: Collection[str] | None = None
) -> Report:
    """Return the report of the classes and functions of a file that a course has contracts for.

    Of several contracts for one name, the first that the code keeps to is used.

    Errors   StudentError if there are none
    """
    entries_by_name = entries_of_file(file, name, selected)
    if not entries_by_name:
        usual = ", ".join(dict.fromkeys(entry.names[0] for entry in course(name)))
        raise StudentError(f"{title} has none of the names of the course {name}: {usual}")
    results = list[CheckResult]()
    notes = list[str]()
    for held, entries in entries_by_name.items():
        file.start_part()
        report = _first_report(file, held, entries, base, seed)
        for result in report.results:
            results.append(replace(result, name=held))
        for note in report.notes:
            if note.startswith("contract: "):
                notes.append(f"{held}: {note}")
    return Report(title, tuple(results), tuple(notes), brief=True)


def _first_report(file: CheckedFile, name: str, entries: Sequence[CourseEntry], base: LearnerTask, seed: int) -> Report:
    """Return the report under the first contract that the code keeps to; if there is none, that under the last one."""
    report = Report(name, ())
    for entry in entries:
        task = replace(base, shape=entry.shape)
        try:
            report = stated_report(file, entry.text(name), entry.against, task, seed)
        except (StudentError, ShapeError) as error:
            if isinstance(error, StudentError):
                failure = error
            else:
                failure = str(error)
            report = Report(name, (failure_result(name, failure),), (_note(parse(entry.text(name))),))
        if any(result.checked for result in report.results):
            break
    return report
