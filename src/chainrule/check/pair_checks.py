"""The check of pairs of functions: a forward and a backward function, a function and its derivative, or a loss."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from chainrule.check import random_inputs, submitted_functions
from chainrule.check.checked_file import CheckedFile
from chainrule.check.constructors import pair_contract
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.failures import failure_result
from chainrule.check.function_pairs import FunctionPair, interface_by_name, is_derivative
from chainrule.check.input_formats import BY_STRENGTH, DIRECT
from chainrule.check.known_interfaces import FUNCTIONS, KNOWN_OPTIONS, SQUARE, Case, FunctionInterface
from chainrule.check.layer_interface import LayerInterface, adapted, best_of, interfaces
from chainrule.check.learner_checks import ONLY_SQUARE, check_layer, check_output
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.library_functions import LibraryLayer, LibraryLoss, MulticlassHinge
from chainrule.check.loss_checks import check_loss, check_loss_interface
from chainrule.check.loss_interface import all_losses, find_loss_interface
from chainrule.check.mode_checks import mode_results
from chainrule.check.option_checks import check_options
from chainrule.check.pairing import match_parameters
from chainrule.check.parameters import ArrayLayout
from chainrule.check.report import CheckResult, Diagnosis, has_wrong
from chainrule.check.usual_options import ARGUMENTS, function_values
from chainrule.custom.calls import InterfaceError
from chainrule.custom.functions import DERIVATIVE
from chainrule.custom.gradient_names import arrays_named
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import AveragePool2D, Conv2D, Layer, MaxPool2D

LOSS_TOLERANCE = 1e-5  # relative
DROPOUT_OPTIONS = "dropout_param"  # dictionary of the options of a dropout
Load = Callable[[Mapping[str, Any]], LearnerLayer]  # loads a pair of functions with the given options


class MatchedInterface(NamedTuple):
    """The interface of a pair of functions or one of its variants, the sample axis, and layouts."""

    interface: FunctionInterface
    axis: str | None
    layouts: Mapping[str, ArrayLayout]


def pair_results(
    file: CheckedFile, pair: FunctionPair, complete: bool, base: LearnerTask, seed: int
) -> Iterator[CheckResult]:
    """Yield the results of a loss or a pair of functions.

    base   names of constants, and the treatment of ties

    The result of y has the name of the forward function; the results of gradients have that of the backward.
    """
    known_interface = pair.interface
    try:
        if known_interface.loss:
            if known_interface.loss == MulticlassHinge.name:
                intended = MulticlassHinge()
            else:
                intended = LibraryLoss(known_interface.loss)
            yield from check_loss(file.loss(pair.forward), [intended], seed, labels=True).results
            return
        for result in _function_results(file, pair, complete, base, seed):
            yield replace(result, name=pair.forward if result.tensor == "y" else pair.backward or pair.forward)
        if not complete and pair.backward is not None:
            missing = UnwrittenError(f"{pair.backward} is not in the file")
            yield failure_result(pair.backward, missing, tensor="x")
    except UnwrittenError as error:
        yield failure_result(pair.forward, error)
    except StudentError as error:
        yield from _failed_pair_results(file, pair, error, seed)


def _failed_pair_results(
    file: CheckedFile, pair: FunctionPair, error: StudentError, seed: int
) -> Iterator[CheckResult]:
    """Yield the results of a pair that raises an error or is too slow.

    If forward alone succeeds, backward is the cause.
    """
    results = list[CheckResult]()
    if pair.interface.loss is None:
        try:
            results = list(_function_results(file, pair, False, ANY_LAYER, seed))
        except StudentError as forward_error:
            error = forward_error
    for result in results:
        yield replace(result, name=pair.forward)
    failure = failure_result(pair.forward, error)
    if pair.backward is not None and (results or failure.tensor == "x"):
        failure = replace(failure, name=pair.backward, tensor="x")
    yield failure


def _function_results(
    file: CheckedFile, pair: FunctionPair, complete: bool, base: LearnerTask, seed: int
) -> Iterator[CheckResult]:
    """Yield the results of a pair of functions, or only the result of y if there is no backward."""
    backward = pair.backward if complete else pair.forward

    def load(options: Mapping[str, Any]) -> LearnerLayer:
        return file.layer(pair.forward, backward=backward, options=options)

    usual = pair.interface
    usual_case = usual.cases[0]
    is_dropout = usual.extra == DROPOUT_OPTIONS
    first = load(usual_case.options)  # before any call, which may assign global variables
    if is_dropout and complete and not set(load({}).names).isdisjoint(ARGUMENTS["rate"]):
        # the rate is an argument, instead of an entry of a dictionary
        yield from check_layer(first, LearnerTask(usual_case.layer, usual_case.shape), seed).results
        return
    matched = None
    if complete and not is_dropout:
        matched = _matched_interface(load, usual)
    if matched is None:
        matched = MatchedInterface(usual, None, {})
    is_usual = matched.interface is usual
    case, *others = matched.interface.cases
    if is_usual:
        learner_layer = first
        layouts = dict(case.layouts)
    else:
        learner_layer = load(case.options)
        layouts = dict(matched.layouts)
        layouts.pop("x", None)  # the search finds them again
        layouts.pop("y", None)
    against = None if is_dropout else case.layer  # its output is random
    unknown = _unknown_arguments(learner_layer, against)
    if unknown:
        yield _unknown_argument_result(pair.forward, unknown)
        return
    task = replace(base, against=against, layouts=layouts, shape=case.shape, larger=case.larger)
    try:
        results = _results_of_case(learner_layer, task, complete, seed)
    except UnwrittenError:
        raise
    except StudentError as error:
        if is_usual:
            raise
        results = [failure_result(backward or pair.forward, error, tensor="x")]  # the output is that of the layer
    yield from results
    if case.shape == SQUARE:
        yield CheckResult(pair.forward, "y", "oblong images", diagnoses=(ONLY_SQUARE,))
    if is_usual and all(result.ok for result in results if result.tensor == "y"):
        yield from _results_of_modes(pair, load, complete, seed)
    if all(result.ok for result in results):
        for other in others:
            yield from _results_of_options(load, matched, other, complete, base, seed, is_usual)


def _results_of_case(
    learner_layer: LearnerLayer, task: LearnerTask, complete: bool, seed: int
) -> Sequence[CheckResult]:
    """Return the results of a pair of functions with the first options of its interface."""
    if not complete:
        return check_output(learner_layer, task, seed)
    results = check_layer(learner_layer, task, seed).results
    if task.against is not None:
        return results
    return [result for result in results if result.checked]  # `mode_results` checks the output of dropout


def _results_of_modes(pair: FunctionPair, load: Load, complete: bool, seed: int) -> Iterator[CheckResult]:
    """Yield the results for training and test mode of a pair of functions, or that of an error."""
    try:
        yield from mode_results(pair, load, complete, seed)
    except UnwrittenError as error:
        yield failure_result(pair.forward, UnwrittenError(f"{error}, in test mode"), "mode='test'")
    except StudentError as error:
        yield failure_result(pair.forward, error, "other modes")


def _results_of_options(
    load: Load, matched: MatchedInterface, other: Case, complete: bool, base: LearnerTask, seed: int, is_usual: bool
) -> Sequence[CheckResult]:
    """Return the wrong results of a pair of functions with other options, unless it ignores them."""

    def load_adapted(options: Mapping[str, Any]) -> LearnerLayer:
        return adapted(load(options), matched.axis)

    laid_out = replace(other, layouts={**other.layouts, **matched.layouts})
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
    intended = LibraryLayer(layer, other.shape)
    try:
        submitted = match_parameters(load(other.options), intended, other.layouts)
        values = submitted_functions.draw_values(submitted, 2, 0, intended)
        y = submitted.output(values)
        for options in alternatives:
            learner_layer = load({**other.options, **options})
            changed = match_parameters(learner_layer, intended, other.layouts)
            if nearly_equal(changed.output(values), y, LOSS_TOLERANCE):
                return True
    except StudentError:
        pass  # code that fails with an option does not ignore it
    return False


def _matched_interface(load: Load, known_interface: FunctionInterface) -> MatchedInterface | None:
    """Return the interface of a pair or one of its variants that applies; None if none does.

    An interface applies if its output is right. If the names of the functions are those of a course, the interface
    itself also applies if the output has the right shape; if none applies, the first whose output has the right shape.
    """
    is_known = known_interface in FUNCTIONS
    variants = [*known_interface.variants()]
    attempts = list[tuple[FunctionInterface, bool]]()  # interfaces, and whether their output must be right
    for variant in variants:
        attempts.append((variant, True))
    if is_known:
        attempts.insert(0, (known_interface, True))
        for variant in variants:
            attempts.append((variant, False))
    else:
        attempts.append((known_interface, True))  # after the variants, whose windows overlap
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
        intended = LibraryLayer(case.layer, case.shape)
        groups = list(BY_STRENGTH)
        if exact:
            groups.insert(0, (DIRECT,))
        for input_formats in groups:
            is_course = is_known and candidate is known_interface and DIRECT in input_formats
            accept = _is_exact if exact and not is_course else _is_complete
            interface = best_of(interfaces(learner_layer, intended, input_formats, case.layouts), accept)
            if interface is not None:
                return MatchedInterface(
                    candidate, interface.submitted.learner_layer.adapted_axis, interface.submitted.layouts
                )
    return None


def _is_exact(interface: LayerInterface) -> bool:
    return interface.exact


def _is_complete(interface: LayerInterface) -> bool:
    return interface.complete


def _unknown_arguments(learner_layer: LearnerLayer, against: Layer | None) -> list[str]:
    """Return the arguments of forward that are neither parameters nor known options."""
    if against is None:
        return []
    roles = LibraryLayer(against, random_inputs.input_shape_for(against)).parameters
    if len(learner_layer.names) <= len(roles):
        return []
    known = set[str]()
    for role in roles:
        known.update(arrays_named(role, learner_layer.names))
    return [name for name in learner_layer.names if name not in known]


def _unknown_argument_result(forward: str, unknown: Sequence[str]) -> CheckResult:
    message = f"is not checked: {forward} has the unknown argument {unknown[0]}; known options: {KNOWN_OPTIONS}"
    diagnoses = (Diagnosis("not-checked", message),)
    return CheckResult(forward, "y", "none", checked=False, diagnoses=diagnoses)


def other_pair_results(
    file: CheckedFile, forward: str, backward: str | None, base: LearnerTask, seed: int
) -> Iterator[CheckResult]:
    """Yield the results of a pair whose interface is unknown, or a single result "not checked" if it cannot be checked.

    The pair is a layer or a loss, or the second function is a derivative. It may also have a usual name in an unusual
    form, such as `convolution` and `convolutionBackward`.

    backward   None for a class that has both functions
    """
    try:
        results = None
        if backward is not None:
            results = _derivative_results(file, forward, backward, seed)
        if results is None:
            results = _loss_results(file, forward, backward, seed)
        if results is None:
            results = _named_results(file, forward, backward, base, seed)
        for result in results:
            yield replace(result, name=forward if result.tensor == "y" else backward or forward)
    except UnwrittenError as error:
        yield failure_result(forward, error)
    except (StudentError, ShapeError) as error:
        notes = ()
        if backward is not None:
            names = file.layer(forward, backward=backward).names
            if names:
                notes = (pair_contract(forward, backward, names, file.contents().calls.get(backward, ())),)
        failure = InterfaceError(f"the pair has no known interface ({error})")
        yield failure_result(forward, failure, tensor="y", notes=notes)


def _named_results(
    file: CheckedFile, forward: str, backward: str | None, base: LearnerTask, seed: int
) -> Sequence[CheckResult]:
    """Return the results of a pair that is a layer with a usual name, or one whose parameters have default values."""
    named = interface_by_name(forward)
    if named and _matched_interface(lambda options: file.layer(forward, backward=backward, options=options), named):
        return [*_function_results(file, FunctionPair(named, forward, backward), True, base, seed)]
    learner_layer = file.layer(forward, backward=backward)
    try:
        return check_layer(learner_layer, base, seed).results
    except UnwrittenError:
        raise
    except (StudentError, ShapeError):
        if named is None:
            raise
        kind = type(named.cases[0].layer).__name__
        raise StudentError(f"its output is not that of {kind} in any of the usual forms") from None


def _derivative_results(file: CheckedFile, forward: str, backward: str, seed: int) -> Sequence[CheckResult] | None:
    """Return the results of a function and its derivative with respect to x, as a function of x or of y.

    None if the second function is not called a derivative, or if the functions have several arguments.
    """
    if not is_derivative(backward):
        return None
    first: Sequence[CheckResult] | None = None
    for of in ("x", "y"):
        learner_layer = file.layer(forward, backward=backward, options={DERIVATIVE: of})
        if learner_layer.names:
            return None
        results = check_layer(learner_layer, LearnerTask(), seed).results
        if not has_wrong(results):
            return results
        first = first or results
    return first


def _loss_results(file: CheckedFile, forward: str, backward: str | None, seed: int) -> Sequence[CheckResult] | None:
    """Return the results of a loss and its gradient with respect to the predictions; None if no loss matches."""
    try:
        interface = find_loss_interface(file.loss(forward, backward=backward), all_losses(), seed, lenient=True)
    except UnwrittenError:
        raise
    except StudentError:
        return None
    if interface.right:
        return check_loss_interface(interface, seed).results
    return None
