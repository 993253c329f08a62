"""Checks of the running statistics of batch normalization, and of its output in test mode."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np

from chainrule.check.function_pairs import FunctionPair
from chainrule.check.known_interfaces import DEFAULTS, impossible_value
from chainrule.check.library_functions import LibraryLayer
from chainrule.check.mode_results import TOLERANCE, Load, is_same, mode_result, pair_result
from chainrule.check.pairing import match_parameters
from chainrule.check.report import CheckResult
from chainrule.custom.contract_code import TRAIN
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.methods import EVALUATED
from chainrule.engines.protocol import Array
from chainrule.layers import BatchNorm2D

STATISTICS_NAMES = (("running_M", "running_mean", "moving_mean"), ("running_V", "running_var", "moving_var"))
MOMENTUM_NAMES = ("alpha", "momentum")  # attributes of a class; alpha is always the weight of the old statistics
STATISTICS_CHANGED = "changes the running statistics in test mode: update them in training only"
UPDATE_RULE = "running = momentum · running + (1 − momentum) · statistic of the batch"
WRONG_STATISTICS = f"has wrong running statistics: {UPDATE_RULE}"
TEST_MODE_RULE = "must be γ (x − running_mean) / √(running_var + ε) + β in test mode, independent of the other samples"
MIN_OLD_WEIGHT = 0.5  # of the running statistics in an update; less follows the last batch
BATCH, BATCHES = 6, 3  # samples and number of batches for running statistics
RUNNING_TOLERANCE = 1e-6  # relative


@dataclass(frozen=True)
class NormalizationPoint:
    """A batch x, with the state of a batch normalization: γ, β, ε, running statistics and momentum."""

    x: Array
    gamma: Array
    beta: Array
    mean: Array
    variance: Array
    epsilon: float
    momentum: float

    @classmethod
    def draw(
        cls, shape: tuple[int, ...], epsilon: float, momentum: float, generator: np.random.Generator
    ) -> "NormalizationPoint":
        """Draw a point with the given input shape."""
        gamma = generator.normal(size=shape[0])
        beta = generator.normal(size=shape[0])
        mean = generator.normal(size=shape[0])
        variance = generator.uniform(0.5, 2, shape[0])
        return cls(generator.normal(1, 2, (5, *shape)), gamma, beta, mean, variance, epsilon, momentum)

    def output(self, mean: Array, variance: Array) -> Array:
        """Return the output for these statistics."""
        broadcast = (slice(None), *(None for _ in self.x.shape[2:]))
        normal = (self.x - mean[broadcast]) / np.sqrt(variance[broadcast] + self.epsilon)
        return self.gamma[broadcast] * normal + self.beta[broadcast]

    @property
    def statistics(self) -> tuple[Array, Array]:
        """The mean and the variance of the batch."""
        axes = (0, *range(2, self.x.ndim))
        return self.x.mean(axis=axes), self.x.var(axis=axes)

    def factor(self, trained: Sequence[Array]) -> float:
        """Return the momentum that explains the running mean after this batch, or NaN if it is not between 0 and 1.

        trained  running mean and variance after a forward in training mode; empty if the code has lost them
        """
        mean, _ = self.statistics
        if trained[0].shape != mean.shape:
            return np.nan
        factor = float(np.median((trained[0] - mean) / (self.mean - mean)))
        if TOLERANCE < factor < 1 - TOLERANCE:
            return factor
        return np.nan

    def is_updated_by(self, trained: Sequence[Array], factor: float) -> bool:
        """Return whether running statistics have been updated correctly with this batch.

        trained  running mean and variance after a forward in training mode
        factor   weight of the old statistics
        """
        mean, variance = self.statistics
        count = self.x.size // self.mean.size
        return is_same(trained[0], factor * self.mean + (1 - factor) * mean) and any(
            is_same(trained[1], factor * self.variance + (1 - factor) * variance * correction)
            for correction in (1, count / (count - 1))
        )

    def results(
        self,
        result: Callable[..., CheckResult],
        run: Callable[[bool, Array], tuple[Array, Sequence[Array]]],
        either_factor: bool = False,
    ) -> list[CheckResult]:
        """Return the results for the running statistics and the test mode.

        result            function that returns a result; its arguments: the method, whether the result is right, and
                          the name and the message of the mistake
        run               function that runs forward with these statistics, in test or training mode, and returns the
                          output and the running statistics afterwards
        either_factor     whether the weight of the old statistics may also be 1 − momentum
        """
        _, trained = run(False, self.x)
        output, statistics_after = run(True, self.x)
        single_output, _ = run(True, self.x[:1])
        return [
            self._update_result(result, trained, either_factor),
            self._test_result(result, output, single_output, statistics_after),
        ]

    def _update_result(
        self, result: Callable[..., CheckResult], trained: Sequence[Array], either_factor: bool
    ) -> CheckResult:
        """Return the result for the running statistics after a forward in training mode; see `results`."""
        mean, variance = self.statistics
        factor = self.factor(trained)
        other = 1 - self.momentum  # the weight of the new statistic, or of the old one if they are swapped
        updated = self.is_updated_by(trained, self.momentum) or (either_factor and self.is_updated_by(trained, other))
        forgets = factor < MIN_OLD_WEIGHT
        is_right = updated and not forgets
        exchanged = is_same(trained[0], other * self.mean + self.momentum * mean)
        if forgets:
            swapped = updated or exchanged
        else:
            swapped = exchanged and not (is_right or either_factor)
        update_result = partial(result, "running statistics", is_right)
        if swapped:
            return update_result("momentum-exchanged", f"swaps momentum and 1 − momentum: {UPDATE_RULE}")
        if is_same(trained[1], factor * self.variance + (1 - factor) * np.sqrt(variance)):
            return update_result("running-deviation", "stores the root of the variance in the running variance")
        return update_result("running-statistics", WRONG_STATISTICS)

    def _test_result(
        self,
        result: Callable[..., CheckResult],
        output: Array,
        single_output: Array,
        statistics_after: Sequence[Array],
    ) -> CheckResult:
        """Return the result for the test mode: the output for a batch and for one sample, and unchanged statistics."""
        expected = self.output(self.mean, self.variance)
        is_expected = is_same(output, expected)
        mean_after, variance_after = statistics_after
        unchanged = is_same(mean_after, self.mean) and is_same(variance_after, self.variance)
        if is_expected and not unchanged:
            message = STATISTICS_CHANGED
        elif is_expected:
            message = "is wrong for a batch of one in test mode"
        elif is_same(output, self.output(*self.statistics)):
            message = f"is normalized by the batch in test mode: it {TEST_MODE_RULE}"
        else:
            message = TEST_MODE_RULE
        is_right = is_expected and unchanged and is_same(single_output, expected[:1])
        return result("mode='test'", is_right, "test-mode", message)


def batch_statistics_results(
    pair: FunctionPair, argument: str, load: Load, generator: np.random.Generator, _complete: bool
) -> list[CheckResult]:
    """Check the running mean and variance after a forward in training mode, and the output with mode="test".

    If they are correct, the default ε, momentum and initial statistics are checked too.
    """
    case = pair.interface.cases[0]
    options = case.options[argument]
    point = NormalizationPoint.draw(case.shape, options["eps"], options["momentum"], generator)

    def run(mode: str, arguments: Mapping[str, Any], x: Array) -> tuple[Array, list[Array]]:
        learner_layer = load({argument: {**arguments, "mode": mode}})
        learner_layer.put("gamma", point.gamma)
        learner_layer.put("beta", point.beta)
        y = learner_layer.forward(x)
        statistics = list[Array]()
        for name in ("running_mean", "running_var"):
            statistics.append(held_array(learner_layer, f"{argument}.{name}", None).reshape(-1))
        return y, statistics

    def results_of(point: NormalizationPoint, arguments: Mapping[str, Any]) -> list[CheckResult]:
        full = {**arguments, "running_mean": point.mean, "running_var": point.variance}
        return point.results(partial(pair_result, pair), lambda tested, x: run("test" if tested else "train", full, x))

    results = results_of(point, options)
    if not all(result.ok for result in results):
        return results
    usual = replace(point, epsilon=DEFAULTS["eps"], momentum=DEFAULTS["momentum"])
    _, first = run("train", {}, point.x)
    zeros = np.zeros_like(point.mean)
    from_zero = replace(usual, mean=zeros, variance=zeros)
    from_one = replace(usual, mean=zeros, variance=zeros + 1)
    initial_is_right = from_zero.is_updated_by(first, usual.momentum) or from_one.is_updated_by(first, usual.momentum)
    if initial_is_right and all(result.ok for result in results_of(usual, {})):
        return results
    defaults = " and ".join(f"{name} is {value:g}" for name, value in DEFAULTS.items())
    message = f"is wrong if {argument} contains only the mode: by default {defaults}, and running statistics start at 0"
    return [*results, pair_result(pair, f"{argument} of the mode alone", False, "defaults", message)]


def class_statistics_results(
    result: Callable[..., CheckResult], intended: LibraryLayer, load: Load, seed: int
) -> list[CheckResult]:
    """Return the results for the running statistics and the evaluation mode of a batch normalization class.

    A class without running statistics gets no results. If the momentum has no usual name, any value between 0 and 1 is
    accepted.
    """
    layer = intended.layer
    learner_layer = load({})
    names = list[str]()  # of the running mean and variance in the learner's object
    for words in STATISTICS_NAMES:
        name = _held_name(learner_layer, words)
        if name is None:
            return []
        names.append(name)
    momentum_name = _held_name(learner_layer, MOMENTUM_NAMES)
    stored = None
    if momentum_name is not None:
        stored = learner_layer.copy_of(momentum_name)
    if not isinstance(layer, BatchNorm2D) or (stored is not None and stored.ndim):
        return []
    momentum = np.nan
    if stored is not None and not impossible_value("momentum", float(stored)):
        momentum = float(stored)
    point = NormalizationPoint.draw(intended.shape, layer.epsilon, momentum, np.random.default_rng(seed))

    def run(evaluated: bool, x: Array) -> tuple[Array, list[Array]]:  # the output, and the new mean and variance
        submitted = match_parameters(load({EVALUATED: True} if evaluated else {}), intended)
        copied = submitted.learner_layer
        if not evaluated:
            copied.forward(x)  # the first batch may replace the initial statistics
        values = {submitted.names["gamma"]: point.gamma, submitted.names["beta"]: point.beta}
        values |= dict(zip(names, (point.mean, point.variance), strict=True))
        for name, value in values.items():
            initial = held_array(copied, name, value)
            if initial.size > 1:  # it may be a single 0 at first
                value = value.reshape(initial.shape)
            copied.put(name, value)
        return copied.forward(x), [held_array(copied, name, None).reshape(-1) for name in names]

    for name, usual in zip(names, ((0,), (0, 1)), strict=True):  # usual initial values
        initial = held_array(learner_layer, name, np.zeros_like(point.mean))
        problem = None
        if initial.size not in (1, point.mean.size):
            problem = f"of shape {initial.shape}: expected {point.mean.size}, one per feature"
        elif not any(np.all(initial == value) for value in usual):
            problem = f"= {initial.flat[0]:g}: start the mean at 0, the variance at 0 or 1"
        if problem is not None:
            return [result("running statistics", False, "running-statistics", f"starts with {name} {problem}")]
    if np.isnan(momentum):  # unknown: infer it from one update of the statistics
        point = replace(point, momentum=point.factor(run(False, point.x)[1]))
    return point.results(result, run, either_factor=momentum_name != MOMENTUM_NAMES[0])


def _held_name(learner_layer: LearnerLayer, words: Sequence[str]) -> str | None:
    """Return the first of these names that a learner's object has; None if there is none."""
    for word in words:
        if learner_layer.has(word):
            return word
    return None


