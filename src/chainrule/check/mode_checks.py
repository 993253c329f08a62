"""Checks of training and test modes under a contract: batch normalization's running statistics, the mask of dropout."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from typing import cast

import numpy as np

from chainrule.check import comparison
from chainrule.check.checked_case import CheckedCase
from chainrule.check.extra_checks import check_unchanged_arrays
from chainrule.check.library_functions import LibraryLayer
from chainrule.check.report import MASK_SHARED, CheckResult, Diagnosis
from chainrule.check.results import TestCase
from chainrule.check.submitted_functions import SubmittedLayer
from chainrule.custom.contract_code import TRAIN
from chainrule.custom.interface import Code
from chainrule.engines.protocol import Array
from chainrule.layers import BatchNorm2D

TOLERANCE, SINGLE_TOLERANCE = 1e-9, 1e-5  # relative tolerances for float64 and float32
INPUT_SHAPE = (100, 400)  # input shape of dropout
METHOD = "mask and scale"
MASK = "must be dout times the mask and the scale of forward"
SAME_MASK = "has the same mask in every call: in training, every call drops other values; do not set a seed in it"
DEVIATIONS = 6  # largest accepted deviation of the fraction of kept values, in standard deviations
WRONG_STATISTICS = (
    "has wrong running statistics: running = momentum · running + (1 − momentum) · statistic of the batch"
)
MIN_OLD_WEIGHT = 0.5  # of the running statistics in an update; less follows the last batch
BATCH, BATCHES = 6, 3  # samples and number of batches for running statistics
RUNNING_TOLERANCE = 1e-6  # relative


def is_same(result: Array | None, expected: Array, *others: Array) -> bool:
    """Return whether a result is the expected array up to rounding.

    others  further results of the code, from which the expected array is computed
    """
    if result is None or result.shape != expected.shape:
        return False
    return comparison.compare_with_array(result, expected).error <= tolerance_of(result, *others)


def tolerance_of(*results: Array) -> float:
    """Return the tolerance of results, which may be in float32."""
    if any(result.dtype.itemsize < 8 for result in results):
        return SINGLE_TOLERANCE
    return TOLERANCE


def mode_result(name: str, method: str, right: bool, mistake: str, message: str, tensor: str = "y") -> CheckResult:
    """Return a result that is right, or wrong because of the mistake with this name and message."""
    result = CheckResult(name, tensor, method, None, TOLERANCE, right)
    if right:
        return result
    return replace(result, diagnoses=(Diagnosis(mistake, message),))


def dropout_results(code: Code, rate: float, shape: tuple[int, ...], seed: int) -> Iterator[CheckResult]:
    """Yield the results of a learner's dropout in training. Its numbers are random, so only its mask is checked.

    rate            probability of dropping or, in older editions of courses, of keeping a value
    shape           shape of one input
    """
    generator = np.random.default_rng(seed)
    x = generator.uniform(1, 2, (-(-prod(INPUT_SHAPE) // prod(shape)), *shape))
    dy = generator.normal(size=x.shape)
    result = partial(mode_result, code.kind)
    submitted = SubmittedLayer(code, shape, ())
    first = submitted.output({"x": x})
    masked = _masked(result, x, first, rate)
    if masked.ok and is_same(submitted.output({"x": x}), first):
        masked = result(METHOD, False, "dropout-seed", SAME_MASK)
    yield masked
    yield _mask_gradient(result, submitted, x, dy)
    checked = CheckedCase(TestCase(submitted, {"x": x}, dy, first, generator), {}, {}, frozenset(), {"x": x / 2})
    yield from check_unchanged_arrays(checked)


def identity_result(code: Code, rate: float, shape: tuple[int, ...], seed: int) -> CheckResult:
    """Return the result of y of a dropout in test mode."""
    x = np.random.default_rng(seed).uniform(1, 2, (3, *shape))
    code.set(TRAIN, np.array(0.0))
    tested = code.forward(x).arrays["y"]
    scaled = any(is_same(tested, factor * x) for factor in (rate, 1 - rate))
    message = "is scaled in test mode: inverted dropout divides in training, and test mode returns x"
    shown = message if scaled else "must equal x in test mode"
    return mode_result(code.kind, "mode='test'", is_same(tested, x), "test-mode", shown)


def _mask_gradient(result: Callable[..., CheckResult], training: SubmittedLayer, x: Array, dy: Array) -> CheckResult:
    """Return the result of dx, which must be dy times the mask and the scale of the last forward."""
    y = training.output({"x": x})
    masked = y / x
    dx = training.backward({"x": x}, dy).get("x")
    unscaled = is_same(dx, dy * (masked != 0), y) and not np.isclose(masked.max(), 1)
    if unscaled:
        mistake = "dropout-not-scaled"
        message = "lacks the scale of forward"
    else:
        mistake = "dropout-mask"
        message = MASK
    return result(METHOD, is_same(dx, dy * masked, y), mistake, message, "x")


def _masked(result: Callable[..., CheckResult], x: Array, y: Array, p: float) -> CheckResult:
    """Return the result of y in training mode. Each element must be 0, or x / P(keep)."""
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
    tolerance = tolerance_of(y)
    if not np.allclose(ratio[kept], scale, rtol=tolerance):
        message = "does not multiply all kept values by the same number: multiply by 1 / probability of keeping"
        return result(METHOD, False, "dropout-mask", message)
    kept_fraction = float(kept.mean())
    masks = x[0] if shared else x
    deviation = DEVIATIONS * np.sqrt(p * (1 - p) / masks.size)
    candidates = [p, 1 - p]  # p is the probability of keeping or, in older editions of the course, of dropping
    for keep in candidates:
        if abs(kept_fraction - keep) < deviation:
            break
    else:
        message = (
            f"keeps {kept_fraction:.0%} of the values: keep each with probability p = {p} (1 − p in older editions)"
        )
        return result(METHOD, False, "dropout-probability", message)
    if np.isclose(scale, 1 / keep, rtol=tolerance):
        message = "drops the same values in every sample of the batch: draw a mask with the shape of x"
        return result(METHOD, not shared, MASK_SHARED, message)
    message = (
        f"keeps {keep:.0%} of the values and multiplies them by {scale:.4g}: divide by the probability of keeping, "
    )
    return result(METHOD, False, "dropout-not-scaled", f"{message}{keep:.1f}, so that the mean stays the same")


def _is_constant(mask: Array, axis: int) -> bool:
    """Return whether a mask is the same at all positions along an axis."""
    return bool((mask == mask.take([0], axis)).all())


def normalization_results(name: str, intended: LibraryLayer, code: Code, seed: int) -> list[CheckResult]:
    """Return the results for the running statistics and the test mode of a batch normalization under a contract.

    The statistics are those that explain the output in test mode, after each of several batches.
    """
    generator = np.random.default_rng(seed)
    layer = cast("BatchNorm2D", intended.layer)

    def forward(batch: Array) -> Array:
        return code.forward(batch).arrays["y"]

    stated = dict[str, Array]()
    for key, size in intended.parameters.items():
        if key in code.parameters:
            stated[key] = generator.uniform(0.5, 2, size)
            code.set(key, stated[key])
    batches = [generator.normal(2, 3, (BATCH, *intended.shape)) for _ in range(BATCHES)]
    x = batches[0]
    running = list[tuple[Array, Array]]()
    for batch in batches:
        code.set(TRAIN, np.array(1.0))
        forward(batch)
        code.set(TRAIN, np.array(0.0))
        running.append(_explaining_statistics(x, forward(x), stated, layer.epsilon))
    alone = forward(x[:1])
    y = forward(x)
    independent = is_same(alone, y[:1]) and is_same(forward(x), y)
    test = mode_result(name, "eval=True", independent, "test-mode", "depends on the batch in test mode")
    right = _is_updated(running[-2], running[-1], batches[-1])
    return [mode_result(name, "running statistics", right, "running-statistics", WRONG_STATISTICS), test]


def _is_updated(old: tuple[Array, Array], new: tuple[Array, Array], batch: Array) -> bool:
    """Return whether running statistics (mean, variance) are a mean of old ones and those of a batch.

    The variance of the batch may be biased or unbiased.
    """
    old_mean, old_variance = old
    mean, variance = new
    axes = (0, *range(2, batch.ndim))
    batch_mean = batch.mean(axes)
    batch_variance = batch.var(axes)
    factor = float(np.median((mean - batch_mean) / (old_mean - batch_mean)))
    if not MIN_OLD_WEIGHT <= factor < 1:
        return False
    if not np.allclose(mean, factor * old_mean + (1 - factor) * batch_mean, rtol=RUNNING_TOLERANCE):
        return False
    count = batch.size // batch_mean.size
    for correction in (1, count / (count - 1)):
        expected = factor * old_variance + (1 - factor) * batch_variance * correction
        if np.allclose(variance, expected, rtol=RUNNING_TOLERANCE):
            return True
    return False


def _explaining_statistics(x: Array, y: Array, stated: Mapping[str, Array], epsilon: float) -> tuple[Array, Array]:
    """Return the mean and the variance of each channel where γ (x − mean)/√(variance + ε) + β is y."""
    means = list[float]()
    variances = list[float]()
    for channel in range(x.shape[1]):
        gamma = stated["gamma"][channel] if "gamma" in stated else 1.0
        beta = stated["beta"][channel] if "beta" in stated else 0.0
        slope, constant = np.polyfit(x[:, channel].reshape(-1), (y[:, channel].reshape(-1) - beta) / gamma, 1)
        means.append(-constant / slope)
        variances.append(slope**-2 - epsilon)
    return np.array(means), np.array(variances)
