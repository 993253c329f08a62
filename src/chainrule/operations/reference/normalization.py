"""Batch normalization, group normalization and local response normalization.

Batch normalization: each channel is normalized to mean 0 and variance 1 over the batch, then scaled and shifted. M is
the number of values per channel in the batch, N·H·W (or N); sums over n, i, j include all of them.

Group normalization: the same for each group of channels in each sample. A group has D = C/groups channels, and channel
c belongs to group g = ⌊c/D⌋. M is the number of values per group and sample, D·H·W (or D); sums over a group include
its channels and all positions. k is c, or c − g·D if all groups share D scales and D shifts. Special cases: a single
group is layer normalization of a whole sample; one channel per group is instance normalization; a flat sample with one
group per row and shared scales is layer normalization over the last axis.

Local response normalization: each value is divided by a power of a sum of squares in adjacent channels. The window of
channel c consists of the channels m with |m − c| ≤ (size − 1)/2. Since size is odd, c is in the window of m if m is in
the window of c.

Derived step by step in docs/derivations/normalization.md, group_normalization.md and response_normalization.md.
"""

import math
from typing import Any

import numpy as np

from chainrule.core.shapes import text
from chainrule.errors import ShapeError
from chainrule.operations.reference.windows import Array, check_axes, check_same, check_shape


def batch_norm(x: Array, gamma: Array, beta: Array, *, epsilon: float = 1e-5) -> tuple[Array, Array, Array]:
    """Normalize every channel with the statistics of the batch.

    y[n,c,i,j]  = gamma[c] · x̂[n,c,i,j] + beta[c]        x̂ = (x − mean[c]) / √(variance[c] + ε)
    mean[c]     = 1/M Σ_{n,i,j} x[n,c,i,j]
    variance[c] = 1/M Σ_{n,i,j} (x[n,c,i,j] − mean[c])²

    Shapes   x (N, C, H, W) or (N, C), gamma (C,), beta (C,)  →  y like x, mean (C,), variance (C,)
    Kept     x, gamma, mean and variance
    Errors   ShapeError unless gamma and beta have one element for each channel
    Source   Ioffe, Szegedy 2015, algorithm 1
    """
    M = _check("batch_norm", x, gamma=gamma, beta=beta)
    mean = np.zeros(x.shape[1], x.dtype)
    for n, c, *ij in np.ndindex(x.shape):
        mean[c] += x[n, c, *ij] / M
    variance = np.zeros_like(mean)
    for n, c, *ij in np.ndindex(x.shape):
        variance[c] += (x[n, c, *ij] - mean[c]) * (x[n, c, *ij] - mean[c]) / M
    return batch_norm_inference(x, gamma, beta, mean, variance, epsilon=epsilon), mean, variance


def batch_norm_dx(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    *,
    epsilon: float = 1e-5,
) -> Array:
    """dx = gamma[c] / √(variance[c] + ε) · (dy − dbeta[c]/M − x̂ · dgamma[c]/M)

    Mean and variance depend on x. The two subtracted terms are the contributions of this dependence to the gradient.

    Source   Ioffe, Szegedy 2015, section 3, combined into one equation
    """
    M = _check("batch_norm_dx", x, gamma=gamma, mean=mean, variance=variance)
    dgamma, dbeta = batch_norm_dw(dy, x, mean, variance, epsilon=epsilon)
    dx = np.empty_like(x)
    for n, c, *ij in np.ndindex(x.shape):
        deviation = np.sqrt(variance[c] + epsilon)
        normal = (x[n, c, *ij] - mean[c]) / deviation
        dx[n, c, *ij] = gamma[c] / deviation * (dy[n, c, *ij] - dbeta[c] / M - normal * dgamma[c] / M)
    return dx