def normalization_results(
    name: str, intended: LibraryLayer, learner_layer: LearnerLayer, seed: int
) -> list[CheckResult]:
    """Return the results for the running statistics and the test mode of a batch normalization under a contract.

    The statistics are those that explain the output in test mode, after each of several batches.
    """
    generator = np.random.default_rng(seed)
    layer = cast("BatchNorm2D", intended.layer)
    stated = dict[str, Array]()
    for key, size in intended.parameters.items():
        if learner_layer.has(key):
            stated[key] = generator.uniform(0.5, 2, size)
            learner_layer.put(key, stated[key])
    batches = [generator.normal(2, 3, (BATCH, *intended.shape)) for _ in range(BATCHES)]
    x = batches[0]
    running = list[tuple[Array, Array]]()
    for batch in batches:
        learner_layer.put(TRAIN, 1.0)
        learner_layer.forward(batch)
        learner_layer.put(TRAIN, 0.0)
        running.append(_explaining_statistics(x, learner_layer.forward(x), stated, layer.epsilon))
    alone = learner_layer.forward(x[:1])
    y = learner_layer.forward(x)
    independent = is_same(alone, y[:1]) and is_same(learner_layer.forward(x), y)
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


def held_array(learner_layer: LearnerLayer, name: str, default: Array | None) -> Array:
    """Return a copy of an array that the code holds. Without one, return the default, or an empty array for None."""
    array = learner_layer.copy_of(name)
    if array is not None:
        return array
    if default is not None:
        return default
    return np.zeros(0)  # of another shape than all statistics
