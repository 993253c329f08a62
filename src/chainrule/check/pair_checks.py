"""The check of pairs of functions: a forward and a backward function, a function and its derivative, or a loss."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from chainrule.check import learner_subjects, probes
from chainrule.check.checked_file import CheckedFile
from chainrule.check.constructors import pair_contract
from chainrule.check.conventions import BY_STRENGTH, DIRECT
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.extra_checks import failure_row
from chainrule.check.forms import (
    ARGUMENTS,
    FUNCTIONS,
    KNOWN_OPTIONS,
    SQUARE,
    Case,
    FunctionFormat,
    FunctionPair,
    find_pairs,
    format_by_name,
    function_values,
    is_derivative,
    tutorial_pairs,
)
from chainrule.check.learner_checks import ONLY_SQUARE, check_layer, check_output
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.loss_checks import check_loss, check_reading
from chainrule.check.loss_reading import all_losses, read_loss
from chainrule.check.mode_checks import mode_rows
from chainrule.check.option_checks import check_options
from chainrule.check.pairing import match_parameters
from chainrule.check.parameters import ArrayLayout
from chainrule.check.reading import LayerReading, adapted, best_of, readings
from chainrule.check.report import Diagnosis, Report, Row
from chainrule.check.subjects import LayerSubject, LossSubject, MulticlassHinge
from chainrule.custom.calls import FormError
from chainrule.custom.functions import DERIVATIVE
from chainrule.custom.gradient_names import arrays_named
from chainrule.custom.student import Student
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import AveragePool2D, Conv2D, Layer, MaxPool2D

LOSS_TOLERANCE = 1e-5  # relative
Load = Callable[[Mapping[str, Any]], Student]  # loads a pair of functions with the given options
Form = tuple[FunctionFormat, str | None, dict[str, ArrayLayout]]


def pair_rows(file: CheckedFile, pair: FunctionPair, complete: bool, base: LearnerTask, seed: int) -> Iterator[Row]:
    """Yield the rows of a loss or a pair of functions.

    base   names of constants, and the treatment of ties

    In the row of y, the subject is the name of the forward function; in rows of gradients, that of the backward.
    """
    course_format = pair.format
    try:
        if course_format.loss:
            if course_format.loss == MulticlassHinge.name:
                intended = MulticlassHinge()
            else:
                intended = LossSubject(course_format.loss)
            yield from check_loss(file.loss(pair.forward), [intended], seed, labels=True).rows
            return
        for row in _function_rows(file, pair, complete, base, seed):
            yield replace(row, subject=pair.forward if row.tensor == "y" else pair.backward)
        if not complete:
            missing = UnwrittenError(f"{pair.backward} is not in the file")
            yield failure_row(pair.backward, missing, tensor="x")
    except UnwrittenError as error:
        yield failure_row(pair.forward, error)
    except StudentError as error:
        yield from _failed_pair_rows(file, pair, error, seed)


def _failed_pair_rows(file: CheckedFile, pair: FunctionPair, error: StudentError, seed: int) -> Iterator[Row]:
    """Yield the rows of a pair that raises an error or times out. If forward alone succeeds, backward is the cause."""
    try:
        if pair.format.loss:
            rows = []
        else:
            rows = list(_function_rows(file, pair, False, ANY_LAYER, seed))
    except StudentError as forward_error:
        error, rows = forward_error, list[Row]()
    yield from (replace(row, subject=pair.forward) for row in rows)
    row = failure_row(pair.forward, error)
    in_backward = pair.backward and (rows or row.tensor == "x")
    if in_backward:
        yield replace(row, subject=pair.backward, tensor="x")
    else:
        yield row


def _function_rows(
    file: CheckedFile, pair: FunctionPair, complete: bool, base: LearnerTask, seed: int
) -> Iterator[Row]:
    """Yield the rows of a pair of functions, or only the row of y if there is no backward."""
    if complete:
        backward = pair.backward
    else:
        backward = pair.forward

    def load(options: Mapping[str, Any]) -> Student:
        return file.layer(pair.forward, backward=backward, options=options)

    usual, (dropout, shape) = pair.format, (pair.format.extra == "dropout_param", pair.format.cases[0].shape)
    first = load(usual.cases[0].options)  # before any call, which may assign global variables
    if dropout and complete and {*load({}).names} & {*ARGUMENTS["rate"]}:
        yield from check_layer(first, LearnerTask(usual.cases[0].layer, shape), seed).rows
        return
    if complete and not dropout:
        form = _usual_form(load, usual)
    else:
        form = None
    course_format, axis, layouts = form or (usual, None, dict[str, ArrayLayout]())
    (case, *others), is_usual = course_format.cases, course_format is usual
    if dropout:
        against = None
    else:
        against = case.layer
    if is_usual:
        known = case.layouts
    else:
        known = {name: layout for name, layout in layouts.items() if name not in ("x", "y")}
    task = replace(base, against=against, layouts=known, shape=case.shape, larger=case.larger)
    if is_usual:
        student = first
    else:
        student = load(case.options)
    if unknown := _unknown_arguments(student, against):
        yield _unknown_argument_row(pair.forward, unknown)
        return
    try:
        if complete:
            rows = check_layer(student, task, seed).rows
        else:
            rows = check_output(student, task, seed)
        rows = [row for row in rows if row.checked or against is not None]  # `mode_rows` checks the output of dropout
    except StudentError as error:
        if is_usual or isinstance(error, UnwrittenError):
            raise
        rows = (failure_row(pair.backward, error, tensor="x"),)  # the output is that of the layer
    yield from rows
    if case.shape == SQUARE:
        yield Row(pair.forward, "y", "oblong images", diagnoses=(ONLY_SQUARE,))
    if is_usual and all(row.ok for row in rows if row.tensor == "y"):
        try:
            yield from mode_rows(pair, load, complete, seed)
        except UnwrittenError as error:
            yield failure_row(pair.forward, UnwrittenError(f"{error}, in test mode"), "mode='test'")
        except StudentError as error:
            yield failure_row(pair.forward, error, "other modes")

    def load_adapted(options: Mapping[str, Any]) -> Student:
        return adapted(load(options), axis)

    for other in others if all(row.ok for row in rows) else ():
        laid_out = replace(other, layouts={**other.layouts, **layouts})
        if not _ignores_options(load_adapted, laid_out):
            if is_usual:
                laid_out = other
            yield from check_options(load_adapted(other.options), laid_out, complete, seed, base.ties)


def _ignores_options(load: Load, other: Case) -> bool:
    """Return whether the code lacks an option: the kind or window of pooling, the padding or stride of a convolution.

    The output is then the same for another value of the option: a maximum, window 1, padding 0, or stride 1.
    """
    layer, alternatives = other.layer, list[Mapping[str, Any]]()
    if isinstance(layer, AveragePool2D):
        alternatives = [{"mode": "max"}]
    elif isinstance(layer, MaxPool2D):
        alternatives = [function_values(replace(layer, window=1))]
    elif isinstance(layer, Conv2D):
        alternatives = [function_values(replace(layer, padding=0)), function_values(replace(layer, stride=1))]
    if not (alternatives := [options for options in alternatives if options != other.options]):
        return False
    intended = LayerSubject(layer, other.shape)
    try:
        subject = match_parameters(load(other.options), intended, other.layouts)
        values = learner_subjects.draw_values(subject, 2, 0, intended)
        y = subject.output(values)
        for options in alternatives:
            student = load({**other.options, **options})
            changed = match_parameters(student, intended, other.layouts)
            if nearly_equal(changed.output(values), y, LOSS_TOLERANCE):
                return True
    except StudentError:
        pass  # code that fails with an option does not ignore it
    return False


def _usual_form(load: Load, course_format: FunctionFormat) -> Form | None:
    """Return the form of a pair: the format or one of its variants, the sample axis, and layouts; None if none applies.

    A form applies if its output is right. If the names of the functions are those of a course, the format itself also
    applies if the output has the right shape; if no form applies, the first whose output has the right shape.
    """
    known, variants = course_format in FUNCTIONS, [*course_format.variants()]
    # windows of variants overlap
    if known:
        candidates = [course_format, *variants]
    else:
        candidates = [*variants, course_format]
    attempts = list[tuple[FunctionFormat, bool]]()
    for candidate in candidates:
        attempts.append((candidate, True))
    for candidate in variants:
        if known:
            attempts.append((candidate, False))
    for candidate, exact in attempts:
        case = candidate.cases[0]
        try:
            student = load(case.options)
        except UnwrittenError:
            raise
        except StudentError:
            continue
        if _unknown_arguments(student, case.layer):
            continue
        intended, is_usual = LayerSubject(case.layer, case.shape), known and candidate is course_format
        for conventions in ((DIRECT,), *BY_STRENGTH) if exact else BY_STRENGTH:
            accept = partial(_is_accepted, exact=exact and not (is_usual and DIRECT in conventions))
            if reading := best_of(readings(student, intended, conventions, case.layouts), accept):
                return candidate, reading.subject.student.adapted_axis, reading.subject.layouts
    return None


def _is_accepted(reading: LayerReading, exact: bool) -> bool:
    """Return whether a reading has the right output, or, if this is not required, runs."""
    if exact:
        return reading.exact
    return reading.complete


def _unknown_arguments(student: Student, against: Layer | None) -> list[str]:
    """Return the arguments of forward that are neither parameters nor known options."""
    if against is None:
        return []
    roles = LayerSubject(against, probes.input_shape_for(against)).parameters
    known = {name for role in roles for name in arrays_named(role, student.names)}
    if len(student.names) > len(roles):
        return [name for name in student.names if name not in known]
    return []


def _unknown_argument_row(forward: str, unknown: Sequence[str]) -> Row:
    message = f"is not checked: {forward} has the unknown argument {unknown[0]}; known options: {KNOWN_OPTIONS}"
    diagnoses = (Diagnosis("not-checked", message),)
    return Row(forward, "y", "none", checked=False, diagnoses=diagnoses)


def pair_named(file: CheckedFile, name: str) -> tuple[str, str] | None:
    """Return the pair (forward, backward) of a function, or the file's only pair if there is no name.

    None if there is no such pair.
    """
    contents = file.contents()
    functions, layers = contents.functions, contents.layers
    known = list[tuple[str, str]]()
    for pair in find_pairs(functions)[0]:
        if pair.backward in functions:
            known.append((pair.forward, pair.backward))
    pairs = [*known, *tutorial_pairs(functions)]
    if name:
        matching = [pair for pair in pairs if name in pair]
    else:
        matching = pairs
    if matching and (name or (len(pairs) == 1 and not layers)):
        return matching[0]
    return None


def pair_task(file: CheckedFile, forward: str, backward: str, task: LearnerTask) -> tuple[Student, LearnerTask]:
    """Return a pair of functions that should implement a specified layer, or take a specified input, and its task.

    task   the layer, or the shape of one input; by default, those of the pair's format
    """
    known = next((pair.format for pair in find_pairs((forward, backward))[0]), None) or format_by_name(forward)
    if known and known.cases:
        case = known.cases[0]
    else:
        case = None
    layer = task.against or (case and case.layer)
    if layer is None:
        raise StudentError(f"{forward}: pass the layer that it should compute, such as --against 'Conv2D(4, 3)'")
    student = file.layer(forward, backward=backward, options=function_values(layer))
    shape = task.shape or (case.shape if case and layer == case.layer else probes.input_shape_for(layer))
    return student, replace(task, against=layer, shape=shape)


def other_pair_rows(file: CheckedFile, forward: str, backward: str, base: LearnerTask, seed: int) -> Iterator[Row]:
    """Yield the rows of a pair whose format is unknown, or a single row "not checked" if it cannot be checked.

    The pair is a layer or a loss, or the second function is a derivative. It may also have a usual name in an unusual
    form, such as `convolution` and `convolutionBackward`.
    """
    try:
        if (rows := _derivative_rows(file, forward, backward, seed)) is None:
            rows = _loss_rows(file, forward, backward, seed)
        for row in _named_rows(file, forward, backward, base, seed) if rows is None else rows:
            yield replace(row, subject=forward if row.tensor == "y" else backward or forward)
    except UnwrittenError as error:
        yield failure_row(forward, error)
    except (StudentError, ShapeError) as error:
        message = f"the pair has no known format ({error})"
        if backward:
            names = file.layer(forward, backward=backward).names
        else:
            names = ()
        calls = file.contents().calls
        if names:
            notes = (pair_contract(forward, backward, names, calls.get(backward, ())),)
        else:
            notes = ()
        yield failure_row(forward, FormError(message), tensor="y", notes=notes)


def _named_rows(file: CheckedFile, forward: str, backward: str, base: LearnerTask, seed: int) -> Sequence[Row]:
    """Return the rows of a pair that is a layer with a usual name, or one whose parameters have default values."""
    named = format_by_name(forward)
    if named and _usual_form(lambda options: file.layer(forward, backward=backward, options=options), named):
        return [*_function_rows(file, FunctionPair(named, forward, backward), True, base, seed)]
    student = file.layer(forward, backward=backward)
    try:
        return check_layer(student, base, seed).rows
    except UnwrittenError:
        raise
    except (StudentError, ShapeError):
        if named is None:
            raise
        kind = type(named.cases[0].layer).__name__
        raise StudentError(f"its output is not that of {kind} in any of the usual forms") from None


def _derivative_rows(file: CheckedFile, forward: str, backward: str, seed: int) -> Sequence[Row] | None:
    """Return the rows of a function and its derivative with respect to x, as a function of x or of y.

    None if the second function is not called a derivative, or if the functions have several arguments.
    """
    if not is_derivative(backward):
        return None
    reports = list[Report]()
    for of in ("x", "y"):
        student = file.layer(forward, backward=backward, options={DERIVATIVE: of})
        if student.names:
            return None
        reports.append(check_layer(student, LearnerTask(), seed))
        if not any(row.is_wrong for row in reports[-1].rows):
            break
    return min(reports, key=lambda report: any(row.is_wrong for row in report.rows)).rows


def _loss_rows(file: CheckedFile, forward: str, backward: str, seed: int) -> Sequence[Row] | None:
    """Return the rows of a loss and its gradient with respect to the predictions; None if no loss matches."""
    try:
        reading = read_loss(file.loss(forward, backward=backward), all_losses(), seed, lenient=True)
    except UnwrittenError:
        raise
    except StudentError:
        return None
    if reading.right:
        return check_reading(reading, seed).rows
    return None
