"""Checks of code under a stated contract, which says how it is called, and the contracts of courses.

The contracts of a course are data in the folder `courses`: names of classes or functions, the intended layer, loss or
optimizer, the shape of one input, and the text of the contract, where {C} is the name in the file.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.checked_file import CheckedFile
from chainrule.check.course_contracts import CourseEntry, course
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.examination import check_ties, quick_check, with_diagnoses
from chainrule.check.failures import failure_result
from chainrule.check.known_interfaces import Case, interface_of
from chainrule.check.learner_checks import FIRST, check_layer, layer_case, submitted_layer
from chainrule.check.learner_task import LearnerTask
from chainrule.check.library_functions import LibraryLayer, MulticlassHinge
from chainrule.check.loss_checks import check_loss
from chainrule.check.loss_interface import losses_of
from chainrule.check.mode_checks import dropout_results, identity_result, normalization_results
from chainrule.check.optimizer_checks import optimizer_kind, optimizer_results
from chainrule.check.reading import EPSILONS
from chainrule.check.report import CheckResult, Diagnosis, Report, all_right
from chainrule.check.results import NOT_CHECKED, has_output_shape
from chainrule.check.submitted_functions import NEUTRAL
from chainrule.check.tie_results import credits_all_ties
from chainrule.custom.calls import InterfaceError
from chainrule.custom.contract import OPTIONS, PARAMETERS, Contract, parse
from chainrule.custom.contract_code import divided
from chainrule.errors import OptionError, ShapeError, StudentError
from chainrule.layers import BatchNorm2D, Dropout, Layer, LayerNorm, MaxPool2D, expressions

OTHER_RATE, OTHER_SIZE = 0.45, 400  # of a dropout
OPTIONS_TOLERANCE = 1e-4  # tolerance with other options; sufficient for float32 code
UNCOVERED = Diagnosis(
    NOT_CHECKED, "is not judged: no contract covers it; state one with --contract (docs/checking.md#contracts)"
)
UNUSUAL_EPSILON = Diagnosis(
    "default-epsilon", "is wrong if ε is not passed: its default must be a usual one, such as 1e-5"
)
DEFAULTED = re.compile(r"'\w+': (epsilon|momentum)(, )?")  # entries of a dictionary of options
SMALL_SCALE, EXACT = 3e-3, 1e-10  # standard deviation of inputs whose variance is close to the usual ε; tolerance
SIZES = {"D": 7, "O": 4, "C": 3, "H": 6, "W": 8, "K": 3, "L": 2, "N": 5}  # of code that is no layer of this library


def read(argument: str) -> str:
    """Return the contract in a file, or the argument itself if it is no file, in one line; OptionError for others."""
    path = Path(argument)
    is_file = "\n" not in argument and "=" not in argument and path.is_file()
    return str(parse(path.read_text(encoding="utf-8") if is_file else argument))


def file_report(file: CheckedFile, text: str, against: str | None, base: LearnerTask, seed: int) -> Report:
    """Return the report of a file under a stated contract, with the functions and classes that it does not cover."""
    report = stated_report(file, text, against, base, seed)
    covered = parse(text).reads
    return replace(report, results=(*report.results, *uncovered_results(file, covered)))


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
        results = tuple(optimizer_results(contract.name, kind, file.evaluate, [str(contract)], seed))
        return Report(contract.name, results, (contract_note(contract),))
    if "p" in contract.reads:
        return replace(_loss_report(file, text, against, seed), brief=False)
    task = replace(base, against=None if against is None else expressions.layer(against), contract=text)
    if task.against is not None:
        task = replace(task, options=Case(task.against, ()).options)
    return layer_report(file, task, seed)


def _loss_report(file: CheckedFile, text: str, against: str | None, seed: int) -> Report:
    """Return the report of a loss under a contract: of the first loss whose value is right, or of the stated one."""
    labels = text.replace(" ", "").startswith("t:N") or parse(text).axes("t") == "N"
    candidates = losses_of(against)
    reports = list[Report]()
    for intended in candidates:
        report = check_loss(file.layer(text), intended, seed, labels or intended.name == MulticlassHinge.name)
        reports.append(replace(report, notes=(*report.notes, contract_note(parse(text)))))
        if report.results and report.results[0].ok:
            return reports[-1]
    return reports[0]


def layer_report(file: CheckedFile, task: LearnerTask, seed: int) -> Report:
    """Return the report of a layer under the contract of its task, with the results of its modes."""
    contract = parse(task.contract or "")
    code = file.layer(task.contract or "", task.options)
    if task.against is None and not task.shapes:
        shape = task.shape or _usual_shape(contract)
        task = replace(task, shape=shape, shapes=_shapes(code.parameters, contract, shape))
    elif isinstance(task.against, BatchNorm2D | LayerNorm) and "epsilon" not in contract.reads:
        task = _with_epsilon(file, task)
    try:
        report = check_layer(code, task, seed)
    except StudentError as error:  # in forward, or because the code does not keep to the contract
        return Report(code.kind, (failure_result(code.kind, error),), (contract_note(contract),))
    results = [_of_contract(result, contract) for result in report.results]
    if task.against is not None and all_right(results):
        results += _mode_results(file, contract, task, seed)
    if task.against is not None and all_right(results):
        results += _other_options(file, contract, task, seed)
        results += _default_results(file, contract, task)
    if contract.single and task.samples is None:
        results = [replace(result, single=True) for result in results]
    return replace(report, results=tuple(results), notes=(*report.notes, contract_note(contract)))


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
    layer: Any = task.against
    shape = task.shape or random_inputs.input_shape_for(layer)
    try:
        epsilon = _shown_epsilon(file, task.contract or "", task, shape)
    except StudentError:
        epsilon = None
    return replace(task, shape=shape, against=layer if epsilon is None else replace(layer, epsilon=epsilon))


def _shown_epsilon(file: CheckedFile, contract: str, task: LearnerTask, shape: tuple[int, ...]) -> float | None:
    """Return the usual ε that the output of a normalization under a contract shows; None if there is none."""
    layer: Any = task.against
    intended = LibraryLayer(layer, shape)
    values = {name: np.full(size, NEUTRAL.get(name, 0.0)) for name, size in intended.parameters.items()}
    values["x"] = np.random.default_rng(0).normal(0, SMALL_SCALE, (5, *shape))
    y = submitted_layer(file.layer(contract, task.options), intended).output(values)
    for epsilon in EPSILONS:
        if nearly_equal(y, LibraryLayer(replace(layer, epsilon=epsilon), shape).output(values), EXACT):
            return epsilon
    return None


def _default_results(file: CheckedFile, contract: Contract, task: LearnerTask) -> Iterator[CheckResult]:
    """Yield a result if a normalization is wrong without its ε and momentum, which may be entries of a dictionary."""
    layer = cast("Layer", task.against)
    shorter = DEFAULTED.sub("", str(contract))
    if shorter == str(contract):
        return
    try:
        epsilon = _shown_epsilon(file, shorter, task, task.shape or random_inputs.input_shape_for(layer))
    except StudentError:  # the entries are required
        return
    if epsilon is None:
        yield CheckResult(contract.name, "y", "default options", diagnoses=(UNUSUAL_EPSILON,))


def _usual_shape(contract: Contract) -> tuple[int, ...]:
    """Return the shape of one input for the axes that a contract states; by default, that of a vector."""
    stated = contract.axes("x") or ""
    axes = contract.own_axes("x", len(stated.replace("1", ""))) or ""
    return tuple(SIZES[axis] for axis in axes.replace("N", "") or "D")


def _shapes(names: Sequence[str], contract: Contract, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters of a layer that is none of this library, from their stated axes."""
    sizes = {**SIZES, **dict(zip("D" if len(shape) == 1 else "CHW", shape, strict=False))}
    shapes = dict[str, tuple[int, ...]]()
    for name in names:
        axes = contract.layouts.get(name, "").replace("1", "")
        if not axes:
            raise OptionError(f"{contract.name}: state the layer (--against), or the axes of {name}, as in {name}: D,O")
        shapes[name] = tuple(sizes[axis] for axis in axes)
    return shapes


