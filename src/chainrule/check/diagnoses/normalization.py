"""Classic mistakes in batch, group and local response normalization."""

from itertools import product

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, Catalogue, GroundTruth
from chainrule.engines.protocol import Array

MOMENTA = (0.9, 0.8, 0.99, 0.1, 0.2, 0.01, 1.0)  # usual weights of the old running statistics

# An array of rows has one row for each mean and variance, (rows, M): a channel in batch normalization, otherwise a
# group of channels of a sample.


def _rows(t: GroundTruth, array: Array) -> Array:
    """Return an array of the shape of x as rows."""
    if t.operation == "batch_norm":
        return array.swapaxes(0, 1).reshape(array.shape[1], -1)
    return array.reshape(len(array) * t.attributes["groups"], -1)


def _image(t: GroundTruth, rows: Array) -> Array:
    """Return rows in the shape of x."""
    if t.operation == "batch_norm":
        return rows.reshape(t.x.shape[1], len(t.x), *t.x.shape[2:]).swapaxes(0, 1)
    return rows.reshape(t.x.shape)


def _cells(t: GroundTruth) -> int:
    """Return the number of elements of a sample, or of a group with shared parameters, that have the same γ."""
    if t.attributes.get("shared"):
        groups = t.attributes["groups"]
    else:
        groups = 1
    return t.x[0].size // (t.values["gamma"].size * groups)


def _spread(t: GroundTruth, name: str) -> Array:
    """Return γ or β for every element, as rows."""
    sample = np.resize(np.repeat(t.values[name], _cells(t)), t.x[0].shape)
    return _rows(t, np.broadcast_to(sample, t.x.shape))


def _summed(t: GroundTruth, values: Array) -> Array:
    """Return the sums over all elements with a common γ, for values of the shape of x."""
    return values.reshape(-1, t.values["gamma"].size, _cells(t)).sum(axis=(0, 2))


def _deviation(t: GroundTruth, epsilon: float | None = None, ddof: int = 0) -> Array:
    """Return √(σ² + ε) of each row, by default with the correct ε."""
    variance = _rows(t, t.x).var(axis=1, keepdims=True, ddof=ddof)
    return np.sqrt(variance + (t.attributes["epsilon"] if epsilon is None else epsilon))


def _normal(t: GroundTruth, deviation: Array | None = None) -> Array:
    """Return x̂ as rows, by default with the correct deviation."""
    rows = _rows(t, t.x)
    return (rows - rows.mean(axis=1, keepdims=True)) / (_deviation(t) if deviation is None else deviation)


def _output(t: GroundTruth, normal: Array) -> Array:
    """Return γ x̂ + β for rows x̂."""
    return _image(t, _spread(t, "gamma") * normal + _spread(t, "beta")).reshape(t.y.shape)


def _output_over(t: GroundTruth, values: Array, axes: tuple[int, ...]) -> Array:
    """Return the output with the mean and variance over other axes. ``values`` is x in any shape."""
    deviation = np.sqrt(values.var(axis=axes, keepdims=True) + t.attributes["epsilon"])
    normal = (values - values.mean(axis=axes, keepdims=True)) / deviation
    return _output(t, _rows(t, normal.reshape(t.x.shape)))


def _dx(
    t: GroundTruth,
    mean: bool = True,
    variance: bool = True,
    count: int = 0,
    ratio: float | Array = 1.0,
    scale: bool = True,
) -> Array:
    """Return (γ dy − (Σ γ dy + x̂ Σ γ dy x̂)/M)/√(σ² + ε).

    mean, variance  whether to include the term of the mean, Σ γ dy, and that of the variance
    count           divisor instead of M; 0: M
    ratio           factor of x̂ and of the result
    scale           whether to multiply by γ
    """
    weighted = _rows(t, t.dy) * (_spread(t, "gamma") if scale else 1.0)
    normal = _normal(t) * ratio
    sums = mean * weighted.sum(axis=1, keepdims=True) + variance * normal * (weighted * normal).sum(
        axis=1, keepdims=True
    )
    return _image(t, (weighted - sums / (count or weighted.shape[1])) / _deviation(t) * ratio)


COMMON = Catalogue(None)


@COMMON.mistake(
    "variance-unbiased", "divides by the root of the unbiased variance: here the sum is divided by M, not by M − 1", "y"
)
def _variance_unbiased(t: GroundTruth) -> Candidates:
    yield _output(t, _normal(t, _deviation(t, ddof=1)))


@COMMON.mistake("root-forgotten", "is divided by the variance: divide by its root, √(σ² + ε)", "y")
def _root_forgotten(t: GroundTruth) -> Candidates:
    yield _output(t, _normal(t, _deviation(t) ** 2))


@COMMON.mistake("epsilon-outside-root", "adds ε outside the root: ε belongs under it, √(σ² + ε)", "y")
def _epsilon_outside_root(t: GroundTruth) -> Candidates:
    yield _output(t, _normal(t, _deviation(t, epsilon=0) + t.attributes["epsilon"]))


@COMMON.mistake("epsilon-forgotten", "lacks ε, has a smaller one, or does not add it: divide by √(σ² + ε)", "y")
def _epsilon_forgotten(t: GroundTruth) -> Candidates:
    yield _output(t, _normal(t, _deviation(t, epsilon=0)))


