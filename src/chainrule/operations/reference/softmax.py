"""Softmax, its logarithm, and their gradients, row by row.

Derived step by step in docs/derivations/activations.md.
"""

import numpy as np

from chainrule.operations.reference.windows import Array, check_rows, check_same, real_part


def softmax(x: Array) -> Array:
    """Convert scores to probabilities along the second axis, for every sample and every position of an image.

    y[n,k] = e^(x[n,k] − m) / Σ_l e^(x[n,l] − m)        m = max_l x[n,l]: it cancels, and no power of e overflows

    Shapes   x (N, K) or (N, K, …)  →  y like x
    Kept     y
    Errors   ShapeError when x has fewer than two axes
    Source   numpy-cnn eq. 33
    """
    check_rows("softmax", "x", x)
    y = np.empty_like(x)
    for n, *position in np.ndindex(x.shape[0], *x.shape[2:]):
        m = max(real_part(x[n, k, *position]) for k in range(x.shape[1]))
        total = sum(np.exp(x[n, k, *position] - m) for k in range(x.shape[1]))
        for k in range(x.shape[1]):
            y[n, k, *position] = np.exp(x[n, k, *position] - m) / total
    return y


def softmax_dx(dy: Array, y: Array) -> Array:
    """dx[n,k] = Σ_l dy[n,l] · y[n,l] (δ_kl − y[n,k]) = y[n,k] · (dy[n,k] − Σ_l dy[n,l] y[n,l])

    Source   numpy-cnn eq. 34
    """
    check_rows("softmax_dx", "dy", dy)
    check_same("softmax_dx", dy=dy, y=y)
    dx = np.empty_like(dy)
    for n, *position in np.ndindex(dy.shape[0], *dy.shape[2:]):
        total = sum(dy[n, k, *position] * y[n, k, *position] for k in range(dy.shape[1]))
        for k in range(dy.shape[1]):
            dx[n, k, *position] = y[n, k, *position] * (dy[n, k, *position] - total)
    return dx


def log_softmax(x: Array) -> Array:
    """Convert scores to logarithms of probabilities along the second axis, for every sample and position of an image.

    y[n,k] = x[n,k] − m − log Σ_l e^(x[n,l] − m)        m = max_l x[n,l]: it cancels, and no power of e overflows

    Shapes   x (N, K) or (N, K, …)  →  y like x
    Kept     y
    Errors   ShapeError when x has fewer than two axes
    Source   docs/derivations/activations.md
    """
    check_rows("log_softmax", "x", x)
    y = np.empty_like(x)
    for n, *position in np.ndindex(x.shape[0], *x.shape[2:]):
        m = max(real_part(x[n, k, *position]) for k in range(x.shape[1]))
        total = sum(np.exp(x[n, k, *position] - m) for k in range(x.shape[1]))
        for k in range(x.shape[1]):
            y[n, k, *position] = x[n, k, *position] - m - np.log(total)
    return y


def log_softmax_dx(dy: Array, y: Array) -> Array:
    """dx[n,k] = Σ_l dy[n,l] · (δ_kl − e^y[n,k]) = dy[n,k] − e^y[n,k] · Σ_l dy[n,l]

    Source   docs/derivations/activations.md
    """
    check_rows("log_softmax_dx", "dy", dy)
    check_same("log_softmax_dx", dy=dy, y=y)
    dx = np.empty_like(dy)
    for n, *position in np.ndindex(dy.shape[0], *dy.shape[2:]):
        total = sum(dy[n, k, *position] for k in range(dy.shape[1]))
        for k in range(dy.shape[1]):
            dx[n, k, *position] = dy[n, k, *position] - np.exp(y[n, k, *position]) * total
    return dx
