"""Checks of training and test modes: the running statistics of batch normalization, and the dropout mask."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from chainrule.check import comparison, submitted_functions
from chainrule.check.checked_case import CheckedCase
from chainrule.check.extra_checks import check_unchanged_arrays
from chainrule.check.function_pairs import FunctionPair
from chainrule.check.library_functions import LibraryLayer
from chainrule.check.mode_results import TOLERANCE, Load, is_same, mode_result, pair_result
from chainrule.check.report import MASK_SHARED, CheckResult, Diagnosis
from chainrule.check.results import TestCase
from chainrule.check.running_statistics import batch_statistics_results, class_statistics_results
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.methods import EVALUATED
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError
from chainrule.layers import Dropout

KEEP_MORE = 0.8  # another dropout probability
INPUT_SHAPE = (100, 400)  # input shape of dropout
METHOD = "mask and scale"
MASK = "must be dout times the mask and the scale of forward"
SAME_MASK = "the mask is the same in every call; in training, every call should drop other values"
UNKNOWN = (
    "is not checked in evaluation: add an argument eval or training to forward, or a method eval() or an attribute "
    "training to the class"
)
MIN_OWN_SCALE = 1.05  # of kept values, of a dropout with its own probability
DEVIATIONS = 6  # largest accepted deviation of the fraction of kept values, in standard deviations


def mode_results(pair: FunctionPair, load: Load, complete: bool, seed: int) -> list[CheckResult]:
    """Return the results for training and test mode of a pair of functions, or an empty list if it has no modes.

    load      loads the functions with the given options
    complete  whether there is a backward function
    """
    checks = {"bn_param": batch_statistics_results, "dropout_param": _dropout}
    argument = pair.interface.extra
    if argument is None:
        return []
    return checks[argument](pair, argument, load, np.random.default_rng(seed), complete)


def class_results(name: str, intended: LibraryLayer, load: Load, seed: int) -> list[CheckResult]:
    """Return the results for the evaluation mode of a dropout or a batch normalization class, or an empty list.

    If the evaluation mode cannot be selected, the results are "not checked".
    """

    def result(method: str, right: bool, mistake: str, message: str) -> CheckResult:
        return mode_result(name, method.replace("mode='test'", "eval=True"), right, mistake, message)

    try:
        if isinstance(intended.layer, Dropout):
            x = np.random.default_rng(seed).uniform(1, 2, (3, *intended.shape))
            return [_identity_result(result, load({EVALUATED: True}), x, intended.layer.rate)]
        return class_statistics_results(result, intended, load, seed)
    except StudentError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        return [replace(result("mode='test'", False, "not-checked", UNKNOWN), checked=False)]


def _dropout(
    pair: FunctionPair, argument: str, load: Load, generator: np.random.Generator, complete: bool
) -> list[CheckResult]:
    """Check the fraction of kept values, their scale, and the test mode.

    p may be the probability of keeping or of dropping a value.
    """
    options = pair.interface.cases[0].options[argument]
    result = partial(pair_result, pair)
    x = generator.uniform(1, 2, INPUT_SHAPE)

    def loaded(**changes: Any) -> LearnerLayer:
        return load({argument: {**options, **changes}})

    usual = loaded()
    reseeded = loaded(seed=options["seed"] + 1)
    mask_result = _masked(result, x, usual.forward(x), options["p"])
    if mask_result.ok or mask_result.accepted:
        mask_result = _masked(result, x, loaded(p=KEEP_MORE).forward(x), KEEP_MORE)
    unseeded = load({argument: {name: value for name, value in options.items() if name != "seed"}})
    for when, learner_layer, another in (
        ("for every seed", usual, reseeded),
        ("in every call without a seed", unseeded, unseeded),
    ):
        if mask_result.ok and is_same(learner_layer.forward(x), another.forward(x)):
            message = f"keeps the same values {when}: draw a new mask in every call"
            mask_result = result(METHOD, False, "dropout-mask", message)
    testing = loaded(mode="test")
    results = [mask_result, _identity_result(result, testing, x, options["p"])]
    if not complete:
        return results
    dy = generator.normal(size=x.shape)
    results.append(_mask_gradient(result, loaded(), x, dy))
    if results[-1].ok and not (repeated := _mask_gradient(result, unseeded, x, dy)).ok:
        message = "uses another mask than forward if there is no seed: store the mask in the cache"
        results.append(replace(repeated, method="no seed", diagnoses=(Diagnosis("dropout-mask", message),)))
    testing.forward(x)
    dx = testing.backward(dy, strict=False)[0]
    return [*results, result("mode='test'", is_same(dx, dy), "test-mode", "must equal dout in test mode", "x")]


def dropout_results(
    learner_layer: LearnerLayer, rate: float, shape: tuple[int, ...], seed: int, rate_is_given: bool
) -> Iterator[CheckResult]:
    """Yield the results of a learner's dropout in training. Its numbers are random, so only its mask is checked.

    rate            probability of dropping or, in older editions of courses, of keeping a value
    rate_is_given   whether the code was given the rate
    shape           shape of one input
    """
    generator = np.random.default_rng(seed)
    x = generator.uniform(1, 2, (-(-prod(INPUT_SHAPE) // prod(shape)), *shape))
    dy = generator.normal(size=x.shape)
    result = partial(mode_result, learner_layer.name)
    first = learner_layer.forward(x)
    if is_same(learner_layer.forward(x), first):
        notes = (SAME_MASK,)
    else:
        notes = ()
    yield replace(_masked(result, x, first, rate, rate_is_given), notes=notes)
    yield _mask_gradient(result, learner_layer, x, dy)
    submitted = submitted_functions.SubmittedLayer(learner_layer, shape, {})
    checked = CheckedCase(TestCase(submitted, {"x": x}, dy, first, generator), {}, {}, frozenset(), {"x": x / 2})
    yield from check_unchanged_arrays(checked)


def _identity_result(result: Callable[..., CheckResult], testing: LearnerLayer, x: Array, p: float) -> CheckResult:
    """Return the result of y of a dropout in test mode."""
    tested = testing.forward(x)
    scaled = any(is_same(tested, factor * x) for factor in (p, 1 - p))
    message = "is scaled in test mode: inverted dropout divides in training, and test mode returns x"
    return result("mode='test'", is_same(tested, x), "test-mode", message if scaled else "must equal x in test mode")


def _mask_gradient(result: Callable[..., CheckResult], training: LearnerLayer, x: Array, dy: Array) -> CheckResult:
    """Return the result of dx, which must be dy times the mask and the scale of the last forward."""
    masked = training.forward(x) / x
    dx = training.backward(dy, strict=False)[0]
    unscaled = is_same(dx, dy * (masked != 0)) and not np.isclose(masked.max(), 1)
    if unscaled:
        mistake = "dropout-not-scaled"
        message = "lacks the scale of forward"
    else:
        mistake = "dropout-mask"
        message = MASK
    return result(METHOD, is_same(dx, dy * masked), mistake, message, "x")


def _masked(
    result: Callable[..., CheckResult], x: Array, y: Array, p: float, rate_is_given: bool = True
) -> CheckResult:
    """Return the result of y in training mode. Each element must be 0, or x divided by the probability of keeping it.

    rate_is_given  whether the code was given p; if not, it may use a probability of its own
    """
    if y.shape != x.shape:
        return result(METHOD, False, "dropout-mask", comparison.shape_message("", y, x.shape).strip())
    kept = np.abs(y) > 0
    ratio = y / x
    # A mask that is the same along an axis drops whole rows of it. Along the samples, it is shared, and judged last.
    shared = _is_constant(kept, 0) and not kept.all()
    if not shared and not kept.all():
        for axis in range(kept.ndim):
            if _is_constant(kept, axis):
                return result(METHOD, False, "dropout-mask", "drops whole samples: draw a mask with the shape of x")
    scale = float(np.median(ratio[kept])) if kept.any() else 0.0
    if not np.allclose(ratio[kept], scale, rtol=TOLERANCE):
        message = "does not multiply all kept values by the same number: multiply by 1 / probability of keeping"
        return result(METHOD, False, "dropout-mask", message)
    kept_fraction = float(kept.mean())
    masks = x[0] if shared else x
    deviation = DEVIATIONS * np.sqrt(p * (1 - p) / masks.size)
    candidates = [p, 1 - p]  # p is the probability of keeping or, in older editions of the course, of dropping
    if not rate_is_given:  # the argument of p has an unknown name
        candidates.append(1 / scale if scale > MIN_OWN_SCALE else 0.0)
    for keep in candidates:
        if abs(kept_fraction - keep) < deviation:
            break
    else:
        message = (
            f"keeps {kept_fraction:.0%} of the values: keep each with probability p = {p} (1 − p in older editions)"
        )
        return result(METHOD, False, "dropout-probability", message)
    if np.isclose(scale, 1 / keep, rtol=TOLERANCE):
        message = "drops the same values in every sample of the batch: draw a mask with the shape of x"
        return result(METHOD, not shared, MASK_SHARED, message)
    message = (
        f"keeps {keep:.0%} of the values and multiplies them by {scale:.4g}: divide by the probability of keeping, "
    )
    return result(METHOD, False, "dropout-not-scaled", f"{message}{keep:.1f}, so that the mean stays the same")


def _is_constant(mask: Array, axis: int) -> bool:
    """Return whether a mask is the same at all positions along an axis."""
    return bool((mask == mask.take([0], axis)).all())
