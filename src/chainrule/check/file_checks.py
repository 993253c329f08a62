"""The check of a whole file. Its pairs of functions, layers and losses are checked one after another.

`forms` contains the known formats of functions and classes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

from chainrule.check import constructors, sources
from chainrule.check.autograd import engine_rows
from chainrule.check.checked_file import CheckedFile
from chainrule.check.conventions import CONVENTION_NOTE
from chainrule.check.extra_checks import failure_row
from chainrule.check.forms import (
    ClassFormat,
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
from chainrule.check.subjects import LayerSubject, LossSubject
from chainrule.custom.calls import FormError
from chainrule.custom.losses import ONLY_LOSS
from chainrule.custom.sample_axis import LAST, ONE, AdaptedLoss
from chainrule.custom.student import Student
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import BatchNorm2D, Dropout, LayerNorm, Softmax

# Beginnings of notes that the report of a file repeats
REPORTED_NOTES = (CONVENTION_NOTE, UPDATES_NOTE, ONE_NONZERO_NOTE)
LOGITS, PROBABILITIES = "softmax_cross_entropy", "categorical_cross_entropy"
PROBABILITIES_NOTE = "checked on probabilities, because it is not the cross-entropy of logits"
SINGLE_VECTORS = f"{CONVENTION_NOTE} single vectors or columns, without a batch axis"
NORMALIZATIONS = (BatchNorm2D, LayerNorm)
OF_VECTORS = (Softmax, LayerNorm)  # layers that code may compute for a single vector, or for columns of a batch


def check_file(
    file: CheckedFile, title: str, seed: int, base: LearnerTask = ANY_LAYER, names: Collection[str] = ()
) -> Report | None:
    """Return the report of a file's functions and classes, or None if the file must be checked as a single layer.

    Classes whose form depends on that of others are checked last (`_is_last`), but reported in the order of the file.

    base    names of constants, and the treatment of ties
    names   names of the functions and classes to check; empty: all
    """
    contents = file.contents()
    functions = contents.functions

    def is_selected(*subjects: str) -> bool:
        return not names or bool({*names} & {*subjects})

    pairs, missing = find_pairs(functions)
    pairs = [pair for pair in pairs if is_selected(pair.forward, pair.backward)]
    kinds = dict[str, str]()
    for name in contents.optimizers:
        if is_selected(name):
            kinds[name] = optimizer_kind(name)
    optimizers = dict[str, str]()
    for name, kind in kinds.items():
        if kind:
            optimizers[name] = kind
    classes = dict[str, tuple[str, ...]]()
    for key, arguments in contents.layers.items():
        if is_selected(key) and key not in optimizers:
            classes[key] = arguments
    other_pairs = list[tuple[str, str]]()
    for pair in tutorial_pairs(functions):
        if is_selected(*pair):
            other_pairs.append(pair)
    engines = list[str]()
    for name in contents.engines:
        if is_selected(name):
            engines.append(name)
    methods = set[str]()
    for call in chain(*contents.methods.values()):
        methods.add(call.partition("(")[0])
    # The check of a single layer only calls methods with usual names, such as forward and backward.
    has_unusual_methods = contents.methods and not methods & {*sources.METHODS}
    has_functions = pairs or other_pairs or engines or optimizers
    if not (has_functions or has_unusual_methods or contents.losses or _are_checkable(classes)):
        return None
    # The iterators of rows run in the loop below, in this order. Those of classes read `seen`, the earlier rows.
    subjects = dict[str, Iterator[Row]]()
    for pair in pairs:
        subjects[pair.title] = pair_rows(file, pair, pair.backward in functions, base, seed)
    seen = list[Row]()
    if missing and not names:
        notes = [f"not in the file: {', '.join(missing)}"]
    else:
        notes = []
    for key in sorted(classes, key=_is_last):
        signature = (classes[key], contents.required.get(key, ()), contents.methods.get(key, ()))
        subjects[key] = _class_rows(file, key, signature, seed, base, (notes, seen), key in contents.losses)
    for name in engines:
        subjects[name] = engine_rows(name, partial(file.evaluate, name), seed)
    for name, kind in optimizers.items():
        tried = optimizer_contracts(kind, contents.optimizers[name])
        subjects[name] = optimizer_rows(name, kind, partial(file.evaluate, ""), tried, seed)
    for pair in other_pairs:
        subjects[" / ".join(pair)] = other_pair_rows(file, *pair, base, seed)
    for row in _rows(file, subjects):
        seen.append(row)
    places = dict[str, int]()
    for place, name in enumerate([*(pair.title for pair in pairs), *classes]):
        places[name] = place
    rows = sorted(dict.fromkeys(seen), key=lambda row: places.get(row.subject, -1))
    return Report(title, tuple(rows), tuple(dict.fromkeys(notes)), brief=True)


def _is_last(name: str) -> bool:
    """Return whether a class is one of `OF_VECTORS` or a loss, whose form may depend on that of the other classes."""
    course_format = class_format(name)
    return course_format is not None and course_format.layer in (*OF_VECTORS, None)


def _may_take_vectors(notes: Sequence[str], rows: Sequence[Row], certain: bool) -> bool:
    """Return whether the other classes of a file take single vectors, or are not known to take batches.

    certain  whether another class must take single vectors
    """
    single = set[str]()
    for note in notes:
        if "single" in note or "vectors" in note:
            single.add(note.partition(":")[0])
    batches = {row.subject for row in rows if row.title == "dw" and row.ok} - single
    if certain:
        return bool(single)
    return not batches


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
            for name in [name for name in names if name not in finished] or names[-1:]:
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
    formats = [course_format for name in classes if (course_format := class_format(name))]
    named = any(course_format.layer in (None, Softmax, Dropout) for course_format in formats)
    return len(classes) > 1 or named or any(classes.values())


def _class_rows(
    file: CheckedFile,
    name: str,
    signature: Signature,
    seed: int,
    base: LearnerTask,
    found: tuple[list[str], Sequence[Row]],
    is_loss: bool,
) -> Iterator[Row]:
    """Yield the rows of a class or an object.

    signature   names of the constructor arguments, of those without a default, and of the two methods
    found       notes for the report, extended here, and the rows of earlier classes
    is_loss     whether the methods take predictions and targets

    A class that raises an error counts as not checked, because it may expect other inputs than its name suggests. If
    all of its earlier results were right, it counts as wrong.
    """
    course_format, all_right = class_format(name), False
    notes, seen = found
    try:
        if is_loss or (course_format is not None and course_format.layer is None):
            if course_format and course_format.layer is None:
                against = course_format.against
            else:
                against = ""
            yield from _loss_class_rows(file, name, against, seed, found)
            return
        task, options = _task(name, course_format, signature, base)
        known = options
        tried = (*signature[1], *(activation_arguments(signature[0]) if course_format else ()))
        student, options = constructors.construct(file, name, tried, options, seed)
        if signature[0] == ("ctx",):
            yield from other_pair_rows(file, name, "", base, seed)
            return
        task, report = _report_of_fitting_task(student, with_own_variant(task, student), seed)
        if isinstance(task.against, NORMALIZATIONS):
            epsilon = stored_epsilon(student)
        else:
            epsilon = None
        if epsilon is None:
            rows = report.rows
        else:
            rows = _rows_with_epsilon(report.rows, name, epsilon, notes)
        layer = task.against or (course_format and course_format.fixed_layer)
        if isinstance(layer, OF_VECTORS) and not report.ok and _may_take_vectors(notes, seen, certain=False):
            # The code may run on batches, so only a layer that takes single vectors shows that they are meant.
            if _may_take_vectors(notes, seen, certain=True):
                axes = (LAST, ONE)
            else:
                axes = (LAST,)
            single = _sample_rows(file.layer(name, options=options), LearnerTask(layer, (6,)), seed, axes)
            if single:
                notes += [f"{name}: {SINGLE_VECTORS}"]
            rows = single or rows
        guessed = {*signature[1]} - {*known}  # arguments whose values were found by trial
        rows = [row for row in rows if not (guessed and ONLY_SQUARE in row.diagnoses)]
        yield from rows
        for note in report.notes:
            if note.startswith(REPORTED_NOTES):
                notes.append(f"{name}: {note}")
        all_right = all(row.ok or row.accepted for row in rows)
        if all_right and not guessed:
            yield from _rows_with_other_options(file, name, options, signature, (course_format, task), seed)
    except (StudentError, ShapeError) as error:
        if isinstance(error, StudentError):
            failure = error
        else:
            failure = str(error)
        contract = constructors.class_contract(name, signature[0], signature[2], is_loss)
        if str(failure).endswith(ONLY_LOSS):
            place = {"tensor": "p"}
        else:
            place = {}
        yield failure_row(name, failure, checked=all_right, notes=() if all_right else (contract,), **place)


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
    if not (options or {*SLOPES} & {*signature[0]} or activation_arguments(signature[0])):
        return
    if isinstance(task.against, (*NORMALIZATIONS, Dropout)):
        return  # the only option of these is the number of features or the probability
    if course_format is not None and task.against is not None:
        yield from other_options_rows(file, name, (course_format, task), signature[0], seed)
    yield from variation_rows(file, name, options, signature, seed)


def _rows_with_epsilon(rows: Sequence[Row], name: str, epsilon: float, notes: list[str]) -> tuple[Row, ...]:
    """Return the rows of a normalization. An impossible epsilon explains the wrong ones; an unusual one is noted."""
    mistake = impossible_value("epsilon", epsilon)
    if not mistake and epsilon not in EPSILONS:
        notes.append(f"{name} has epsilon = {epsilon:g}; usual is {EPSILONS[0]:g}")
    return tuple(replace(row, diagnoses=mistake) if mistake and row.is_wrong else row for row in rows)


def _loss_class_rows(
    file: CheckedFile, name: str, usual: str, seed: int, found: tuple[list[str], Sequence[Row]]
) -> Sequence[Row]:
    """Return the rows of a loss.

    usual   the loss that its name suggests; "" if it is unknown
    found   as in `_class_rows`

    Errors   FormError if the values of an unknown loss are those of no loss of this library
    """
    notes, seen = found
    if usual == LOGITS and "softmax" not in normalized_name(name):
        names = [usual, PROBABILITIES]
    else:
        names = [usual]
    if usual:
        candidates = [LossSubject(against, engine="reference") for against in names]
    else:
        candidates = all_losses()
    code = file.loss(name)
    reading = read_loss(code, candidates, seed, lenient=True)
    if not (usual or reading.right):
        raise FormError("its values are those of no loss of this library; name the loss with --against LOSS")
    if usual == LOGITS and reading.intended.name == PROBABILITIES:
        notes += [f"{name}: {PROBABILITIES_NOTE}"]
    for note in reading.notes:
        notes.append(f"{name}: {note}")
    rows = check_reading(reading, seed).rows
    if any(row.is_wrong for row in rows) and _may_take_vectors(notes, seen, certain=True):
        of_samples = read_loss(AdaptedLoss(code, single=True), [reading.intended], seed, lenient=True)
        single = of_single_samples(check_reading(of_samples, seed)).rows
        if all(row.ok for row in single):
            notes.append(f"{name}: {SINGLE_VECTORS}")
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
        tasks.append(replace(task, against=None, shape=None, larger=()))
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
    options, (arguments, required, _) = dict[str, Any](), signature
    if course_format is None:
        options = usual_values(arguments)
    elif arguments:
        case = course_format.cases(arguments)[0]
        task = replace(task, against=case.layer, shape=case.shape, larger=case.larger)
        values = constructor_values(case.layer, case.shape)
        options = dict[str, Any]()
        for argument, value in values.items():
            if argument in arguments:
                options[argument] = value
        unknown = list[str]()
        for argument in required:
            if argument not in options:
                unknown.append(argument)
        if isinstance(case.layer, NORMALIZATIONS) and len(unknown) == 1:  # the number of features
            options[unknown[0]] = case.shape[0]
        elif isinstance(case.layer, Dropout):
            options |= dict.fromkeys(unknown[:1], case.layer.rate)
            task = replace(task, options_given=bool(options))
    elif course_format.layer is Dropout:
        case = course_format.cases(arguments)[0]
        task = replace(task, against=case.layer, shape=case.shape, options_given=False)
    if {*required} - {*options}:
        task = replace(task, against=None, shape=None, larger=())
    return task, options
