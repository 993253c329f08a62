"""Group normalization: each group of channels of a sample gets mean 0 and variance 1, then a scale and a shift.

g is the group of channel c, each of D = C/groups channels: g = ⌊c/D⌋. M is the number of values of a group in a
sample, D·H·W (or D); sums over the group run over its channels and all positions. k is c, or c − g·D where all groups
share D scales and D shifts.

One group is layer normalization of a whole sample, one channel a group is instance normalization, and layer
normalization of the last axis is that of a flat sample with one group for each row, which all share their scales.

Derived step by step in docs/derivations/group_normalization.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import text
from chainrule.errors import ShapeError
from chainrule.operations.reference.checks import check_shape


def group_norm(
    x: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    *,
    groups: int,
    shared: bool = False,
    epsilon: float = 1e-5,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Normalize every group of channels of a sample by its own statistics.

    y[n,c,i,j]    = gamma[k] · x̂[n,c,i,j] + beta[k]        x̂ = (x − mean[n,g]) / √(variance[n,g] + ε)
    mean[n,g]     = 1/M Σ_{c∈g,i,j} x[n,c,i,j]
    variance[n,g] = 1/M Σ_{c∈g,i,j} (x[n,c,i,j] − mean[n,g])²

    Shapes   x (N, C, H, W) or (N, C), gamma and beta (C,), shared (C/groups,)
             →  y like x, mean (N, groups), variance (N, groups)
    Kept     x, mean and variance
    Errors   ShapeError when the groups do not divide C, or gamma or beta does not fit
    Source   Wu, He 2018, eq. 1–2; Ba, Kiros, Hinton 2016; Ulyanov, Vedaldi, Lempitsky 2016
    """
    D, M = _check("group_norm", x, groups)
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
        y[n, c, *ij] = gamma[k] * _normal(x, mean, variance, D, epsilon, (n, c, *ij)) + beta[k]
    return y, mean, variance


def group_norm_dx(
    dy: NDArray[Any],
    x: NDArray[Any],
    gamma: NDArray[Any],
    mean: NDArray[Any],
    variance: NDArray[Any],
    *,
    groups: int,
    shared: bool = False,
    epsilon: float = 1e-5,
) -> NDArray[Any]:
    """dx = (gamma[k] · dy − a[n,g] − x̂ · b[n,g]) / √(variance[n,g] + ε)

    a[n,g] = 1/M Σ_{c∈g,i,j} gamma[k] · dy[n,c,i,j],  b[n,g] = 1/M Σ_{c∈g,i,j} gamma[k] · dy[n,c,i,j] · x̂[n,c,i,j]

    Mean and variance depend on x: a and b are their contributions to the gradient.

    Source   Ba, Kiros, Hinton 2016, with the scale of each channel inside the sums
    """
    D, M = _check("group_norm_dx", x, groups)
    _check_kept("group_norm_dx", dy, x, mean, variance, groups)
    check_shape("group_norm_dx", "gamma", gamma, (D if shared else groups * D,))
    a, b, dx = np.zeros_like(mean), np.zeros_like(mean), np.empty_like(x)
    for n, c, *ij in np.ndindex(x.shape):
        slope = gamma[c % D if shared else c] * dy[n, c, *ij]
        a[n, c // D] += slope / M
        b[n, c // D] += slope * _normal(x, mean, variance, D, epsilon, (n, c, *ij)) / M
    for n, c, *ij in np.ndindex(x.shape):
        slope, g = gamma[c % D if shared else c] * dy[n, c, *ij], c // D
        normal = _normal(x, mean, variance, D, epsilon, (n, c, *ij))
        dx[n, c, *ij] = (slope - a[n, g] - normal * b[n, g]) / np.sqrt(variance[n, g] + epsilon)
    return dx


def group_norm_dw(
    dy: NDArray[Any],
    x: NDArray[Any],
    mean: NDArray[Any],
    variance: NDArray[Any],
    *,
    groups: int,
    shared: bool = False,
    epsilon: float = 1e-5,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """dgamma[k] = Σ_{n,i,j} dy[n,c,i,j] · x̂[n,c,i,j],  dbeta[k] = Σ_{n,i,j} dy[n,c,i,j]; shared, also over the groups

    Source   Wu, He 2018
    """
    D, _ = _check("group_norm_dw", x, groups)
    _check_kept("group_norm_dw", dy, x, mean, variance, groups)
    dgamma, dbeta = (np.zeros(D if shared else groups * D, mean.dtype) for _ in range(2))
    for n, c, *ij in np.ndindex(x.shape):
        k = c % D if shared else c
        dgamma[k] += dy[n, c, *ij] * _normal(x, mean, variance, D, epsilon, (n, c, *ij))
        dbeta[k] += dy[n, c, *ij]
    return dgamma, dbeta


def _normal(x: NDArray[Any], mean: NDArray[Any], variance: NDArray[Any], D: int, epsilon: float, at: Any) -> Any:
    """Return x̂ of an entry."""
    n, g = at[0], at[1] // D
    return (x[at] - mean[n, g]) / np.sqrt(variance[n, g] + epsilon)


def _check(operation: str, x: NDArray[Any], groups: int) -> tuple[int, int]:
    """Return D and M, after checking the shape of x."""
    if x.ndim not in (2, 4):
        raise ShapeError(f"{operation}: x is {text(x.shape)}, expected (N, C, H, W) or (N, C)")
    if groups < 1 or x.shape[1] % groups:
        raise ShapeError(f"{operation}: {groups} groups do not divide the {x.shape[1]} channels of x")
    return x.shape[1] // groups, x[:1].size // groups


def _check_kept(operation: str, dy: Any, x: Any, mean: Any, variance: Any, groups: int) -> None:
    check_shape(operation, "dy", dy, x.shape)
    check_shape(operation, "mean", mean, (len(x), groups))
    check_shape(operation, "variance", variance, (len(x), groups))
