"""Exercise 10, part 2, solved."""

import numpy as np

GROUPS = 2
EPSILON = 1e-5


def rows(x):
    """Return x (N, C, H, W) as (N, groups, M): all numbers of a group in one row."""
    return x.reshape(len(x), GROUPS, -1)


def normalize(x):
    """Return x̂ (N, groups, M) and σ (N, groups, 1)."""
    mean = rows(x).mean(axis=2, keepdims=True)
    sigma = np.sqrt(((rows(x) - mean) ** 2).mean(axis=2, keepdims=True) + EPSILON)
    return (rows(x) - mean) / sigma, sigma


def forward(x, gamma, beta):
    """Return y."""
    return normalize(x)[0].reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]


def backward(dy, x, gamma, beta):
    """Return dx, dgamma and dbeta."""
    normal, sigma = normalize(x)
    upstream = rows(gamma[:, None, None] * dy)  # the gradient of x̂
    mean, product_mean = upstream.mean(axis=2, keepdims=True), (upstream * normal).mean(axis=2, keepdims=True)
    dx = (upstream - mean - normal * product_mean) / sigma
    dgamma, dbeta = (dy * normal.reshape(x.shape)).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))
    return dx.reshape(x.shape), dgamma, dbeta
