"""Classic mistakes in the backward pass of batch normalisation."""

import math

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, Catalogue, Truth
from chainrule.engines import Array

CATALOGUE = Catalogue("docs/derivations/normalization.md")
add = CATALOGUE.add


def _axes(t: Truth) -> tuple[int, ...]:
    return (0, *range(2, t.x.ndim))


def _wide(t: Truth, channelwise: Array) -> Array:
    return channelwise.reshape(1, -1, *(1 for _ in range(t.x.ndim - 2)))


def _parts(t: Truth) -> tuple[Array, Array, Array, int]:
    """x̂, γ and √(σ² + ε), spread over the picture, and the number of values of a channel."""
    axes = _axes(t)
    deviation = np.sqrt(t.x.var(axis=axes, keepdims=True) + t.attributes.get("epsilon", 1e-5))
    normal = (t.x - t.x.mean(axis=axes, keepdims=True)) / deviation
    return normal, _wide(t, t.values["gamma"]), deviation, math.prod(t.x.shape[axis] for axis in axes)


@add("x", "statistics-held-constant", "treats mean and variance as constants, dx = γ dy / σ: both depend on x")
def constants(t: Truth) -> Candidates:
    _, gamma, deviation, _ = _parts(t)
    yield gamma * t.dy / deviation


@add("x", "variance-held-constant", "lacks what flows through the variance: − x̂ · dγ / M")
def constant_variance(t: Truth) -> Candidates:
    _, gamma, deviation, count = _parts(t)
    yield gamma / deviation * (t.dy - _wide(t, t.gradients["beta"]) / count)


@add("x", "mean-held-constant", "lacks what flows through the mean: − dβ / M")
def constant_mean(t: Truth) -> Candidates:
    normal, gamma, deviation, count = _parts(t)
    yield gamma / deviation * (t.dy - normal * _wide(t, t.gradients["gamma"]) / count)


@add("x", "gamma-forgotten", "lacks the factor γ")
def without_gamma(t: Truth) -> Candidates:
    yield t.gradients["x"] / _wide(t, t.values["gamma"])


@add("gamma", "input-for-normalised", "takes x where x̂ belongs: dγ = Σ dy · x̂")
def raw(t: Truth) -> Candidates:
    yield (t.dy * t.x).sum(axis=_axes(t))
    yield (t.dy * t.y).sum(axis=_axes(t))


@add("gamma beta", "positions-not-summed", "is not summed over the positions: γ and β are used at every one")
def each_position(t: Truth) -> Candidates:
    if t.x.ndim > 2:
        normal = _parts(t)[0]
        yield (t.dy * normal).sum(axis=0)
        yield t.dy.sum(axis=0)
