"""Classic mistakes in batch, group and local response normalization."""

from itertools import product

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, catalogue
from chainrule.engines.protocol import Array

MOMENTA = (0.9, 0.8, 0.99, 0.1, 0.2, 0.01, 1.0)  # usual weights of the old running statistics


def _axes(t: GroundTruth) -> tuple[int, ...]:
    return (0, *range(2, t.x.ndim))


def _count(t: GroundTruth) -> int:
    """Return M, the number of values per channel."""
    return t.x.size // t.x.shape[1]


def _per_channel(t: GroundTruth, channelwise: Array) -> Array:
    """Return one value per channel, in a shape that broadcasts over the image."""
    return channelwise.reshape(1, -1, *(1 for _ in range(t.x.ndim - 2)))


def _deviation(t: GroundTruth, epsilon: float | None = None, axes: tuple[int, ...] = (), ddof: int = 0) -> Array:
    """Return √(σ² + ε), by default with the correct ε and axes."""
    variance = t.x.var(axis=axes or _axes(t), keepdims=True, ddof=ddof)
    return np.sqrt(variance + (t.attributes["epsilon"] if epsilon is None else epsilon))


def _normal(t: GroundTruth) -> Array:
    """Return x̂, the normalized input."""
    return (t.x - t.x.mean(axis=_axes(t), keepdims=True)) / _deviation(t)


def _batch_norm_output(t: GroundTruth, scale: Array, axes: tuple[int, ...] = ()) -> Array:
    """Return γ (x − mean) / scale + β. By default, the mean is over the correct axes."""
    mean = t.x.mean(axis=axes or _axes(t), keepdims=True)
    return _per_channel(t, t.values["gamma"]) * (t.x - mean) / scale + _per_channel(t, t.values["beta"])


def _running_output(t: GroundTruth) -> Candidates:
    """Yield the output normalized by running statistics that a first batch has updated.

    The mean starts at 0 and the variance at 0 or 1. With a momentum of 1, the statistics are the initial ones.
    """
    mean, variance = t.x.mean(axis=_axes(t), keepdims=True), t.x.var(axis=_axes(t), keepdims=True)
    gamma, beta = (_per_channel(t, t.values[name]) for name in ("gamma", "beta"))
    for momentum, initial in product(MOMENTA, (0.0, 1.0)):
        deviation = np.sqrt(momentum * initial + (1 - momentum) * variance + t.attributes["epsilon"])
        for running_mean in ((1 - momentum) * mean, mean):
            yield gamma * (t.x - running_mean) / deviation + beta


def _unbiased_dx(t: GroundTruth) -> Candidates:
    """Yield dx with the unbiased variance: in the deviation only, and in x̂ as well."""
    if _count(t) < 2:
        return
    ratio, gamma = _deviation(t) / _deviation(t, ddof=1), _per_channel(t, t.values["gamma"])
    yield t.gradients["x"] * ratio
    normal, weighted = _normal(t) * ratio, gamma * t.dy
    means = weighted.mean(axis=_axes(t), keepdims=True), (weighted * normal).mean(axis=_axes(t), keepdims=True)
    yield (weighted - means[0] - normal * means[1]) / _deviation(t, ddof=1)


def _dx(t: GroundTruth, mean: bool = True, variance: bool = True, count: int = 0) -> Array:
    """Return γ/√(σ² + ε) · (dy − (dβ + x̂ · dγ)/M).

    mean, variance  whether to include the mean's term dβ and the variance's term x̂ · dγ
    count           divisor instead of M; 0: M
    """
    sums = mean * _per_channel(t, t.gradients["beta"]) + variance * _normal(t) * _per_channel(t, t.gradients["gamma"])
    return _per_channel(t, t.values["gamma"]) / _deviation(t) * (t.dy - sums / (count or _count(t)))


def _other_axes(t: GroundTruth) -> Candidates:
    for axes in ((0,), tuple(range(2, t.x.ndim)), (1,), tuple(range(1, t.x.ndim))):
        if axes and axes != _axes(t):
            yield _batch_norm_output(t, _deviation(t, axes=axes), axes)


