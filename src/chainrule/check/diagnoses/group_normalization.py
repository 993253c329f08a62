"""Classic mistakes in the passes of group normalization."""

import numpy as np

from chainrule.check.diagnoses.truth import GroundTruth, catalogue
from chainrule.engines.protocol import Array


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


def _normalized(t: GroundTruth, axes: tuple[int, ...] = (2,), epsilon: float | None = None) -> tuple[Array, Array]:
    """Return x̂ and √(σ² + ε) in rows."""
    rows, epsilon = _rows(t, t.x), t.attributes["epsilon"] if epsilon is None else epsilon
    deviation = np.sqrt(rows.var(axis=axes, keepdims=True) + epsilon)
    return (rows - rows.mean(axis=axes, keepdims=True)) / deviation, deviation


def _output(t: GroundTruth, normal: Array) -> Array:
    """Return γ x̂ + β, for x̂ in rows."""
    return (_spread(t, t.values["gamma"]) * normal + _spread(t, t.values["beta"])).reshape(t.y.shape)


def _gradient(t: GroundTruth, weighted: Array) -> Array:
    """Return the gradient for γ dy in rows."""
    normal, deviation = _normalized(t)
    means = weighted.mean(axis=2, keepdims=True) + normal * (weighted * normal).mean(axis=2, keepdims=True)
    return (weighted - means) / deviation


CATALOGUE = catalogue(
    "group_normalization",
    ("x", "statistics-held-constant",
     "treats mean and variance as constants: both depend on x, so subtract the means of γ dy and of γ dy x̂ times x̂",
     lambda t: [(_spread(t, t.values["gamma"]) * _rows(t, t.dy) / _normalized(t)[1]).reshape(t.x.shape)]),
    ("x", "gamma-outside-the-sums", "multiplies by γ at the end: the means over the group are of γ dy, not of dy",
     lambda t: [(_spread(t, t.values["gamma"]) * _gradient(t, _rows(t, t.dy))).reshape(t.x.shape)]),
    ("x", "gamma-forgotten", "lacks the factor γ: begin with γ dy",
     lambda t: [_gradient(t, _rows(t, t.dy)).reshape(t.x.shape)]),
    ("gamma", "input-for-normalized", "uses x or y in place of x̂: dγ = Σ dy · x̂",
     lambda t: [_summed(t, _rows(t, t.dy) * _rows(t, other)) for other in (t.x, t.y)]),
    ("y", "epsilon-forgotten", "lacks ε, has a smaller one, or does not add it: divide by √(σ² + ε)",
     lambda t: [_output(t, _normalized(t, epsilon=0)[0])]),
    ("y", "statistics-over-batch", "is normalized over the batch: mean and variance are those of each sample alone",
     lambda t: [_output(t, _normalized(t, axes=(0, 2))[0])]),
)  # fmt: skip
