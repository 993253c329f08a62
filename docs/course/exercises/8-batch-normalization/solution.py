"""Exercise 8, solved."""

import numpy as np

EPSILON = 1e-5
CHANNEL_AXES = (0, 2, 3)  # N, H and W


def normalize(x):
    """Return x̂ and σ. σ has one number per channel."""
    mean = x.mean(axis=CHANNEL_AXES, keepdims=True)
    sigma = np.sqrt(((x - mean) ** 2).mean(axis=CHANNEL_AXES, keepdims=True) + EPSILON)
    return (x - mean) / sigma, sigma


def forward(x, gamma, beta):
    """Return y."""
    return normalize(x)[0] * gamma[:, None, None] + beta[:, None, None]


def backward(dy, x, gamma, beta):
    """Return dx, dgamma and dbeta."""
    normal, sigma = normalize(x)
    dgamma, dbeta = (dy * normal).sum(axis=CHANNEL_AXES), dy.sum(axis=CHANNEL_AXES)
    count = x.size // x.shape[1]
    path_sum = dy - dbeta[:, None, None] / count - normal * dgamma[:, None, None] / count
    return gamma[:, None, None] / sigma * path_sum, dgamma, dbeta
