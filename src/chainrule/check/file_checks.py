"""The check of a whole file. Its pairs of functions, layers and losses are checked one after another.

`course_formats` and `class_formats` contain the known formats of functions and classes.
"""

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.check import constructors, learner_subjects, sources
from chainrule.check.autograd import engine_rows
from chainrule.check.checked_file import CheckedFile
from chainrule.check.class_formats import (
    ARGUMENTS,
    ClassFormat,
    class_format,
    constructor_values,
    normalized_name,
    usual_values,
)
from chainrule.check.conventions import CONVENTION_NOTE
from chainrule.check.course_formats import SMALL_SCALE, OtherOptions, find_pairs
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.extra_checks import failure_row
from chainrule.check.host.process import SLOW, GuestEnded, GuestSlow
from chainrule.check.learner_checks import (
    LearnerTask,
    check_layer,
    check_options,
)
from chainrule.check.loss_classes import PROBABILITIES_NOTE, intended_loss, loss_rows
from chainrule.check.matching import IDENTIFIED, UPDATES_NOTE, match_quality
from chainrule.check.mode_checks import class_rows
from chainrule.check.pair_checks import other_pair_rows, pair_rows
from chainrule.check.pair_formats import tutorial_pairs
from chainrule.check.report import Diagnosis, Report, Row
from chainrule.check.sources import FileContents
from chainrule.check.subjects import LayerSubject
from chainrule.custom import autograd as autograd_values
from chainrule.custom.autograd import Expression
from chainrule.custom.calls import Array
from chainrule.custom.losses import LossFunctions
from chainrule.custom.student import Student
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import BatchNorm2D

EPSILONS = (1e-5, 1e-3, 1e-4, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)  # usual ε of batch normalization
REPORTED_NOTES = (CONVENTION_NOTE, UPDATES_NOTE)  # beginnings of notes that the report of a file repeats
EXACT = 1e-10  # relative tolerance
SLOPED_CLASSES = ("elu", "leakyrelu", "swish")  # classes whose constructors accept one of the following arguments
SLOPES = dict.fromkeys(("alpha", "beta", "slope", "negative_slope"), 0.3)