BATCH_NORM = catalogue(
    "normalization",
    ("y", "variance-unbiased",
     "divides by the root of the unbiased variance: here the sum is divided by M, not by M − 1",
     lambda t: [_batch_norm_output(t, _deviation(t, ddof=1))] if _count(t) > 1 else []),
    ("y", "running-statistics-in-training",
     "is normalized by running statistics: in training, use the mean and the variance of the batch",
     _running_output),
    ("y", "root-forgotten", "is divided by the variance: divide by its root, √(σ² + ε)",
     lambda t: [_batch_norm_output(t, _deviation(t) ** 2)]),
    ("y", "epsilon-outside-root", "adds ε outside the root: ε belongs under it, √(σ² + ε)",
     lambda t: [_batch_norm_output(t, _deviation(t, epsilon=0) + t.attributes["epsilon"])]),
    ("y", "epsilon-forgotten", "lacks ε, has a smaller one, or does not add it: divide by √(σ² + ε)",
     lambda t: [_batch_norm_output(t, _deviation(t, epsilon=0))]),
    ("y", "statistics-of-other-axes", "averages over the wrong axes: take mean and variance over batch and positions",
     _other_axes),
    ("x", "count-of-other-axes", "divides the sums by the wrong number: M counts the samples times all positions",
     lambda t: [_dx(t, count=other) for other in {1, len(t.x), _count(t) // len(t.x)} - {_count(t)}]),
    ("x", "variance-unbiased",
     "divides by the root of the unbiased variance: use the variance of forward, whose sum is divided by M",
     _unbiased_dx),
    ("x", "statistics-held-constant",
     "treats mean and variance as constants: both depend on x, so subtract (dβ + x̂ · dγ)/M from dy",
     lambda t: [_dx(t, mean=False, variance=False)]),
    ("x", "variance-held-constant", "lacks the term of the variance: subtract x̂ · dγ / M from dy",
     lambda t: [_dx(t, variance=False)]),
    ("x", "mean-held-constant", "lacks the term of the mean: subtract dβ / M from dy", lambda t: [_dx(t, mean=False)]),
    ("x", "gamma-forgotten", "lacks the factor γ: multiply each channel by its γ",
     lambda t: [t.gradients["x"] / _per_channel(t, t.values["gamma"])]),
    ("gamma", "input-for-normalized", "uses x or y instead of x̂: dγ = Σ dy · x̂",
     lambda t: [(t.dy * other).sum(axis=_axes(t)) for other in (t.x, t.y)]),
    ("gamma beta", "positions-not-summed", "is not summed over the positions: γ and β are used at every position",
     lambda t: [summand.sum(axis=0) for summand in (t.dy * _normal(t), t.dy) if t.x.ndim > 2]),
)  # fmt: skip


def _rows(t: GroundTruth, array: Array) -> Array:
    """Return an array with one row for each group of a sample, (N, groups, elements of a group)."""
    return array.reshape(len(array), t.attributes["groups"], -1)


def _cells(t: GroundTruth) -> int:
    """Return the number of positions per channel."""
    channels = t.values["gamma"].size * (t.attributes["groups"] if t.attributes["shared"] else 1)
    return t.x[0].size // channels


def _spread(t: GroundTruth, values: Array) -> Array:
    """Return γ or β repeated for every element, in a shape that broadcasts to the arrays of `_rows`."""
    repeated = np.repeat(values, _cells(t))
    return repeated if t.attributes["shared"] else repeated.reshape(t.attributes["groups"], -1)


def _summed(t: GroundTruth, values: Array) -> Array:
    """Return the sums over all elements with a common γ."""
    return values.reshape(-1, t.values["gamma"].size, _cells(t)).sum(axis=(0, 2))


def _normalized(t: GroundTruth, axes: tuple[int, ...] = (2,), epsilon: float | None = None) -> tuple[Array, Array]:
    """Return x̂ (N, groups, elements of a group), and √(σ² + ε), by default with the correct axes and ε."""
    rows, epsilon = _rows(t, t.x), t.attributes["epsilon"] if epsilon is None else epsilon
    deviation = np.sqrt(rows.var(axis=axes, keepdims=True) + epsilon)
    return (rows - rows.mean(axis=axes, keepdims=True)) / deviation, deviation


def _group_norm_output(t: GroundTruth, normal: Array) -> Array:
    """Return γ x̂ + β, where x̂ has the shape (N, groups, elements of a group)."""
    return (_spread(t, t.values["gamma"]) * normal + _spread(t, t.values["beta"])).reshape(t.y.shape)


def _gradient(t: GroundTruth, weighted: Array) -> Array:
    """Return dx for γ dy, both of shape (N, groups, elements of a group)."""
    normal, deviation = _normalized(t)
    means = weighted.mean(axis=2, keepdims=True) + normal * (weighted * normal).mean(axis=2, keepdims=True)
    return (weighted - means) / deviation


def _miscounted(t: GroundTruth) -> Candidates:
    """Yield dx with means over another number of elements than that of a group."""
    weighted, (normal, deviation) = _spread(t, t.values["gamma"]) * _rows(t, t.dy), _normalized(t)
    sums = weighted.sum(axis=2, keepdims=True) + normal * (weighted * normal).sum(axis=2, keepdims=True)
    channels, groups = t.x.shape[1], t.attributes["groups"]
    positions = t.x[0, 0].size
    for count in {channels * positions, positions, channels // groups, groups * positions, len(t.x) * positions} - {0}:
        yield ((weighted - sums / count) / deviation).reshape(t.x.shape)


GROUP_NORM = catalogue(
    "group_normalization",
    ("x", "count-of-other-axes", "divides the sums by the wrong number: M counts the channels of a group times all "
     "positions", _miscounted),
    ("x", "statistics-held-constant",
     "treats mean and variance as constants: both depend on x, so subtract the means of γ dy and of γ dy x̂ times x̂",
     lambda t: [(_spread(t, t.values["gamma"]) * _rows(t, t.dy) / _normalized(t)[1]).reshape(t.x.shape)]),
    ("x", "gamma-outside-the-sums", "multiplies by γ at the end: the means over the group are of γ dy, not of dy",
     lambda t: [(_spread(t, t.values["gamma"]) * _gradient(t, _rows(t, t.dy))).reshape(t.x.shape)]),
    ("x", "gamma-forgotten", "lacks the factor γ: begin with γ dy",
     lambda t: [_gradient(t, _rows(t, t.dy)).reshape(t.x.shape)]),
    ("gamma", "input-for-normalized", "uses x or y instead of x̂: dγ = Σ dy · x̂",
     lambda t: [_summed(t, _rows(t, t.dy) * _rows(t, other)) for other in (t.x, t.y)]),
    ("y", "epsilon-forgotten", "lacks ε, has a smaller one, or does not add it: divide by √(σ² + ε)",
     lambda t: [_group_norm_output(t, _normalized(t, epsilon=0)[0])]),
    ("y", "statistics-over-batch", "is normalized over the batch: use the mean and the variance of each sample",
     lambda t: [_group_norm_output(t, _normalized(t, axes=(0, 2))[0])]),
)  # fmt: skip


def _scales(t: GroundTruth) -> Array:
    """Return s, the base of the power in local response normalization."""
    half, channels = t.attributes["size"] // 2, t.x.shape[1]
    squares = [(t.x[:, max(0, c - half) : c + half + 1] ** 2).sum(axis=1) for c in range(channels)]
    return t.attributes["k"] + t.attributes["alpha"] / t.attributes["size"] * np.stack(squares, axis=1)


def _own_channel(t: GroundTruth) -> Candidates:
    s, beta = _scales(t), t.attributes["beta"]
    factor = 2 * t.attributes["alpha"] * beta / t.attributes["size"]
    yield t.dy * s**-beta - factor * t.x * t.dy * t.x * s ** (-beta - 1)


RESPONSE_NORM = catalogue(
    "response_normalization",
    ("x", "scale-held-constant", "treats s as a constant: s depends on x in this channel and in its neighbors",
     lambda t: [t.dy * _scales(t) ** -t.attributes["beta"]]),
    ("x", "neighbours-forgotten", "ignores the outputs of neighboring channels: sum over the whole window",
     _own_channel),
)  # fmt: skip