@COMMON.mistake(
    "count-of-other-axes", "divides the sums by the wrong number: M counts all elements that share a mean", "x"
)
def _miscounted(t: GroundTruth) -> Candidates:
    """Yield dx with means over another number of elements than M."""
    samples, channels = t.x.shape[:2]
    positions = t.x[0, 0].size
    groups = t.attributes.get("groups", 1)
    counts = {1, samples, positions, channels * positions, channels // groups, groups * positions, samples * positions}
    return [_dx(t, count=count) for count in counts - {0, _rows(t, t.x).shape[1]}]


@COMMON.mistake(
    "variance-unbiased",
    "divides by the root of the unbiased variance: use the variance of forward, whose sum is divided by M",
    "x",
)
def _unbiased_dx(t: GroundTruth) -> Candidates:
    """Yield dx with the unbiased variance: in the deviation only, and in x̂ as well."""
    ratio = _deviation(t) / _deviation(t, ddof=1)
    yield _image(t, _rows(t, t.gradients["x"]) * ratio)
    yield _dx(t, ratio=ratio)


@COMMON.mistake(
    "statistics-held-constant",
    "treats mean and variance as constants: both depend on x, so subtract the means of γ dy and of γ dy x̂ times x̂",
    "x",
)
def _statistics_held_constant(t: GroundTruth) -> Candidates:
    yield _dx(t, mean=False, variance=False)


@COMMON.mistake(
    "variance-held-constant", "lacks the term of the variance: subtract x̂ times the mean of γ dy x̂ from γ dy", "x"
)
def _variance_held_constant(t: GroundTruth) -> Candidates:
    yield _dx(t, variance=False)


@COMMON.mistake("mean-held-constant", "lacks the term of the mean: subtract the mean of γ dy from γ dy", "x")
def _mean_held_constant(t: GroundTruth) -> Candidates:
    yield _dx(t, mean=False)


@COMMON.mistake(
    "gamma-outside-the-sums", "multiplies by γ at the end: the means over the group are of γ dy, not of dy", "x"
)
def _gamma_outside_the_sums(t: GroundTruth) -> Candidates:
    yield _image(t, _spread(t, "gamma")) * _dx(t, scale=False)


@COMMON.mistake("gamma-forgotten", "lacks the factor γ: begin with γ dy", "x")
def _gamma_forgotten(t: GroundTruth) -> Candidates:
    yield _dx(t, scale=False)


@COMMON.mistake("input-for-normalized", "uses x, x − μ or y instead of x̂: dγ = Σ dy · x̂", "gamma")
def _input_for_normalized(t: GroundTruth) -> Candidates:
    for other in (t.x, t.y, _image(t, _normal(t) * _deviation(t))):
        yield _summed(t, t.dy * other.reshape(t.dy.shape))


BATCH_NORM = Catalogue("normalization", COMMON)


@BATCH_NORM.mistake(
    "running-statistics-in-training",
    "is normalized by running statistics: in training, use the mean and the variance of the batch",
    "y",
)
def _running_output(t: GroundTruth) -> Candidates:
    """Yield the output normalized by running statistics that a first batch has updated.

    The mean starts at 0 and the variance at 0 or 1. With a momentum of 1, the statistics are the initial ones.
    """
    rows = _rows(t, t.x)
    mean = rows.mean(axis=1, keepdims=True)
    variance = rows.var(axis=1, keepdims=True)
    for momentum, initial in product(MOMENTA, (0.0, 1.0)):
        deviation = np.sqrt(momentum * initial + (1 - momentum) * variance + t.attributes["epsilon"])
        for running_mean in ((1 - momentum) * mean, mean):
            yield _output(t, (rows - running_mean) / deviation)


@BATCH_NORM.mistake(
    "statistics-of-other-axes", "averages over the wrong axes: take mean and variance over batch and positions", "y"
)
def _other_axes(t: GroundTruth) -> Candidates:
    axes = (0, *range(2, t.x.ndim))
    last = tuple(range(1, t.x.ndim))
    return [_output_over(t, t.x, others) for others in ((0,), last[1:], (1,), last) if others and others != axes]


@BATCH_NORM.mistake(
    "positions-not-summed", "is not summed over the positions: γ and β are used at every position", "gamma", "beta"
)
def _positions_not_summed(t: GroundTruth) -> Candidates:
    if t.x.ndim > 2:
        for factor in (_image(t, _normal(t)), 1.0):
            yield (t.dy * factor).sum(axis=0)


GROUP_NORM = Catalogue("group_normalization", COMMON)


@GROUP_NORM.mistake(
    "statistics-over-batch", "is normalized over the batch: use the mean and the variance of each sample", "y"
)
def _statistics_over_batch(t: GroundTruth) -> Candidates:
    yield _output_over(t, t.x.reshape(len(t.x), t.attributes["groups"], -1), (0, 2))


def _scales(t: GroundTruth) -> Array:
    """Return s, the base of the power in local response normalization."""
    half = t.attributes["size"] // 2
    channels = t.x.shape[1]
    squares = [(t.x[:, max(0, c - half) : c + half + 1] ** 2).sum(axis=1) for c in range(channels)]
    return t.attributes["k"] + t.attributes["alpha"] / t.attributes["size"] * np.stack(squares, axis=1)


RESPONSE_NORM = Catalogue("response_normalization")


@RESPONSE_NORM.mistake(
    "scale-held-constant", "treats s as a constant: s depends on x in this channel and in its neighbors", "x"
)
def _scale_held_constant(t: GroundTruth) -> Candidates:
    yield t.dy * _scales(t) ** (-t.attributes["beta"])


@RESPONSE_NORM.mistake(
    "neighbours-forgotten", "ignores the outputs of neighboring channels: sum over the whole window", "x"
)
def _own_channel(t: GroundTruth) -> Candidates:
    s = _scales(t)
    beta = t.attributes["beta"]
    factor = 2 * t.attributes["alpha"] * beta / t.attributes["size"]
    yield t.dy * s**-beta - factor * t.x * t.dy * t.x * s ** (-beta - 1)
