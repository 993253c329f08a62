"""Classic mistakes in the backward pass of batch normalisation."""

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
    deviation = np.sqrt(t.x.var(axis=axes, keepdims=True) + t.attributes.get("epsilon", 1e-5))
    normal = (t.x - t.x.mean(axis=axes, keepdims=True)) / deviation
    return normal, _per_channel(t, t.values["gamma"]), deviation, math.prod(t.x.shape[axis] for axis in axes)


@add(
    "x",
    "statistics-held-constant",
    "treats mean and variance as constants: both depend on x, so subtract (dβ + x̂ · dγ)/M from dy",
)
def constants(t: GroundTruth) -> Candidates:
    _, gamma, deviation, _ = _normalised(t)
    yield gamma * t.dy / deviation


@add("x", "variance-held-constant", "lacks the term of the variance: subtract x̂ · dγ / M from dy")
def constant_variance(t: GroundTruth) -> Candidates:
    _, gamma, deviation, count = _normalised(t)
    yield gamma / deviation * (t.dy - _per_channel(t, t.gradients["beta"]) / count)


@add("x", "mean-held-constant", "lacks the term of the mean: subtract dβ / M from dy")
def constant_mean(t: GroundTruth) -> Candidates:
    normal, gamma, deviation, count = _normalised(t)
    yield gamma / deviation * (t.dy - normal * _per_channel(t, t.gradients["gamma"]) / count)


@add("x", "gamma-forgotten", "lacks the factor γ: multiply each channel by its γ")
def without_gamma(t: GroundTruth) -> Candidates:
    yield t.gradients["x"] / _per_channel(t, t.values["gamma"])


@add("gamma", "input-for-normalised", "uses x or y in place of x̂: dγ = Σ dy · x̂")
def raw(t: GroundTruth) -> Candidates:
    yield (t.dy * t.x).sum(axis=_axes(t))
    yield (t.dy * t.y).sum(axis=_axes(t))


@add("gamma beta", "positions-not-summed", "is not summed over the positions: γ and β are used at every one of them")
def each_position(t: GroundTruth) -> Candidates:
    if t.x.ndim > 2:
        normal = _normalised(t)[0]
        yield (t.dy * normal).sum(axis=0)
        yield t.dy.sum(axis=0)
