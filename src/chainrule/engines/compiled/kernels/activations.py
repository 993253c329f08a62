"""Activations, dropout and their gradients, compiled. The equations are in reference/.

The element-wise kernels are generated; `python -m chainrule.operations.generator NAME` prints their source.
"""

import math

import numpy as np

from chainrule.core import randomness
from chainrule.engines.compiled import compiler  # noqa: F401
from chainrule.engines.compiled.compiler import (
    expm1,
    exponential,
    inlined,
    kernel,
    log1p,  # noqa: F401
    mills_ratio,
)
from chainrule.engines.compiled.kernels.registry import (
    CHEAP_FROM,
    COSTLY_FROM,
    Attributes,
    Share,
    always,
    elementwise,
    like,
    operation,
    pointwise,
    slope,
)
from chainrule.operations import generator
from chainrule.operations.scalar_code import kernel_source

DENSITY = 1 / math.sqrt(2 * math.pi)  # density of the standard normal distribution at 0


@inlined
def logistic(one, x):
    """Return σ(x) = 1/(1 + e^−|x|) for x ≥ 0, and 1 minus this for x < 0. `one` is 1 in the dtype of x."""
    small = exponential(-abs(x))
    return (one if x >= 0 else small) / (one + small)


@inlined
def normal_density(dtype, x):
    """Return the density φ(x) of the standard normal distribution."""
    return dtype.type(DENSITY) * exponential(-(x * x * dtype.type(0.5)))


@inlined
def normal_distribution(dtype, x):
    """Return the distribution function Φ(x), computed from the tail Φ(−|x|), so that no digits cancel."""
    tail = normal_density(dtype, x) * mills_ratio(abs(x))
    return dtype.type(1) - tail if x > 0 else tail


@inlined
def exponential_of_any(dtype, x):
    """Return eˣ for any x."""
    root = exponential(-abs(x) * dtype.type(0.5))
    return dtype.type(1) / root / root if x > 0 else root * root


@inlined
def expm1_of_any(dtype, x):
    """Return eˣ − 1 for any x. For x > 0, it is −(e⁻ˣ − 1) eˣ."""
    change = expm1(-abs(x))
    return -change * exponential_of_any(dtype, x) if x > 0 else change


@inlined
def log1p_of_any(dtype, x):
    """Return log(1 + x) for any x, as x·log(u)/(u − 1), where the rounding errors of u = 1 + x cancel."""
    u = x + dtype.type(1)
    change = u - dtype.type(1)
    return np.log(u) * (x / change) if change != 0 else x


def upper_bound(attributes: Attributes) -> float:
    """Return the upper bound of a clip whose lower bound is 0. For any other clip, return 0."""
    return attributes.get("high", 0.0) if attributes.get("low", 0.0) == 0 else 0.0


# Activations that a convolution can apply as it writes its results: attribute of the kernel, and its value.
EPILOGUES = {"relu": ("rectify", always), "clip": ("capped", upper_bound)}


def _define() -> None:
    """Define and register the kernels of the element-wise operations."""
    generator.define(generator.sources(kernel_source), "kernel", globals())
    for name, entry in generator.operations().items():
        threshold = COSTLY_FROM if entry.costly else CHEAP_FROM
        epilogue, value = EPILOGUES.get(name, ("", always))
        register = pointwise(threshold, increasing=entry.increasing, epilogue=epilogue, epilogue_value=value)
        globals()[name] = register(kernel(globals()[name]))
        globals()[f"{name}_dx"] = slope(threshold)(kernel(globals()[f"{name}_dx"]))


_define()


@elementwise
def softmax(x, y):
    """Compute y = e^(x − max x)/Σ e^(x − max x) over the classes, for each sample or each position of an image."""
    samples, classes = x.shape[0], x.shape[1]
    positions = x.size // max(samples * classes, 1)
    rows, results = x.reshape(samples, classes, positions), y.reshape(samples, classes, positions)
    for n in range(samples):
        if positions == 1:
            _softmax_row(rows[n].reshape(classes), results[n].reshape(classes))
        else:
            _softmax_columns(rows[n], results[n])