class LocalFile:
    """A learner's module in this process."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def contents(self) -> FileContents:
        """Return the names in the module."""
        return sources.contents(self._module)

    def evaluate(self, name: str, expression: Expression) -> dict[str, Array]:
        """Return y and the gradients of an expression, computed by a class of automatic differentiation."""
        return autograd_values.evaluate(getattr(self._module, name), expression)

    def start_part(self) -> None:
        """Do nothing: code in this process has no time limit."""

    def layer(self, name: str, *, backward: str = "", options: Mapping[str, Any] | None = None) -> Student:
        """Return a layer, or a pair of functions.

        name      name of a class, an object or a forward function
        backward  name of the backward function; empty for a class or an object
        options   values for constructor arguments, or for arguments of forward
        """
        return Student.around(self._bind(name, backward, False, options or {}), name)

    def loss(self, name: str, *, backward: str = "", labels: bool = False) -> LossFunctions:
        """Return a loss by name. Its targets are class indices if ``labels`` is true, otherwise distributions."""
        return self._bind(name, backward, True, {"labels": True} if labels else {})

    def _bind(self, name: str, backward: str, loss: bool, options: Mapping[str, Any]) -> Any:
        selection = {"name": name, "backward": backward, "loss": loss, "options": options}
        return sources.bind(self._module, Path(self._module.__name__), selection)[0]


def check_file(
    file: CheckedFile, title: str, seed: int, constants: Sequence[str] = (), names: Collection[str] = ()
) -> Report | None:
    """Return the report of a file's functions and classes, or None if the file must be checked as a single layer.

    names   names of the functions and classes to check; empty: all
    """
    contents = file.contents()
    functions = contents.functions
    pairs, missing = find_pairs(functions)
    if names:
        pairs = [pair for pair in pairs if {pair.forward, pair.backward} & {*names}]
    classes = {key: arguments for key, arguments in contents.layers.items() if not names or key in names}
    unknown = [pair for pair in tutorial_pairs(functions, find_pairs(functions)[0]) if not names or {*names} & {*pair}]
    required = {name: arguments for name, arguments in contents.required.items() if name in classes}
    engines = [name for name in contents.engines if not names or name in names]
    if not engines and not pairs and not unknown and not _has_checkable_classes(classes) and not any(required.values()):
        return None
    subjects = {pair.title: pair_rows(file, pair, pair.backward in functions, seed) for pair in pairs}
    notes = [f"not in the file: {', '.join(missing)}"] if missing and not names else []
    for key, arguments in classes.items():
        subjects[key] = _class_rows(file, key, (arguments, required.get(key, ())), seed, constants, notes)
    for name in engines:
        subjects[name] = engine_rows(name, partial(file.evaluate, name), seed)
    subjects |= {" / ".join(pair): other_pair_rows(file, *pair, seed) for pair in unknown}
    rows = tuple(dict.fromkeys(_rows(file, subjects)))
    return Report(title, rows, tuple(dict.fromkeys(notes)), brief=True)


def _rows(file: CheckedFile, subjects: Mapping[str, Iterable[Row]]) -> Iterator[Row]:
    """Yield the rows of all subjects.

    If the file's process ends early, each remaining subject gets a row "not checked".
    """
    ended = ""
    for name, rows in subjects.items():
        try:
            if not ended:
                file.start_part()
                yield from rows
                continue
        except GuestSlow as slow:
            yield _slow_row(name, slow)
            continue
        except GuestEnded as end:
            ended = f"{name}: {end}"
            yield _slow_row(name, end) if SLOW in str(end) else failure_row(name, "none", StudentError(str(end)))
            continue
        yield failure_row(name, "none", StudentError(f"not reached: {ended}"), tensor="y", checked=False)


def _slow_row(name: str, error: GuestEnded) -> Row:
    """Return the row of code that is too slow for all calls: it is neither right nor wrong."""
    diagnoses = (Diagnosis("not-checked", f"is not checked: it {error}"),)
    return failure_row(name, "none", StudentError(str(error)), tensor="y", checked=False, diagnoses=diagnoses)


def _has_checkable_classes(classes: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether a file has several classes, or one of a known format that is a loss or accepts arguments."""
    formats = [(class_format(name), arguments) for name, arguments in classes.items()]
    return (
        len(formats) > 1
        or any(parameters and normalized_name(name) in SLOPED_CLASSES for name, parameters in classes.items())
        or any(
            course_format and (isinstance(course_format.against, str) or parameters)
            for course_format, parameters in formats
        )
    )


def _class_rows(
    file: CheckedFile,
    name: str,
    signature: tuple[tuple[str, ...], tuple[str, ...]],
    seed: int,
    constants: Sequence[str],
    notes: list[str],
) -> Iterator[Row]:
    """Yield the rows of a class or an object.

    signature   names of the constructor arguments, and of those without a default
    notes       notes for the report, to which this function adds

    A class that raises an error counts as not checked, because it may expect other inputs than its name suggests. If
    all of its earlier results were right, it counts as wrong.
    """
    course_format, all_right = class_format(name), False
    try:
        if course_format is not None and isinstance(course_format.against, str):
            against = intended_loss(file, name, course_format.against, seed)
            notes += [f"{name}: {PROBABILITIES_NOTE}"] if against != course_format.against else []
            yield from loss_rows(file, name, against, seed)
            return
        task, options = _task(name, course_format, signature, constants)
        student, options = _constructed(file, name, signature[1], options, seed)
        task = _with_own_epsilon(task, student)
        try:
            report = check_layer(student, task, seed)
        except UnwrittenError:
            raise
        except StudentError:
            if task.against is None:
                raise
            task = replace(task, against=None, shape=None, larger=())  # the code may have no bias, for example
            report = check_layer(student, task, seed)
        rows = report.rows
        yield from rows
        notes += [f"{name}: {note}" for note in report.notes if note.startswith(REPORTED_NOTES)]
        all_right = all(row.ok for row in rows)
        if task.against is not None and all_right:
            intended = LayerSubject(task.against, task.shape or (), engine="numpy")
            yield from class_rows(name, intended, lambda modes: file.layer(name, options={**options, **modes}), seed)
        if not options or course_format is None or isinstance(task.against, BatchNorm2D) or not all_right:
            return  # the only option of a batch normalization is its number of features
        if task.against is None or any(note.startswith(CONVENTION_NOTE) for note in report.notes):
            return  # the other options are specified for this library's convention only
        yield from _other_options_rows(file, name, course_format, signature[0], seed)
    except (StudentError, ShapeError) as error:
        yield failure_row(name, "none", StudentError(str(error)), checked=all_right)


