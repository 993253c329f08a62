"""The check of a whole file. Its pairs of functions, layers and losses are checked one after another.

`forms` contains the known formats of functions and classes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from chainrule.check import constructors, sources
from chainrule.check.autograd import engine_rows
from chainrule.check.checked_file import CheckedFile
from chainrule.check.conventions import CONVENTION_NOTE
from chainrule.check.extra_checks import failure_row
from chainrule.check.forms import (
    ClassFormat,
    FunctionPair,
    class_format,
    constructor_values,
    find_pairs,
    impossible_value,
    normalized_name,
    tutorial_pairs,
    usual_values,
)
from chainrule.check.host.process import SLOW, GuestEnded, GuestSlow
from chainrule.check.learner_checks import ONE_NONZERO_NOTE, ONLY_SQUARE, check_layer, of_single_samples
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.loss_checks import check_reading
from chainrule.check.loss_reading import all_losses, read_loss
from chainrule.check.mode_checks import class_rows
from chainrule.check.optimizer_checks import optimizer_contracts, optimizer_kind, optimizer_rows
from chainrule.check.option_checks import (
    EPSILONS,
    SLOPES,
    Signature,
    activation_arguments,
    other_options_rows,
    stored_epsilon,
    variation_rows,
    with_own_variant,
)
from chainrule.check.pair_checks import other_pair_rows, pair_rows
from chainrule.check.reading import UPDATES_NOTE
from chainrule.check.report import Report, Row
from chainrule.check.sources import FileContents
from chainrule.check.subjects import LayerSubject, LossSubject
from chainrule.custom.calls import FormError
from chainrule.custom.losses import ONLY_LOSS
from chainrule.custom.sample_axis import LAST, ONE, AdaptedLoss
from chainrule.custom.student import Student
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import BatchNorm2D, Dropout, Layer, LayerNorm, Softmax

# Beginnings of notes that the report of a file repeats
REPORTED_NOTES = (CONVENTION_NOTE, UPDATES_NOTE, ONE_NONZERO_NOTE)
LOGITS, PROBABILITIES = "softmax_cross_entropy", "categorical_cross_entropy"
PROBABILITIES_NOTE = "checked on probabilities, because it is not the cross-entropy of logits"
SINGLE_VECTORS = f"{CONVENTION_NOTE} single vectors or columns, without a batch axis"
NORMALIZATIONS = (BatchNorm2D, LayerNorm)
OF_VECTORS = (Softmax, LayerNorm)  # layers that code may compute for a single vector, or for columns of a batch


def check_file(
    file: CheckedFile, title: str, seed: int, base: LearnerTask = ANY_LAYER, names: Collection[str] | None = None
) -> Report | None:
    """Return the report of a file's functions and classes, or None if the file must be checked as a single layer.

    Classes whose form depends on that of others are checked last (`_is_last`), but reported in the order of the file.

    base    names of constants, and the treatment of ties
    names   names of the functions and classes to check; None: all
    """
    contents = file.contents()
    selected = Selection.of(contents, names)
    methods = set[str]()
    for call in chain(*contents.methods.values()):
        methods.add(call.partition("(")[0])
    # The check of a single layer only calls methods with usual names, such as forward and backward.
    has_unusual_methods = contents.methods and methods.isdisjoint(sources.METHODS)
    has_functions = selected.pairs or selected.other_pairs or selected.engines or selected.optimizers
    if not (has_functions or has_unusual_methods or contents.losses or _are_checkable(selected.classes)):
        return None
    seen = list[Row]()
    notes = list[str]()
    if selected.missing and names is None:
        notes.append(f"not in the file: {', '.join(selected.missing)}")
    # The iterators of rows run in the loop below, in this order. Those of classes read `seen`, the earlier rows.
    subjects = dict[str, Iterator[Row]]()
    places = dict[str, int]()
    for pair in selected.pairs:
        places[pair.title] = len(places)
        subjects[pair.title] = pair_rows(file, pair, pair.backward in contents.functions, base, seed)
    for key in selected.classes:
        places[key] = len(places)
    for key in sorted(selected.classes, key=_is_last):
        signature = Signature(selected.classes[key], contents.required.get(key, ()), contents.methods.get(key, ()))
        subjects[key] = _class_rows(file, key, signature, seed, base, Findings(notes, seen), key in contents.losses)
    for name in selected.engines:
        subjects[name] = engine_rows(name, partial(file.evaluate, name), seed)
    for name, kind in selected.optimizers.items():
        tried = optimizer_contracts(kind, contents.optimizers[name])
        subjects[name] = optimizer_rows(name, kind, partial(file.evaluate, None), tried, seed)
    for pair in selected.other_pairs:
        subjects[" / ".join(pair)] = other_pair_rows(file, *pair, base, seed)
    for row in _rows(file, subjects):
        seen.append(row)
    rows = sorted(dict.fromkeys(seen), key=lambda row: places.get(row.subject, -1))
    return Report(title, tuple(rows), tuple(dict.fromkeys(notes)), brief=True)


@dataclass
class Selection:
    """The functions and classes of a file that are checked.

    pairs        functions of courses; `missing` are those that the file lacks
    other_pairs  (forward, backward) of other functions
    classes      arguments of the constructor, by class
    optimizers   name in this library, by class or function
    """

    pairs: list[FunctionPair]
    missing: list[str]
    other_pairs: list[tuple[str, str]]
    classes: dict[str, tuple[str, ...]]
    engines: list[str]
    optimizers: dict[str, str]

    @classmethod
    def of(cls, contents: FileContents, names: Collection[str] | None) -> "Selection":
        """Return the selected contents; all of them if ``names`` is None."""

        def is_selected(*subjects: str | None) -> bool:
            return names is None or not set(names).isdisjoint(subjects)

        pairs, missing = find_pairs(contents.functions)
        optimizers = dict[str, str]()
        for name in contents.optimizers:
            kind = optimizer_kind(name)
            if kind is not None and is_selected(name):
                optimizers[name] = kind
        classes = dict[str, tuple[str, ...]]()
        for key, arguments in contents.layers.items():
            if key not in optimizers and is_selected(key):
                classes[key] = arguments
        return cls(
            [pair for pair in pairs if is_selected(pair.forward, pair.backward)],
            missing,
            [pair for pair in tutorial_pairs(contents.functions) if is_selected(*pair)],
            classes,
            [name for name in contents.engines if is_selected(name)],
            optimizers,
        )


class Findings(NamedTuple):
    """What the checks of earlier classes have found: notes for the report, which checks extend, and rows."""

    notes: list[str]
    rows: Sequence[Row]

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
        for row in self.rows:
            if row.title == "dw" and row.ok and row.subject not in single:
                return False
        return True


def _is_last(name: str) -> bool:
    """Return whether a class is one of `OF_VECTORS` or a loss, whose form may depend on that of the other classes."""
    course_format = class_format(name)
    return course_format is not None and course_format.layer in (*OF_VECTORS, None)


def _sample_rows(student: Student, task: LearnerTask, seed: int, axes: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows of a layer for columns of a batch, or for single vectors; empty if it is wrong."""
    for axis in axes:
        with suppress(StudentError):
            report = check_layer(student.adapted(axis), task, seed)
            if report.ok:
                return report.rows
    return ()