def _mode_results(file: CheckedFile, contract: Contract, task: LearnerTask, seed: int) -> list[CheckResult]:
    """Return the results of the modes of a dropout or a batch normalization; empty for other layers."""
    layer: Any = task.against
    if not isinstance(layer, Dropout | BatchNorm2D):
        return []
    intended = LibraryLayer(layer, task.shape or random_inputs.input_shape_for(layer))
    if not contract.has_modes:
        if not _has_test_mode(file, contract, task, intended):
            return []
        message = "no line of the contract states the test mode, as in test: self.eval()"
        return [failure_result(contract.name, message, "mode='test'", checked=False, tensor="y")]
    code = file.layer(str(contract), task.options)
    if isinstance(layer, Dropout):
        return [identity_result(code, layer.rate, intended.shape, seed)]
    return normalization_results(contract.name, intended, code, seed)


def _has_test_mode(file: CheckedFile, contract: Contract, task: LearnerTask, intended: LibraryLayer) -> bool:
    """Return whether an object holds running statistics with usual names; for a dropout, a flag or a method eval."""
    calls = file.contents().get(contract.name, ())
    if any(call.startswith(("self.eval(", "self.train(")) for call in calls):
        return True
    values = {name: np.ones(size) for name, size in intended.parameters.items()}
    values["x"] = np.random.default_rng(0).normal(size=(3, *intended.shape))
    forward = replace(contract, lines=tuple(divided(contract.lines)[0]))
    places = file.explore(str(forward), values, task.options)
    if isinstance(intended.layer, Dropout):
        return any(value.dtype.kind == "b" and not value.ndim for value in places.values())
    return any(re.search("running|moving", place) for place in places)