def _task(
    name: str,
    course_format: ClassFormat | None,
    signature: tuple[tuple[str, ...], tuple[str, ...]],
    constants: Sequence[str],
) -> tuple[LearnerTask, dict[str, Any]]:
    """Return the task of a layer class, and values of its constructor arguments. The signature is as in `_class_rows`.

    The task has no intended layer if a required argument has an unknown name.
    """
    task, options, (arguments, required) = LearnerTask(constants=tuple(constants)), dict[str, Any](), signature
    if course_format is None:
        options = {**usual_values(arguments), **(SLOPES if normalized_name(name) in SLOPED_CLASSES else {})}
    elif arguments and (layer := course_format.layer(arguments)) is not None:
        task = replace(task, against=layer, shape=course_format.shape, larger=course_format.larger)
        values = constructor_values(layer, course_format.shape)
        options = {argument: value for argument, value in values.items() if argument in arguments}
    if {*required} - {*options}:
        task = replace(task, against=None, shape=None, larger=())
    return task, options


def _other_options_rows(
    file: CheckedFile, name: str, course_format: ClassFormat, arguments: Sequence[str], seed: int
) -> Iterator[Row]:
    """Yield the rows of a class with the other options of its format."""
    for other in course_format.others:
        if (layer := other.layer(arguments)) is not None:
            student = file.layer(name, options=constructor_values(layer, other.shape))
            if course_format.resizable(arguments) or _fits(student, LayerSubject(layer, other.shape)):
                other_options = OtherOptions(layer, other.shape, uneven=other.uneven)
                yield from check_options(student, other_options, True, seed)


def _constructed(
    file: CheckedFile, name: str, required: Sequence[str], options: Mapping[str, Any], seed: int
) -> tuple[Student, dict[str, Any]]:
    """Return a layer, and the values of its constructor arguments.

    Values for required arguments with unknown names are found by trial: the first whose output identifies a layer, or
    with which the code runs.
    """
    if not {*required} - {*options}:
        return file.layer(name, options=options), {**options}
    best: tuple[float, Student, dict[str, Any]] | None = None
    for values in constructors.combinations(required, options, class_format(name)):
        try:
            student = file.layer(name, options=values)
        except StudentError:
            continue
        quality = match_quality(student, seed)
        if best is None or quality > best[0]:
            best = (quality, student, values)
        if quality == IDENTIFIED:
            break
    if best is None:
        return file.layer(name, options=options), {**options}
    return best[1], best[2]


def _fits(student: Student, intended: LayerSubject) -> bool:
    """Return whether an object's parameters have the shapes of a layer's parameters."""
    try:
        learner_subjects.match_parameters(copy.deepcopy(student), intended)
    except StudentError:
        return False
    return True


def _with_own_epsilon(task: LearnerTask, student: Student) -> LearnerTask:
    """Return the task with the ε that a learner's batch normalization stores, or an ε inferred from its output."""
    values = (student.copy_of(name) for name in ARGUMENTS["epsilon"] if student.has(name))
    stored = next((float(value) for value in values if value is not None and value.ndim == 0 and value > 0), None)
    if not isinstance(task.against, BatchNorm2D):
        return task
    epsilon = stored or _epsilon_of(student, task.shape or ())
    return task if epsilon is None else replace(task, against=replace(task.against, epsilon=epsilon))


def _epsilon_of(student: Student, shape: tuple[int, ...]) -> float | None:
    """Return the usual ε that reproduces the output of a new batch normalization, or None if there is none."""
    x = np.random.default_rng(0).normal(0, SMALL_SCALE, (5, *shape))
    axes = (0, *range(2, x.ndim))
    centered, variance = x - x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    try:
        y = copy.deepcopy(student).forward(x)
    except StudentError:
        return None
    return next(
        (candidate for candidate in EPSILONS if nearly_equal(y, centered / np.sqrt(variance + candidate), EXACT)), None
    )
