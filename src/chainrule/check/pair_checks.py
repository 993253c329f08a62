"""The check of pairs of functions: a forward and a backward function, a function and its derivative, or a loss."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from chainrule.check import learner_subjects, random_inputs
from chainrule.check.checked_file import CheckedFile
from chainrule.check.constructors import pair_contract
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.failures import failure_row
from chainrule.check.forms import ARGUMENTS, FUNCTIONS, KNOWN_OPTIONS, SQUARE, Case, FunctionFormat, function_values
from chainrule.check.function_pairs import FunctionPair, find_pairs, format_by_name, is_derivative, tutorial_pairs
from chainrule.check.input_formats import BY_STRENGTH, DIRECT
from chainrule.check.layer_interface import LayerInterface, adapted, best_of, interfaces
from chainrule.check.learner_checks import ONLY_SQUARE, check_layer, check_output
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.loss_checks import check_loss, check_loss_interface
from chainrule.check.loss_interface import all_losses, find_loss_interface
from chainrule.check.mode_checks import mode_rows
from chainrule.check.option_checks import check_options
from chainrule.check.pairing import match_parameters
from chainrule.check.parameters import ArrayLayout
from chainrule.check.report import Diagnosis, Row, has_wrong
from chainrule.check.subjects import LayerSubject, LossSubject, MulticlassHinge
from chainrule.custom.calls import FormError
from chainrule.custom.functions import DERIVATIVE
from chainrule.custom.gradient_names import arrays_named
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import AveragePool2D, Conv2D, Layer, MaxPool2D

LOSS_TOLERANCE = 1e-5  # relative
Load = Callable[[Mapping[str, Any]], LearnerLayer]  # loads a pair of functions with the given options


class MatchedFormat(NamedTuple):
    """The format of a pair of functions or one of its variants, the sample axis, and layouts."""

    format: FunctionFormat
    axis: str | None
    layouts: Mapping[str, ArrayLayout]


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
            yield replace(row, subject=pair.forward if row.tensor == "y" else pair.backward or pair.forward)
        if not complete and pair.backward is not None:
            missing = UnwrittenError(f"{pair.backward} is not in the file")
            yield failure_row(pair.backward, missing, tensor="x")
    except UnwrittenError as error:
        yield failure_row(pair.forward, error)
    except StudentError as error:
        yield from _failed_pair_rows(file, pair, error, seed)


def _failed_pair_rows(file: CheckedFile, pair: FunctionPair, error: StudentError, seed: int) -> Iterator[Row]:
    """Yield the rows of a pair that raises an error or times out. If forward alone succeeds, backward is the cause."""
    rows = list[Row]()
    if pair.format.loss is None:
        try:
            rows = list(_function_rows(file, pair, False, ANY_LAYER, seed))
        except StudentError as forward_error:
            error = forward_error
    for row in rows:
        yield replace(row, subject=pair.forward)
    failure = failure_row(pair.forward, error)
    if pair.backward is not None and (rows or failure.tensor == "x"):
        failure = replace(failure, subject=pair.backward, tensor="x")
    yield failure


def _function_rows(
    file: CheckedFile, pair: FunctionPair, complete: bool, base: LearnerTask, seed: int
) -> Iterator[Row]:
    """Yield the rows of a pair of functions, or only the row of y if there is no backward."""
    backward = pair.backward if complete else pair.forward

    def load(options: Mapping[str, Any]) -> LearnerLayer:
        return file.layer(pair.forward, backward=backward, options=options)

    usual = pair.format
    is_dropout = usual.extra == "dropout_param"
    first = load(usual.cases[0].options)  # before any call, which may assign global variables
    if is_dropout and complete and not set(load({}).names).isdisjoint(ARGUMENTS["rate"]):
        usual_task = LearnerTask(usual.cases[0].layer, usual.cases[0].shape)
        yield from check_layer(first, usual_task, seed).rows
        return
    form = MatchedFormat(usual, None, {})
    if complete and not is_dropout:
        form = _matched_format(load, usual) or form
    case, *others = form.format.cases
    is_usual = form.format is usual
    if is_usual:
        learner_layer = first
        layouts = case.layouts
    else:
        learner_layer = load(case.options)
        layouts = {name: layout for name, layout in form.layouts.items() if name not in ("x", "y")}
    against = None if is_dropout else case.layer
    unknown = _unknown_arguments(learner_layer, against)
    if unknown:
        yield _unknown_argument_row(pair.forward, unknown)
        return
    task = replace(base, against=against, layouts=layouts, shape=case.shape, larger=case.larger)
    rows = list[Row]()
    try:
        for row in check_layer(learner_layer, task, seed).rows if complete else check_output(learner_layer, task, seed):
            if row.checked or against is not None:  # `mode_rows` checks the output of dropout
                rows.append(row)
    except StudentError as error:
        if is_usual or isinstance(error, UnwrittenError):
            raise
        rows = [failure_row(backward or pair.forward, error, tensor="x")]  # the output is that of the layer
    yield from rows
    if case.shape == SQUARE:
        yield Row(pair.forward, "y", "oblong images", diagnoses=(ONLY_SQUARE,))
    if is_usual and all(row.ok for row in rows if row.tensor == "y"):
        yield from _rows_of_modes(pair, load, complete, seed)
    if all(row.ok for row in rows):
        for other in others:
            yield from _rows_of_options(load, form, other, complete, base, seed, is_usual)


def _rows_of_modes(pair: FunctionPair, load: Load, complete: bool, seed: int) -> Iterator[Row]:
    """Yield the rows for training and test mode of a pair of functions, or that of an error."""
    try:
        yield from mode_rows(pair, load, complete, seed)
    except UnwrittenError as error:
        yield failure_row(pair.forward, UnwrittenError(f"{error}, in test mode"), "mode='test'")
    except StudentError as error:
        yield failure_row(pair.forward, error, "other modes")


def _rows_of_options(
    load: Load, form: MatchedFormat, other: Case, complete: bool, base: LearnerTask, seed: int, is_usual: bool
) -> Sequence[Row]:
    """Return the wrong rows of a pair of functions with other options, unless it ignores them."""

    def load_adapted(options: Mapping[str, Any]) -> LearnerLayer:
        return adapted(load(options), form.axis)

    laid_out = replace(other, layouts={**other.layouts, **form.layouts})
    if _ignores_options(load_adapted, laid_out):
        return ()
    if is_usual:
        laid_out = other
    return check_options(load_adapted(other.options), laid_out, complete, seed, base.ties)


def _ignores_options(load: Load, other: Case) -> bool:
    """Return whether the code lacks an option: the kind or window of pooling, the padding or stride of a convolution.

    The output is then the same for another value of the option: a maximum, window 1, padding 0, or stride 1.
    """
    layer = other.layer
    alternatives = list[Mapping[str, Any]]()
    if isinstance(layer, AveragePool2D):
        alternatives.append({"mode": "max"})
    elif isinstance(layer, MaxPool2D):
        alternatives.append(function_values(replace(layer, window=1)))
    elif isinstance(layer, Conv2D):
        for options in (function_values(replace(layer, padding=0)), function_values(replace(layer, stride=1))):
            if options != other.options:
                alternatives.append(options)
    if not alternatives:
        return False
    intended = LayerSubject(layer, other.shape)
    try:
        subject = match_parameters(load(other.options), intended, other.layouts)
        values = learner_subjects.draw_values(subject, 2, 0, intended)
        y = subject.output(values)
        for options in alternatives:
            learner_layer = load({**other.options, **options})
            changed = match_parameters(learner_layer, intended, other.layouts)
            if nearly_equal(changed.output(values), y, LOSS_TOLERANCE):
                return True
    except StudentError:
        pass  # code that fails with an option does not ignore it
    return False


def _matched_format(load: Load, course_format: FunctionFormat) -> MatchedFormat | None:
    """Return the format of a pair or one of its variants that applies; None if none does.

    A format applies if its output is right. If the names of the functions are those of a course, the format itself also
    applies if the output has the right shape; if none applies, the first whose output has the right shape.
    """
    is_known = course_format in FUNCTIONS
    variants = [*course_format.variants()]
    attempts = list[tuple[FunctionFormat, bool]]()  # formats, and whether their output must be right
    for variant in variants:
        attempts.append((variant, True))
    if is_known:
        attempts.insert(0, (course_format, True))
        for variant in variants:
            attempts.append((variant, False))
    else:
        attempts.append((course_format, True))  # after the variants, whose windows overlap
    for candidate, exact in attempts:
        case = candidate.cases[0]
        try:
            learner_layer = load(case.options)
        except UnwrittenError:
            raise
        except StudentError:
            continue
        if _unknown_arguments(learner_layer, case.layer):
            continue
        intended = LayerSubject(case.layer, case.shape)
        groups = list(BY_STRENGTH)
        if exact:
            groups.insert(0, (DIRECT,))
        for input_formats in groups:
            is_course = is_known and candidate is course_format and DIRECT in input_formats
            accept = _is_exact if exact and not is_course else _is_complete
            interface = best_of(interfaces(learner_layer, intended, input_formats, case.layouts), accept)
            if interface is not None:
                return MatchedFormat(candidate, interface.subject.learner_layer.adapted_axis, interface.subject.layouts)
    return None


def _is_exact(interface: LayerInterface) -> bool:
    return interface.exact


def _is_complete(interface: LayerInterface) -> bool:
    return interface.complete


def _unknown_arguments(learner_layer: LearnerLayer, against: Layer | None) -> list[str]:
    """Return the arguments of forward that are neither parameters nor known options."""
    if against is None:
        return []
    roles = LayerSubject(against, random_inputs.input_shape_for(against)).parameters
    if len(learner_layer.names) <= len(roles):
        return []
    known = set[str]()
    for role in roles:
        known.update(arrays_named(role, learner_layer.names))
    return [name for name in learner_layer.names if name not in known]


def _unknown_argument_row(forward: str, unknown: Sequence[str]) -> Row:
    message = f"is not checked: {forward} has the unknown argument {unknown[0]}; known options: {KNOWN_OPTIONS}"
    diagnoses = (Diagnosis("not-checked", message),)
    return Row(forward, "y", "none", checked=False, diagnoses=diagnoses)


def pair_named(file: CheckedFile, name: str | None) -> tuple[str, str] | None:
    """Return the pair (forward, backward) of a function, or the file's only pair if there is no name.

    None if there is no such pair.
    """
    contents = file.contents()
    pairs = list[tuple[str, str]]()
    for pair in find_pairs(contents.functions)[0]:
        if pair.backward is not None and pair.backward in contents.functions:
            pairs.append((pair.forward, pair.backward))
    pairs += tutorial_pairs(contents.functions)
    if name is None:
        if len(pairs) == 1 and not contents.layers:
            return pairs[0]
        return None
    for pair in pairs:
        if name in pair:
            return pair
    return None


def pair_task(file: CheckedFile, forward: str, backward: str, task: LearnerTask) -> tuple[LearnerLayer, LearnerTask]:
    """Return a pair of functions that should implement a specified layer, or take a specified input, and its task.

    task   the layer, or the shape of one input; by default, those of the pair's format
    """
    pairs, _ = find_pairs((forward, backward))
    known = pairs[0].format if pairs else format_by_name(forward)
    layer = task.against
    shape = task.shape
    if known is not None and known.cases:
        usual = known.cases[0]
        layer = layer or usual.layer
        if shape is None and layer == usual.layer:
            shape = usual.shape
    if layer is None:
        raise StudentError(f"{forward}: pass the layer that it should compute, such as --against 'Conv2D(4, 3)'")
    learner_layer = file.layer(forward, backward=backward, options=function_values(layer))
    return learner_layer, replace(task, against=layer, shape=shape or random_inputs.input_shape_for(layer))


def other_pair_rows(
    file: CheckedFile, forward: str, backward: str | None, base: LearnerTask, seed: int
) -> Iterator[Row]:
    """Yield the rows of a pair whose format is unknown, or a single row "not checked" if it cannot be checked.

    The pair is a layer or a loss, or the second function is a derivative. It may also have a usual name in an unusual
    form, such as `convolution` and `convolutionBackward`.

    backward   None for a class that has both functions
    """
    try:
        rows = None
        if backward is not None:
            rows = _derivative_rows(file, forward, backward, seed)
        if rows is None:
            rows = _loss_rows(file, forward, backward, seed)
        if rows is None:
            rows = _named_rows(file, forward, backward, base, seed)
        for row in rows:
            yield replace(row, subject=forward if row.tensor == "y" else backward or forward)
    except UnwrittenError as error:
        yield failure_row(forward, error)
    except (StudentError, ShapeError) as error:
        notes = ()
        if backward is not None:
            names = file.layer(forward, backward=backward).names
            if names:
                notes = (pair_contract(forward, backward, names, file.contents().calls.get(backward, ())),)
        failure = FormError(f"the pair has no known format ({error})")
        yield failure_row(forward, failure, tensor="y", notes=notes)


def _named_rows(file: CheckedFile, forward: str, backward: str | None, base: LearnerTask, seed: int) -> Sequence[Row]:
    """Return the rows of a pair that is a layer with a usual name, or one whose parameters have default values."""
    named = format_by_name(forward)
    if named and _matched_format(lambda options: file.layer(forward, backward=backward, options=options), named):
        return [*_function_rows(file, FunctionPair(named, forward, backward), True, base, seed)]
    learner_layer = file.layer(forward, backward=backward)
    try:
        return check_layer(learner_layer, base, seed).rows
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
    first: Sequence[Row] | None = None
    for of in ("x", "y"):
        learner_layer = file.layer(forward, backward=backward, options={DERIVATIVE: of})
        if learner_layer.names:
            return None
        rows = check_layer(learner_layer, LearnerTask(), seed).rows
        if not has_wrong(rows):
            return rows
        first = first or rows
    return first


def _loss_rows(file: CheckedFile, forward: str, backward: str | None, seed: int) -> Sequence[Row] | None:
    """Return the rows of a loss and its gradient with respect to the predictions; None if no loss matches."""
    try:
        interface = find_loss_interface(file.loss(forward, backward=backward), all_losses(), seed, lenient=True)
    except UnwrittenError:
        raise
    except StudentError:
        return None
    if interface.right:
        return check_loss_interface(interface, seed).rows
    return None
