"""Classic mistakes in the passes of group normalisation."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array

CATALOGUE = MistakeCatalogue("group_normalization")
add = CATALOGUE.add


def _rows(t: GroundTruth, array: Array) -> Array:
    """Return an array with the values of each group of a sample in a row, (N, groups, M)."""
    return array.reshape(len(array), t.attributes["groups"], -1)


def _cells(t: GroundTruth) -> int:
    """Return the number of positions of a channel."""
    channels = t.values["gamma"].size * (t.attributes["groups"] if t.attributes["shared"] else 1)
    return t.x[0].size // channels


def _spread(t: GroundTruth, values: Array) -> Array:
    """Return the γ or β of every entry, to broadcast over rows."""
    each = np.repeat(values, _cells(t))
    return each if t.attributes["shared"] else each.reshape(t.attributes["groups"], -1)


def _summed(t: GroundTruth, each: Array) -> Array:
    """Return the sum over everything that a γ is used for."""
    return each.reshape(-1, t.values["gamma"].size, _cells(t)).sum(axis=(0, 2))


def _normalised(t: GroundTruth) -> tuple[Array, Array]:
    """Return x̂ and √(σ² + ε) in rows."""
    rows = _rows(t, t.x)
    deviation = np.sqrt(rows.var(axis=2, keepdims=True) + t.attributes["epsilon"])
    return (rows - rows.mean(axis=2, keepdims=True)) / deviation, deviation


def _output(t: GroundTruth, normal: Array) -> Array:
    """Return γ x̂ + β, for x̂ in rows."""
    return (_spread(t, t.values["gamma"]) * normal + _spread(t, t.values["beta"])).reshape(t.y.shape)


def _gradient(t: GroundTruth, weighted: Array) -> Array:
    """Return the gradient for γ dy in rows."""
    normal, deviation = _normalised(t)
    means = weighted.mean(axis=2, keepdims=True) + normal * (weighted * normal).mean(axis=2, keepdims=True)
    return (weighted - means) / deviation


@add("x", "statistics-held-constant")
def constants(t: GroundTruth) -> Candidates:
    """Treats mean and variance as constants: both depend on x, so subtract the means of γ dy and of γ dy x̂ times
    x̂."""
    yield (_spread(t, t.values["gamma"]) * _rows(t, t.dy) / _normalised(t)[1]).reshape(t.x.shape)


@add("x", "gamma-outside-the-sums")
def outside(t: GroundTruth) -> Candidates:
    """Multiplies by γ at the end: the means over the group are of γ dy, not of dy."""
    yield (_spread(t, t.values["gamma"]) * _gradient(t, _rows(t, t.dy))).reshape(t.x.shape)


@add("x", "gamma-forgotten")
def without_gamma(t: GroundTruth) -> Candidates:
    """Lacks the factor γ: begin with γ dy."""
    yield _gradient(t, _rows(t, t.dy)).reshape(t.x.shape)


@add("gamma", "input-for-normalised")
def raw(t: GroundTruth) -> Candidates:
    """Uses x or y in place of x̂: dγ = Σ dy · x̂."""
    yield from (_summed(t, _rows(t, t.dy) * _rows(t, other)) for other in (t.x, t.y))


@add("y", "epsilon-forgotten")
def without_epsilon(t: GroundTruth) -> Candidates:
    """Lacks ε: divide by √(σ² + ε), so that a variance of 0 does no harm."""
    rows = _rows(t, t.x)
    yield _output(t, (rows - rows.mean(axis=2, keepdims=True)) / rows.std(axis=2, keepdims=True))


@add("y", "statistics-over-batch")
def over_batch(t: GroundTruth) -> Candidates:
    """Is normalised over the batch: mean and variance are those of each sample alone."""
    rows = _rows(t, t.x)
    centered = rows - rows.mean(axis=(0, 2), keepdims=True)
    yield _output(t, centered / np.sqrt(rows.var(axis=(0, 2), keepdims=True) + t.attributes["epsilon"]))
