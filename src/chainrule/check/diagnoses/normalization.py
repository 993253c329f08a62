"""Classic mistakes in batch normalisation."""

import math

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array

CATALOGUE = MistakeCatalogue("normalization")
add = CATALOGUE.add


def _axes(t: GroundTruth) -> tuple[int, ...]:
    return (0, *range(2, t.x.ndim))


def _per_channel(t: GroundTruth, channelwise: Array) -> Array:
    return channelwise.reshape(1, -1, *(1 for _ in range(t.x.ndim - 2)))


def _normalised(t: GroundTruth) -> tuple[Array, Array, Array, int]:
    """Return x̂, γ and √(σ² + ε), broadcast over the image, and M, the number of values of a channel."""
    axes = _axes(t)
    deviation = np.sqrt(t.x.var(axis=axes, keepdims=True) + t.attributes["epsilon"])
    normal = (t.x - t.x.mean(axis=axes, keepdims=True)) / deviation
    return normal, _per_channel(t, t.values["gamma"]), deviation, math.prod(t.x.shape[axis] for axis in axes)


def _output(t: GroundTruth, scale: Array, centre: Array | None = None) -> Array:
    """Return γ (x − centre) / scale + β; the centre is the mean of the channel if not given."""
    mean = t.x.mean(axis=_axes(t), keepdims=True) if centre is None else centre
    return _per_channel(t, t.values["gamma"]) * (t.x - mean) / scale + _per_channel(t, t.values["beta"])


@add("y", "variance-unbiased")
def unbiased(t: GroundTruth) -> Candidates:
    """Divides by the root of the unbiased variance: here the sum is divided by M, not by M − 1."""
    *_, count = _normalised(t)
    if count > 1:
        variance = t.x.var(axis=_axes(t), keepdims=True, ddof=1)
        yield _output(t, np.sqrt(variance + t.attributes["epsilon"]))


@add("y", "root-forgotten")
def without_root(t: GroundTruth) -> Candidates:
    """Is divided by the variance: divide by its root, √(σ² + ε)."""
    yield _output(t, _normalised(t)[2] ** 2)


@add("y", "epsilon-outside-root")
def epsilon_outside(t: GroundTruth) -> Candidates:
    """Adds ε to the wrong number: it belongs under the root, √(σ² + ε)."""
    deviation = t.x.std(axis=_axes(t), keepdims=True)
    yield _output(t, deviation + t.attributes["epsilon"])


@add("y", "epsilon-forgotten")
def without_epsilon(t: GroundTruth) -> Candidates:
    """Lacks ε: divide by √(σ² + ε), so that a variance of 0 does no harm."""
    yield _output(t, t.x.std(axis=_axes(t), keepdims=True))


@add("y", "statistics-of-other-axes")
def other_axes(t: GroundTruth) -> Candidates:
    """Uses a mean and a variance of other axes: take them over batch and positions."""
    for axes in ((0,), tuple(range(2, t.x.ndim)), (1,), tuple(range(1, t.x.ndim))):
        if axes and axes != _axes(t):
            deviation = np.sqrt(t.x.var(axis=axes, keepdims=True) + t.attributes["epsilon"])
            yield _output(t, deviation, t.x.mean(axis=axes, keepdims=True))


@add("x", "count-of-other-axes")
def other_count(t: GroundTruth) -> Candidates:
    """Divides the sums by another number than M: M counts the batch and all positions."""
    normal, gamma, deviation, count = _normalised(t)
    sums = _per_channel(t, t.gradients["beta"]) + normal * _per_channel(t, t.gradients["gamma"])
    for other in {1, len(t.x), count // len(t.x)} - {count}:
        yield gamma / deviation * (t.dy - sums / other)


@add("x", "statistics-held-constant")
def constants(t: GroundTruth) -> Candidates:
    """Treats mean and variance as constants: both depend on x, so subtract (dβ + x̂ · dγ)/M from dy."""
    _, gamma, deviation, _ = _normalised(t)
    yield gamma * t.dy / deviation


@add("x", "variance-held-constant")
def constant_variance(t: GroundTruth) -> Candidates:
    """Lacks the term of the variance: subtract x̂ · dγ / M from dy."""
    _, gamma, deviation, count = _normalised(t)
    yield gamma / deviation * (t.dy - _per_channel(t, t.gradients["beta"]) / count)


@add("x", "mean-held-constant")
def constant_mean(t: GroundTruth) -> Candidates:
    """Lacks the term of the mean: subtract dβ / M from dy."""
    normal, gamma, deviation, count = _normalised(t)
    yield gamma / deviation * (t.dy - normal * _per_channel(t, t.gradients["gamma"]) / count)


@add("x", "gamma-forgotten")
def without_gamma(t: GroundTruth) -> Candidates:
    """Lacks the factor γ: multiply each channel by its γ."""
    yield t.gradients["x"] / _per_channel(t, t.values["gamma"])


@add("gamma", "input-for-normalised")
def raw(t: GroundTruth) -> Candidates:
    """Uses x or y in place of x̂: dγ = Σ dy · x̂."""
    yield (t.dy * t.x).sum(axis=_axes(t))
    yield (t.dy * t.y).sum(axis=_axes(t))


@add("gamma beta", "positions-not-summed")
def each_position(t: GroundTruth) -> Candidates:
    """Is not summed over the positions: γ and β are used at every one of them."""
    if t.x.ndim > 2:
        normal = _normalised(t)[0]
        yield (t.dy * normal).sum(axis=0)
        yield t.dy.sum(axis=0)