@inlined
def _softmax_row(row, result):
    maximum = row[0]
    for k in range(row.size):
        maximum = row[k] if row[k] > maximum else maximum
    total = row.dtype.type(0)
    for k in range(row.size):
        result[k] = exponential(row[k] - maximum)
        total += result[k]
    for k in range(row.size):
        result[k] /= total


@inlined
def _softmax_columns(rows, results):
    """Compute softmax along the first axis."""
    for p in range(rows.shape[1]):
        maximum, total = rows[0, p], rows.dtype.type(0)
        for k in range(rows.shape[0]):
            maximum = rows[k, p] if rows[k, p] > maximum else maximum
        for k in range(rows.shape[0]):
            results[k, p] = exponential(rows[k, p] - maximum)
            total += results[k, p]
        for k in range(rows.shape[0]):
            results[k, p] /= total


@elementwise
def softmax_dx(dy, y, dx):
    """Compute dx = y (dy − Σ_j dy_j y_j) over the classes j, for each sample or each position of an image."""
    samples, classes = y.shape[0], y.shape[1]
    positions = y.size // max(samples * classes, 1)
    shape = (samples, classes, positions)
    slopes, values, results = dy.reshape(shape), y.reshape(shape), dx.reshape(shape)
    for n in range(samples):
        for p in range(positions):
            total = y.dtype.type(0)
            for k in range(classes):
                total += slopes[n, k, p] * values[n, k, p]
            for k in range(classes):
                results[n, k, p] = values[n, k, p] * (slopes[n, k, p] - total)


@elementwise
def log_softmax(x, y):
    """Compute y = x − max x − log Σ e^(x − max x) over the classes, for each sample or each position of an image."""
    samples, classes = x.shape[0], x.shape[1]
    positions = x.size // max(samples * classes, 1)
    rows, results = x.reshape(samples, classes, positions), y.reshape(samples, classes, positions)
    for n in range(samples):
        for p in range(positions):
            maximum, total = rows[n, 0, p], x.dtype.type(0)
            for k in range(classes):
                maximum = rows[n, k, p] if rows[n, k, p] > maximum else maximum
            for k in range(classes):
                total += exponential(rows[n, k, p] - maximum)
            logarithm = np.log(total)
            for k in range(classes):
                results[n, k, p] = rows[n, k, p] - maximum - logarithm


