"""Batch normalization: every channel gets mean 0 and variance 1 over the batch, then a scale and a shift.

M is the number of values of a channel in the batch, N·H·W (or N); sums over n, i, j run over them.

Derived step by step in docs/derivations/normalization.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import text
from chainrule.errors import ShapeError
from chainrule.operations.reference.checks import check_shape


def batch_norm(
    x: NDArray[Any], gamma: NDArray[Any], beta: NDArray[Any], *, epsilon: float = 1e-5
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Normalize every channel by the statistics of the batch.

    y[n,c,i,j]  = gamma[c] · x̂[n,c,i,j] + beta[c]        x̂ = (x − mean[c]) / √(variance[c] + ε)
    mean[c]     = 1/M Σ_{n,i,j} x[n,c,i,j]
    variance[c] = 1/M Σ_{n,i,j} (x[n,c,i,j] − mean[c])²

    Shapes   x (N, C, H, W) or (N, C), gamma (C,), beta (C,)  →  y like x, mean (C,), variance (C,)
    Kept     x, mean and variance
    Errors   ShapeError when gamma or beta does not have one entry for each channel
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
    dy: NDArray[Any],
    x: NDArray[Any],
    gamma: NDArray[Any],
    mean: NDArray[Any],
    variance: NDArray[Any],
    *,
    epsilon: float = 1e-5,
) -> NDArray[Any]:
    """dx = gamma[c] / √(variance[c] + ε) · (dy − dbeta[c]/M − x̂ · dgamma[c]/M)

    Mean and variance depend on x: the two subtracted terms are their contributions to the gradient.

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


def batch_norm_dw(
    dy: NDArray[Any], x: NDArray[Any], mean: NDArray[Any], variance: NDArray[Any], *, epsilon: float = 1e-5
) -> tuple[NDArray[Any], NDArray[Any]]:
    """dgamma[c] = Σ_{n,i,j} dy[n,c,i,j] · x̂[n,c,i,j],  dbeta[c] = Σ_{n,i,j} dy[n,c,i,j]

    Source   Ioffe, Szegedy 2015, section 3
    """
    _check("batch_norm_dw", x, mean=mean, variance=variance)
    check_shape("batch_norm_dw", "dy", dy, x.shape)
    dgamma, dbeta = np.zeros_like(mean), np.zeros_like(mean)
    for n, c, *ij in np.ndindex(x.shape):
        dgamma[c] += dy[n, c, *ij] * (x[n, c, *ij] - mean[c]) / np.sqrt(variance[c] + epsilon)
        dbeta[c] += dy[n, c, *ij]
    return dgamma, dbeta


def batch_norm_inference(
    x: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    running_mean: NDArray[Any],
    running_variance: NDArray[Any],
    *,
    epsilon: float = 1e-5,
) -> NDArray[Any]:
    """Normalize every channel by given statistics: in inference, the running ones.

    y[n,c,i,j] = gamma[c] · (x[n,c,i,j] − running_mean[c]) / √(running_variance[c] + ε) + beta[c]

    Shapes   x (N, C, H, W) or (N, C), the others (C,)  →  y like x
    Errors   ShapeError when one of the others does not have one entry for each channel
    Source   Ioffe, Szegedy 2015, algorithm 2
    """
    given = {"gamma": gamma, "beta": beta, "running_mean": running_mean, "running_variance": running_variance}
    _check("batch_norm_inference", x, **given)
    y = np.empty(x.shape, np.result_type(x, *given.values()))
    for n, c, *ij in np.ndindex(x.shape):
        normal = (x[n, c, *ij] - running_mean[c]) / np.sqrt(running_variance[c] + epsilon)
        y[n, c, *ij] = gamma[c] * normal + beta[c]
    return y


def batch_norm_inference_dx(
    dy: NDArray[Any], gamma: NDArray[Any], running_variance: NDArray[Any], *, epsilon: float = 1e-5
) -> NDArray[Any]:
    """dx[n,c,i,j] = gamma[c] / √(running_variance[c] + ε) · dy[n,c,i,j]

    The statistics are given, so they do not depend on x: the gradient of a layer that is frozen.

    Source   docs/derivations/normalization.md
    """
    _check("batch_norm_inference_dx", dy, gamma=gamma, running_variance=running_variance)
    dx = np.empty(dy.shape, np.result_type(dy, gamma, running_variance))
    for n, c, *ij in np.ndindex(dy.shape):
        dx[n, c, *ij] = gamma[c] / np.sqrt(running_variance[c] + epsilon) * dy[n, c, *ij]
    return dx


def running_statistics(
    mean: NDArray[Any],
    variance: NDArray[Any],
    running_mean: NDArray[Any],
    running_variance: NDArray[Any],
    *,
    count: int,
    momentum: float = 0.1,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Move the running statistics towards those of the batch.

    running_mean[c]     ← (1 − momentum) · running_mean[c] + momentum · mean[c]
    running_variance[c] ← (1 − momentum) · running_variance[c] + momentum · variance[c] · M/(M − 1)        unbiased

    Shapes   all (C,)  →  running_mean (C,), running_variance (C,);  ``count`` is M. For M = 1, where the unbiased
             variance is undefined, the variance 0 is used
    Errors   ShapeError when the four differ
    Source   Ioffe, Szegedy 2015, algorithm 2; PyTorch, BatchNorm2d
    """
    given = {"variance": variance, "running_mean": running_mean, "running_variance": running_variance}
    for name, array in given.items():
        check_shape("running_statistics", name, array, mean.shape)
    unbiased = count / max(count - 1, 1)
    new_mean, new_variance = np.empty_like(running_mean), np.empty_like(running_variance)
    for c in range(len(mean)):
        new_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c]
        new_variance[c] = (1 - momentum) * running_variance[c] + momentum * (variance[c] * unbiased)
    return new_mean, new_variance


def _check(operation: str, x: NDArray[Any], **channelwise: NDArray[Any]) -> int:
    """Return M, after checking the shapes."""
    if x.ndim not in (2, 4):
        raise ShapeError(f"{operation}: x is {text(x.shape)}, expected (N, C, H, W) or (N, C)")
    for name, array in channelwise.items():
        check_shape(operation, name, array, (x.shape[1],))
    return x.size // max(x.shape[1], 1)