def _rows(file: CheckedFile, subjects: Mapping[str, Iterable[Row]]) -> Iterator[Row]:
    """Yield the rows of all subjects. If the file's process ends, another one checks the remaining subjects."""
    for title, rows in subjects.items():
        finished = set[str]()
        try:
            file.start_part()
            for row in rows:
                finished.add(row.subject)
                yield row
        except GuestEnded as end:
            names = title.split(" / ")  # of the functions of a pair
            unfinished = [name for name in names if name not in finished]
            for name in unfinished or names[-1:]:
                if SLOW in str(end):
                    yield _slow_row(name, end)
                else:
                    yield failure_row(name, str(end))
            if not isinstance(end, GuestSlow):
                file.restart()


def _slow_row(name: str, error: GuestEnded) -> Row:
    """Return the row of code that is too slow for all calls: it is neither right nor wrong."""
    return failure_row(name, FormError(f"it {error}"), tensor="y")


def _are_checkable(classes: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether there are several classes, or one that accepts arguments or is a loss, a softmax or a dropout."""
    if len(classes) > 1 or any(classes.values()):
        return True
    for name in classes:
        course_format = class_format(name)
        if course_format is not None and course_format.layer in (None, Softmax, Dropout):
            return True
    return False


def _class_rows(
    file: CheckedFile,
    name: str,
    signature: Signature,
    seed: int,
    base: LearnerTask,
    findings: Findings,
    is_loss: bool,
) -> Iterator[Row]:
    """Yield the rows of a class or an object.

    findings    those of earlier classes
    is_loss     whether the methods take predictions and targets

    A class that raises an error counts as not checked, because it may expect other inputs than its name suggests. If
    all of its earlier results were right, it counts as wrong.
    """
    course_format, all_right = class_format(name), False
    try:
        if course_format is not None and course_format.layer is None:
            yield from _loss_class_rows(file, name, course_format.against, seed, findings)
            return
        if is_loss:
            yield from _loss_class_rows(file, name, None, seed, findings)
            return
        task, known = _task(name, course_format, signature, base)
        tried = [*signature.required]
        if course_format is not None:
            tried += activation_arguments(signature.arguments)
        student, options = constructors.construct(file, name, tried, known, seed)
        if signature.arguments == ("ctx",):
            yield from other_pair_rows(file, name, None, base, seed)
            return
        task, report = _report_of_fitting_task(student, with_own_variant(task, student), seed)
        rows = report.rows
        epsilon = stored_epsilon(student) if isinstance(task.against, NORMALIZATIONS) else None
        if epsilon is not None:
            rows = _rows_with_epsilon(rows, name, epsilon, findings.notes)
        layer = task.against or (course_format and course_format.fixed_layer)
        if isinstance(layer, OF_VECTORS) and not report.ok and findings.may_take_vectors(certain=False):
            single = _vector_rows(file.layer(name, options=options), layer, findings, seed)
            if single:
                findings.notes.append(f"{name}: {SINGLE_VECTORS}")
                rows = single
        guessed = set(signature.required) - known.keys()  # arguments whose values were found by trial
        if guessed:
            rows = [row for row in rows if ONLY_SQUARE not in row.diagnoses]
        yield from rows
        for note in report.notes:
            if note.startswith(REPORTED_NOTES):
                findings.notes.append(f"{name}: {note}")
        all_right = all(row.ok or row.accepted for row in rows)
        if all_right and not guessed:
            yield from _rows_with_other_options(file, name, options, signature, (course_format, task), seed)
    except (StudentError, ShapeError) as error:
        yield _failed_class_row(name, error, signature, all_right, is_loss)


def _vector_rows(student: Student, layer: Layer, findings: Findings, seed: int) -> Sequence[Row]:
    """Return the rows of a layer for columns of a batch, or for single vectors; empty if it is wrong.

    The code may run on batches, so only another layer that takes single vectors shows that they are meant.
    """
    axes = [LAST]
    if findings.may_take_vectors(certain=True):
        axes.append(ONE)
    return _sample_rows(student, LearnerTask(layer, (6,)), seed, axes)


def _failed_class_row(
    name: str, error: StudentError | ShapeError, signature: Signature, all_right: bool, is_loss: bool
) -> Row:
    """Return the row of a class that raises an error, with the contract to state if nothing was checked before."""
    failure = error if isinstance(error, StudentError) else str(error)
    notes = ()
    if not all_right:
        notes = (constructors.class_contract(name, signature.arguments, signature.methods, is_loss),)
    if str(failure).endswith(ONLY_LOSS):
        return failure_row(name, failure, checked=all_right, notes=notes, tensor="p")
    return failure_row(name, failure, checked=all_right, notes=notes)


def _rows_with_other_options(
    file: CheckedFile,
    name: str,
    options: Mapping[str, Any],
    signature: Signature,
    course: tuple[ClassFormat | None, LearnerTask],
    seed: int,
) -> Iterator[Row]:
    """Yield the rows of a class whose first instance is right, for its modes and for other arguments."""
    course_format, task = course
    if task.against is not None:
        intended = LayerSubject(task.against, task.shape or ())
        yield from class_rows(name, intended, lambda modes: file.layer(name, options={**options, **modes}), seed)
    has_slope = not SLOPES.keys().isdisjoint(signature.arguments)
    if not (options or has_slope or activation_arguments(signature.arguments)):
        return
    if isinstance(task.against, (*NORMALIZATIONS, Dropout)):
        return  # the only option of these is the number of features or the probability
    if course_format is not None and task.against is not None:
        yield from other_options_rows(file, name, (course_format, task), signature.arguments, seed)
    yield from variation_rows(file, name, options, signature, seed)


def _rows_with_epsilon(rows: Sequence[Row], name: str, epsilon: float, notes: list[str]) -> Sequence[Row]:
    """Return the rows of a normalization. An impossible epsilon explains the wrong ones; an unusual one is noted."""
    mistake = impossible_value("epsilon", epsilon)
    if not mistake:
        if epsilon not in EPSILONS:
            notes.append(f"{name} has epsilon = {epsilon:g}; usual is {EPSILONS[0]:g}")
        return rows
    explained = list[Row]()
    for row in rows:
        explained.append(replace(row, diagnoses=mistake) if row.is_wrong else row)
    return explained


def _loss_class_rows(file: CheckedFile, name: str, usual: str | None, seed: int, findings: Findings) -> Sequence[Row]:
    """Return the rows of a loss.

    usual     the loss that its name suggests; None if it is unknown
    findings  those of earlier classes

    Errors   FormError if the values of an unknown loss are those of no loss of this library
    """
    if usual is None:
        candidates = all_losses()
    else:
        candidates = [LossSubject(usual, engine="reference")]
        if usual == LOGITS and "softmax" not in normalized_name(name):
            candidates.append(LossSubject(PROBABILITIES, engine="reference"))
    code = file.loss(name)
    reading = read_loss(code, candidates, seed, lenient=True)
    if usual is None and not reading.right:
        raise FormError("its values are those of no loss of this library; name the loss with --against LOSS")
    if usual == LOGITS and reading.intended.name == PROBABILITIES:
        findings.notes.append(f"{name}: {PROBABILITIES_NOTE}")
    for note in reading.notes:
        findings.notes.append(f"{name}: {note}")
    rows = check_reading(reading, seed).rows
    if any(row.is_wrong for row in rows) and findings.may_take_vectors(certain=True):
        of_samples = read_loss(AdaptedLoss(code, single=True), [reading.intended], seed, lenient=True)
        single = of_single_samples(check_reading(of_samples, seed)).rows
        if all(row.ok for row in single):
            findings.notes.append(f"{name}: {SINGLE_VECTORS}")
            return single
    return rows


def _report_of_fitting_task(student: Student, task: LearnerTask, seed: int) -> tuple[LearnerTask, Report]:
    """Return the first task that a layer's code can be checked against, and the report of this check.

    Three tasks are tried, from the strictest to the most lenient: the intended layer; this layer without a bias, which
    a learner may omit; no intended layer, where only the gradients are checked. Code that raises an error does not fit
    a task. For the task without a bias, the output must also be right, since a wrong one means another layer.

    Errors   UnwrittenError if a function is not written; StudentError if the code fits no task
    """
    layer: Any = task.against
    tasks = [task]
    if getattr(layer, "bias", False):
        tasks.append(replace(task, against=replace(layer, bias=False)))
    if layer is not None:
        tasks.append(replace(task, against=None, shape=None, larger=None))
    *stricter, last = tasks
    for candidate in stricter:
        try:
            report = check_layer(student, candidate, seed)
        except UnwrittenError:  # no task can change this
            raise
        except StudentError:
            continue
        if candidate is task or not any(row.tensor == "y" and row.is_wrong for row in report.rows):
            return candidate, report
    return last, check_layer(student, last, seed)


def _task(
    name: str, course_format: ClassFormat | None, signature: Signature, task: LearnerTask
) -> tuple[LearnerTask, dict[str, Any]]:
    """Return the completed task of a layer class, and values of its constructor arguments.

    The task has no intended layer if a required argument has an unknown name.
    """
    options = dict[str, Any]()
    if course_format is None:
        options = usual_values(signature.arguments)
    elif signature.arguments:
        case = course_format.cases(signature.arguments)[0]
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
    elif course_format.layer is Dropout:
        case = course_format.cases(signature.arguments)[0]
        task = replace(task, against=case.layer, shape=case.shape, options_given=False)
    if set(signature.required) - options.keys():
        task = replace(task, against=None, shape=None, larger=None)
    return task, options