@elementwise
def log_softmax_dx(dy, y, dx):
    """Compute dx = dy − e^y Σ_j dy_j over the classes j, for each sample or each position of an image."""
    samples, classes = y.shape[0], y.shape[1]
    shape = (samples, classes, y.size // max(samples * classes, 1))
    slopes, values, results = dy.reshape(shape), y.reshape(shape), dx.reshape(shape)
    for n in range(samples):
        for p in range(shape[2]):
            total = y.dtype.type(0)
            for k in range(classes):
                total += slopes[n, k, p]
            for k in range(classes):
                results[n, k, p] = slopes[n, k, p] - exponential(values[n, k, p]) * total


GOLDEN = np.uint64(randomness.GOLDEN)
MIX1, MIX2 = np.uint64(randomness.MIX1), np.uint64(randomness.MIX2)
S30, S27, S31, S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@kernel
def _mix(key, value):
    """Return the key combined with one coordinate, as `randomness.mix` does."""
    z = key + value * GOLDEN + GOLDEN
    z = (z ^ (z >> S30)) * MIX1
    z = (z ^ (z >> S27)) * MIX2
    return z ^ (z >> S31)


def share_channels(shape: tuple[int, ...], _: int, __: Attributes) -> Share:
    """Return the division of the channels or, for samples of shape (F,), of the features."""
    return Share(("lowest", "highest"), shape[0])


@operation(like(0), share=share_channels, shared_from=COSTLY_FROM)
@kernel
def dropout(x, y, rate=0.5, stream=0, seed=0, step=0, first=0, lowest=0, highest=-1):
    """Compute y = x/(1 − rate) where the draw of (seed, stream, step, first + n, element) is at least rate, else 0.

    A draw is a pseudorandom number in [0, 1), which depends only on these five numbers; n is the sample.

    first            index in the batch of the block's first sample
    lowest, highest  first channel to compute, and the channel after the last; −1: all channels
    """
    count = x.shape[0]
    cells, channels = x.size // max(count, 1), x.shape[1]
    begin, end = cells // channels * lowest, cells // channels * (channels if highest < 0 else highest)
    key = _mix(_mix(np.uint64(seed), np.uint64(stream)), np.uint64(step))
    scale, zero = x.dtype.type(1 / (1 - rate)), x.dtype.type(0)
    # A draw is (hash >> 11)/2⁵³. Comparing the hash with this threshold avoids a conversion.
    threshold = np.uint64(np.ceil(rate * 2.0**53)) << S11
    source, result = x.reshape(count * cells), y.reshape(count * cells)
    for n in range(count):
        sample_key = _mix(key, np.uint64(first + n))
        for e in range(begin, end):
            is_kept = _mix(sample_key, np.uint64(e)) >= threshold
            result[n * cells + e] = source[n * cells + e] * scale if is_kept else zero


PART = 2048  # elements that are summed in the precision of the array; these sums are added in float64


@kernel
def _as_rows(x):
    """Return an array (N, C, …) as (N, C, elements of a channel)."""
    return x.reshape((x.shape[0], x.shape[1], x.size // max(x.shape[0] * x.shape[1], 1)))


@kernel
def _select_by_sign(values, signs, slope, results):
    """Write slope · values where signs ≤ 0, and values elsewhere. There is one slope per channel."""
    count, channels, cells = values.shape
    for n in range(count):
        if cells == 1:
            value, sign, result = values[n, :, 0], signs[n, :, 0], results[n, :, 0]
            for c in range(channels):
                product = slope[c] * value[c]
                result[c] = product if sign[c] <= 0 else value[c]
            continue
        for c in range(channels):
            value, sign, result, product = values[n, c], signs[n, c], results[n, c], slope[c]
            for p in range(cells):
                result[p] = product * value[p] if sign[p] <= 0 else value[p]


@elementwise
def prelu(x, slope, y):
    """Compute y = x where x > 0, else slope·x, with one slope per channel."""
    rows = _as_rows(x)
    _select_by_sign(rows, rows, slope, _as_rows(y))


@elementwise
def prelu_dx(dy, x, slope, dx):
    """Compute dx = dy where x > 0, else slope·dy."""
    _select_by_sign(_as_rows(dy), _as_rows(x), slope, _as_rows(dx))


@kernel
def _products(upstream, row):
    """Return Σ d x over the elements x ≤ 0 of a row, where d is the upstream gradient."""
    total, zero = row.dtype.type(0), row.dtype.type(0)
    for p in range(row.size):
        product = upstream[p] * row[p]
        total += product if row[p] <= zero else zero
    return total


@operation(lambda arrays, attributes: [arrays[0].shape[1:2]], accumulates=True)
@kernel
def prelu_dw(dy, x, dslope):
    """Add Σ dy x over the elements x ≤ 0 of each channel to dslope. The samples of a block are summed in float64."""
    all_upstream, rows = _as_rows(dy), _as_rows(x)
    count, channels, cells = rows.shape
    total = np.zeros(channels)
    for n in range(count):
        for c in range(channels):
            for p in range(0, cells, PART):
                q = min(p + PART, cells)
                total[c] += _products(all_upstream[n, c, p:q], rows[n, c, p:q])
    for c in range(channels):
        dslope[c] += total[c]
