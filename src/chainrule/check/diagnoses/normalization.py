"""Classic mistakes in batch normalization."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, catalogue
from chainrule.engines.protocol import Array


def _axes(t: GroundTruth) -> tuple[int, ...]:
    return (0, *range(2, t.x.ndim))


def _count(t: GroundTruth) -> int:
    """Return M, the number of values of a channel."""
    return t.x.size // t.x.shape[1]


def _wide(t: GroundTruth, channelwise: Array) -> Array:
    """Return values of channels, to broadcast over the image."""
    return channelwise.reshape(1, -1, *(1 for _ in range(t.x.ndim - 2)))


def _deviation(t: GroundTruth, epsilon: float | None = None, axes: tuple[int, ...] = (), ddof: int = 0) -> Array:
    """Return √(σ² + ε); ε and the axes are the right ones if not given."""
    variance = t.x.var(axis=axes or _axes(t), keepdims=True, ddof=ddof)
    return np.sqrt(variance + (t.attributes["epsilon"] if epsilon is None else epsilon))


def _normal(t: GroundTruth) -> Array:
    """Return x̂."""
    return (t.x - t.x.mean(axis=_axes(t), keepdims=True)) / _deviation(t)


def _output(t: GroundTruth, scale: Array, axes: tuple[int, ...] = ()) -> Array:
    """Return γ (x − mean) / scale + β; the axes of the mean are the right ones if not given."""
    mean = t.x.mean(axis=axes or _axes(t), keepdims=True)
    return _wide(t, t.values["gamma"]) * (t.x - mean) / scale + _wide(t, t.values["beta"])


def _dx(t: GroundTruth, mean: bool = True, variance: bool = True, count: int = 0) -> Array:
    """Return γ/√(σ² + ε) · (dy − (dβ + x̂ · dγ)/M), with or without the term of the mean and of the variance."""
    sums = mean * _wide(t, t.gradients["beta"]) + variance * _normal(t) * _wide(t, t.gradients["gamma"])
    return _wide(t, t.values["gamma"]) / _deviation(t) * (t.dy - sums / (count or _count(t)))


def _other_axes(t: GroundTruth) -> Candidates:
    for axes in ((0,), tuple(range(2, t.x.ndim)), (1,), tuple(range(1, t.x.ndim))):
        if axes and axes != _axes(t):
            yield _output(t, _deviation(t, axes=axes), axes)


CATALOGUE = catalogue(
    "normalization",
    ("y", "variance-unbiased",
     "divides by the root of the unbiased variance: here the sum is divided by M, not by M − 1",
     lambda t: [_output(t, _deviation(t, ddof=1))] if _count(t) > 1 else []),
    ("y", "root-forgotten", "is divided by the variance: divide by its root, √(σ² + ε)",
     lambda t: [_output(t, _deviation(t) ** 2)]),
    ("y", "epsilon-outside-root", "adds ε to the wrong number: it belongs under the root, √(σ² + ε)",
     lambda t: [_output(t, _deviation(t, epsilon=0) + t.attributes["epsilon"])]),
    ("y", "epsilon-forgotten", "lacks ε, has a smaller one, or does not add it: divide by √(σ² + ε)",
     lambda t: [_output(t, _deviation(t, epsilon=0))]),
    ("y", "statistics-of-other-axes", "uses a mean and a variance of other axes: take them over batch and positions",
     _other_axes),
    ("x", "count-of-other-axes", "divides the sums by another number than M: M counts the batch and all positions",
     lambda t: [_dx(t, count=other) for other in {1, len(t.x), _count(t) // len(t.x)} - {_count(t)}]),
    ("x", "statistics-held-constant",
     "treats mean and variance as constants: both depend on x, so subtract (dβ + x̂ · dγ)/M from dy",
     lambda t: [_dx(t, mean=False, variance=False)]),
    ("x", "variance-held-constant", "lacks the term of the variance: subtract x̂ · dγ / M from dy",
     lambda t: [_dx(t, variance=False)]),
    ("x", "mean-held-constant", "lacks the term of the mean: subtract dβ / M from dy", lambda t: [_dx(t, mean=False)]),
    ("x", "gamma-forgotten", "lacks the factor γ: multiply each channel by its γ",
     lambda t: [t.gradients["x"] / _wide(t, t.values["gamma"])]),
    ("gamma", "input-for-normalized", "uses x or y in place of x̂: dγ = Σ dy · x̂",
     lambda t: [(t.dy * other).sum(axis=_axes(t)) for other in (t.x, t.y)]),
    ("gamma beta", "positions-not-summed", "is not summed over the positions: γ and β are used at every one of them",
     lambda t: [each.sum(axis=0) for each in (t.dy * _normal(t), t.dy) if t.x.ndim > 2]),
)  # fmt: skip