def batch_norm_dw(dy: Array, x: Array, mean: Array, variance: Array, *, epsilon: float = 1e-5) -> tuple[Array, Array]:
    """dgamma[c] = Σ_{n,i,j} dy[n,c,i,j] · x̂[n,c,i,j],  dbeta[c] = Σ_{n,i,j} dy[n,c,i,j]

    Source   Ioffe, Szegedy 2015, section 3
    """
    _check("batch_norm_dw", x, mean=mean, variance=variance)
    check_shape("batch_norm_dw", "dy", dy, x.shape)
    dgamma = np.zeros_like(mean)
    dbeta = np.zeros_like(mean)
    for n, c, *ij in np.ndindex(x.shape):
        dgamma[c] += dy[n, c, *ij] * (x[n, c, *ij] - mean[c]) / np.sqrt(variance[c] + epsilon)
        dbeta[c] += dy[n, c, *ij]
    return dgamma, dbeta


def batch_norm_inference(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_variance: Array,
    *,
    epsilon: float = 1e-5,
) -> Array:
    """Normalize every channel with the running statistics, as in inference.

    y[n,c,i,j] = gamma[c] · (x[n,c,i,j] − running_mean[c]) / √(running_variance[c] + ε) + beta[c]

    Shapes   x (N, C, H, W) or (N, C), the others (C,)  →  y like x
    Errors   ShapeError unless all others have one element for each channel
    Source   Ioffe, Szegedy 2015, algorithm 2
    """
    parameters = {"gamma": gamma, "beta": beta, "running_mean": running_mean, "running_variance": running_variance}
    _check("batch_norm_inference", x, **parameters)
    y = np.empty(x.shape, np.result_type(x, *parameters.values()))
    for n, c, *ij in np.ndindex(x.shape):
        normal = (x[n, c, *ij] - running_mean[c]) / np.sqrt(running_variance[c] + epsilon)
        y[n, c, *ij] = gamma[c] * normal + beta[c]
    return y


def batch_norm_inference_dx(dy: Array, gamma: Array, running_variance: Array, *, epsilon: float = 1e-5) -> Array:
    """dx[n,c,i,j] = gamma[c] / √(running_variance[c] + ε) · dy[n,c,i,j]

    The statistics are treated as constants, as in inference and in frozen layers.

    Source   docs/derivations/normalization.md
    """
    _check("batch_norm_inference_dx", dy, gamma=gamma, running_variance=running_variance)
    dx = np.empty(dy.shape, np.result_type(dy, gamma, running_variance))
    for n, c, *ij in np.ndindex(dy.shape):
        dx[n, c, *ij] = gamma[c] / np.sqrt(running_variance[c] + epsilon) * dy[n, c, *ij]
    return dx


def running_statistics(
    mean: Array,
    variance: Array,
    running_mean: Array,
    running_variance: Array,
    *,
    count: int,
    momentum: float = 0.1,
) -> tuple[Array, Array]:
    """Move the running statistics towards those of the batch.

    running_mean[c]     ← (1 − momentum) · running_mean[c] + momentum · mean[c]
    running_variance[c] ← (1 − momentum) · running_variance[c] + momentum · variance[c] · M/(M − 1)        unbiased

    Shapes   all (C,)  →  running_mean (C,), running_variance (C,);  ``count`` is M. If M = 1, the unbiased variance
             is undefined and 0 is used instead
    Errors   ShapeError when the four shapes differ
    Source   Ioffe, Szegedy 2015, algorithm 2; PyTorch, BatchNorm2d
    """
    statistics = {"variance": variance, "running_mean": running_mean, "running_variance": running_variance}
    for name, array in statistics.items():
        check_shape("running_statistics", name, array, mean.shape)
    unbiased = count / max(count - 1, 1)
    new_mean = np.empty_like(running_mean)
    new_variance = np.empty_like(running_variance)
    for c in range(len(mean)):
        new_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c]
        new_variance[c] = (1 - momentum) * running_variance[c] + momentum * (variance[c] * unbiased)
    return new_mean, new_variance


def _check(operation: str, x: Array, **channelwise: Array) -> int:
    """Check the shapes and return M, the number of values per channel."""
    if x.ndim not in (2, 4):
        raise ShapeError(f"{operation}: x is {text(x.shape)}, expected (N, C, H, W) or (N, C)")
    for name, array in channelwise.items():
        check_shape(operation, name, array, (x.shape[1],))
    return x.size // max(x.shape[1], 1)


# ------------------------------------------------------------------------------------------------- group normalization