def _other_options(file: CheckedFile, contract: Contract, task: LearnerTask, seed: int) -> Iterator[CheckResult]:
    """Yield the wrong results of a layer with other options, and of the inputs that these are for."""
    layer = cast("Layer", task.against)
    if isinstance(layer, Dropout) and "rate" in contract.reads:
        code = file.layer(str(contract), {**task.options, "rate": OTHER_RATE})
        for result in dropout_results(code, OTHER_RATE, task.shape or (OTHER_SIZE,), seed):
            if result.is_wrong:
                yield replace(result, method=f"other options: rate {OTHER_RATE}")
        return
    interface = interface_of(layer, contract.name)
    shape = task.shape or random_inputs.input_shape_for(layer)
    if interface is None:
        return
    reported = set[str]()  # tensors
    for other in interface.others(layer, len(shape), contract.reads):
        if task.one_shape:
            other = replace(other, shape=shape)
        if other.layer == layer:
            continue
        for result in _results_of_options(file, contract, other, seed, task.ties):
            if result.tensor not in reported:
                reported.add(result.tensor)
                yield result


def _results_of_options(
    file: CheckedFile, contract: Contract, other: Case, seed: int, ties: str | None
) -> Iterator[CheckResult]:
    """Yield the wrong results of a layer with other options. Forward may reject options with an advice.

    Code whose contract states its sizes as numbers may reject others, too.
    """
    method = f"other options: {other.description}"
    try:
        intended = LibraryLayer(other.layer, other.shape)
    except ShapeError:  # the other options are impossible beside those that are stated
        return
    may_fail = other.advice is not None or not contract.reads & {*OPTIONS, *SIZES}
    try:
        test_case = layer_case(file.layer(str(contract), other.options), intended, seed)
    except StudentError as error:
        if not may_fail and not isinstance(error, InterfaceError):
            yield failure_result(contract.name, error, method)
        return
    if may_fail and not has_output_shape(test_case):
        return
    try:
        examination = quick_check(test_case, dict.fromkeys(("y", *test_case.function.tensors), OPTIONS_TOLERANCE))
        exact = ties == FIRST and isinstance(other.layer, MaxPool2D)
        stride: Any = getattr(other.layer, "stride", None)
        is_divided = isinstance(other.layer, MaxPool2D) and other.layer.window in (stride, (stride, stride))
        if exact or is_divided:
            tied = check_ties(test_case, examination, exact)
            if tied is not None and (exact or not credits_all_ties(tied)):
                examination = replace(examination, results=(*examination.results, tied))
    except StudentError as error:
        yield failure_result(contract.name, error, method)
        return
    unexplained = Diagnosis("options", f"is wrong for {other.description}: {other.remedy}")
    for result in with_diagnoses([examination]):
        if result.is_wrong:
            yield replace(result, method=method, diagnoses=result.diagnoses or (unexplained,))


def uncovered_results(file: CheckedFile, covered: Collection[str]) -> Iterator[CheckResult]:
    """Yield a result for each function and class of a file that no contract covers, and that no covered one uses."""
    uses = file.uses()
    reached = {*covered}
    pending = [*covered]
    for name in pending:  # which grows meanwhile
        for used in uses.get(name, ()):
            if used not in reached:
                reached.add(used)
                pending.append(used)
    for name in uses:
        if name not in reached:
            yield CheckResult(name, "y", "none", checked=False, diagnoses=(UNCOVERED,))


def contract_note(contract: Contract) -> str:
    """Return the note with a contract, and what it leaves out."""
    names = sorted(contract.reads & {*PARAMETERS})
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
    contents = file.contents([*(selected or ())])
    course_entries = course(name)
    classes = {held for held, calls in contents.items() if calls[0].startswith("self = ")}
    entries_by_name = dict[str, list[CourseEntry]]()
    for held in contents:
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
    if not entries_by_name and selected is None:
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
    if selected is None:
        covered = {*entries_by_name}
        for note in notes:
            covered |= parse(note.partition("contract: ")[2].partition(" (states")[0]).reads
        results += uncovered_results(file, covered)
    return Report(title, tuple(results), tuple(notes), brief=True)


def _first_report(file: CheckedFile, name: str, entries: Sequence[CourseEntry], base: LearnerTask, seed: int) -> Report:
    """Return the report under the first contract that the code keeps to; if there is none, that under the last one."""
    report = Report(name, ())
    for entry in entries:
        task = replace(base, shape=entry.shape)
        try:
            report = stated_report(file, entry.text(name), entry.against, task, seed)
        except (StudentError, ShapeError) as error:
            report = Report(name, (failure_result(name, error),), (contract_note(parse(entry.text(name))),))
        if any(result.checked for result in report.results):
            break
    return report