def group_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    *,
    groups: int,
    shared: bool = False,
    epsilon: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """Normalize every group of channels with its own statistics, separately for each sample.

    y[n,c,i,j]    = gamma[k] · x̂[n,c,i,j] + beta[k]        x̂ = (x − mean[n,g]) / √(variance[n,g] + ε)
    mean[n,g]     = 1/M Σ_{c∈g,i,j} x[n,c,i,j]
    variance[n,g] = 1/M Σ_{c∈g,i,j} (x[n,c,i,j] − mean[n,g])²

    Shapes   x (N, C, H, W) or (N, C), gamma and beta (C,), shared (C/groups,)
             →  y like x, mean (N, groups), variance (N, groups)
    Kept     x, gamma, mean and variance
    Errors   ShapeError when the groups do not divide C, or gamma or beta does not fit
    Source   Wu, He 2018, eq. 1–2; Ba, Kiros, Hinton 2016; Ulyanov, Vedaldi, Lempitsky 2016
    """
    D, M = _check_groups("group_norm", x, groups)
    for name, array in (("gamma", gamma), ("beta", beta)):
        check_shape("group_norm", name, array, (D if shared else groups * D,))
    mean = np.zeros((len(x), groups), x.dtype)
    for n, c, *ij in np.ndindex(x.shape):
        mean[n, c // D] += x[n, c, *ij] / M
    variance = np.zeros_like(mean)
    for n, c, *ij in np.ndindex(x.shape):
        deviation = x[n, c, *ij] - mean[n, c // D]
        variance[n, c // D] += deviation * deviation / M
    y = np.empty(x.shape, np.result_type(x, gamma, beta))
    for n, c, *ij in np.ndindex(x.shape):
        k = c % D if shared else c
        y[n, c, *ij] = gamma[k] * _normal(x[n, c, *ij], mean[n, c // D], variance[n, c // D], epsilon) + beta[k]
    return y, mean, variance


def group_norm_dx(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    *,
    groups: int,
    shared: bool = False,
    epsilon: float = 1e-5,
) -> Array:
    """dx = (gamma[k] · dy − a[n,g] − x̂ · b[n,g]) / √(variance[n,g] + ε)

    a[n,g] = 1/M Σ_{c∈g,i,j} gamma[k] · dy[n,c,i,j],  b[n,g] = 1/M Σ_{c∈g,i,j} gamma[k] · dy[n,c,i,j] · x̂[n,c,i,j]

    Here, g is the group of channel c, which has D channels, and k the index of the channel's scale: c, or its place in
    the group if ``shared``. Mean and variance depend on x. The terms with a and b are the contributions of this
    dependence to the gradient.

    Source   Ba, Kiros, Hinton 2016, with the scale of each channel inside the sums
    """
    D, M = _check_groups("group_norm_dx", x, groups)
    _check_group_statistics("group_norm_dx", dy, x, mean, variance, groups)
    check_shape("group_norm_dx", "gamma", gamma, (D if shared else groups * D,))
    a = np.zeros_like(mean)
    b = np.zeros_like(mean)
    dx = np.empty_like(x)
    for n, c, *ij in np.ndindex(x.shape):
        slope = gamma[c % D if shared else c] * dy[n, c, *ij]
        a[n, c // D] += slope / M
        b[n, c // D] += slope * _normal(x[n, c, *ij], mean[n, c // D], variance[n, c // D], epsilon) / M
    for n, c, *ij in np.ndindex(x.shape):
        slope = gamma[c % D if shared else c] * dy[n, c, *ij]
        g = c // D
        normal = _normal(x[n, c, *ij], mean[n, c // D], variance[n, c // D], epsilon)
        dx[n, c, *ij] = (slope - a[n, g] - normal * b[n, g]) / np.sqrt(variance[n, g] + epsilon)
    return dx


def group_norm_dw(
    dy: Array,
    x: Array,
    mean: Array,
    variance: Array,
    *,
    groups: int,
    shared: bool = False,
    epsilon: float = 1e-5,
) -> tuple[Array, Array]:
    """dgamma[k] = Σ_{n,i,j} dy[n,c,i,j] · x̂[n,c,i,j],  dbeta[k] = Σ_{n,i,j} dy[n,c,i,j]

    If ``shared``, the sums also run over all groups, with c = g·D + k.

    Source   Wu, He 2018
    """
    D, _ = _check_groups("group_norm_dw", x, groups)
    _check_group_statistics("group_norm_dw", dy, x, mean, variance, groups)
    dgamma, dbeta = (np.zeros(D if shared else groups * D, mean.dtype) for _ in range(2))
    for n, c, *ij in np.ndindex(x.shape):
        k = c % D if shared else c
        dgamma[k] += dy[n, c, *ij] * _normal(x[n, c, *ij], mean[n, c // D], variance[n, c // D], epsilon)
        dbeta[k] += dy[n, c, *ij]
    return dgamma, dbeta


def _normal(x: Any, mean: Any, variance: Any, epsilon: float) -> Any:
    """Return x̂, the normalized x, of one element."""
    return (x - mean) / np.sqrt(variance + epsilon)


def _check_groups(operation: str, x: Array, groups: int) -> tuple[int, int]:
    """Check the shape of x. Return D, the channels per group, and M, the values per group and sample."""
    if x.ndim not in (2, 4):
        raise ShapeError(f"{operation}: x is {text(x.shape)}, expected (N, C, H, W) or (N, C)")
    if groups < 1 or x.shape[1] % groups:
        raise ShapeError(f"{operation}: {groups} groups do not divide the {x.shape[1]} channels of x")
    return x.shape[1] // groups, math.prod(x.shape[1:]) // groups


def _check_group_statistics(operation: str, dy: Any, x: Any, mean: Any, variance: Any, groups: int) -> None:
    check_shape(operation, "dy", dy, x.shape)
    check_shape(operation, "mean", mean, (len(x), groups))
    check_shape(operation, "variance", variance, (len(x), groups))


# ---------------------------------------------------------------------------------------- local response normalization


def local_response_norm(x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """Divide each value by a power of s, a constant plus the scaled sum of squares in its window of channels.

    y[n,c,i,j] = x[n,c,i,j] · s[n,c,i,j]^(−beta)        s[n,c,i,j] = k + alpha/size Σ_m x[n,m,i,j]²

    Shapes   x (N, C, H, W)  →  y like x
    Kept     x
    Errors   ShapeError when x is not (N, C, H, W)
    Source   Krizhevsky, Sutskever, Hinton 2012, section 3.3, with alpha/size instead of alpha, as PyTorch and ONNX
    """
    check_axes("local_response_norm", "x", x, "N, C, H, W")
    s = _scales(x, size, alpha, k)
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = x[e] * s[e] ** -beta
    return y


def local_response_norm_dx(
    dy: Array, x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """dx[n,c,i,j] = dy[n,c,i,j] · s[n,c,i,j]^(−beta) − 2 · alpha · beta/size · x[n,c,i,j] · d[n,c,i,j]

    d[n,c,i,j] = Σ_m dy[n,m,i,j] · x[n,m,i,j] · s[n,m,i,j]^(−beta − 1)
    """
    check_axes("local_response_norm_dx", "x", x, "N, C, H, W")
    check_same("local_response_norm_dx", dy=dy, x=x)
    s = _scales(x, size, alpha, k)
    dx = np.empty_like(x)
    for n, c, i, j in np.ndindex(x.shape):
        d = sum(dy[n, m, i, j] * x[n, m, i, j] * s[n, m, i, j] ** (-beta - 1) for m in _window(c, x, size))
        dx[n, c, i, j] = dy[n, c, i, j] * s[n, c, i, j] ** -beta - 2 * alpha * beta / size * x[n, c, i, j] * d
    return dx


def _scales(x: Array, size: int, alpha: float, k: float) -> Array:
    """Return s (see `local_response_norm`) for every element."""
    s = np.empty_like(x)
    for n, c, i, j in np.ndindex(x.shape):
        squares = sum(x[n, m, i, j] * x[n, m, i, j] for m in _window(c, x, size))
        s[n, c, i, j] = k + alpha / size * squares
    return s


def _window(c: int, x: Array, size: int) -> range:
    """Return the channels in the window of channel c."""
    return range(max(0, c - size // 2), min(x.shape[1], c + size // 2 + 1))
