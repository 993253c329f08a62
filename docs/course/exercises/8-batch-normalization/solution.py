"""Exercise 8, solved."""

import numpy as np

EPSILON = 1e-5
OF_A_CHANNEL = (0, 2, 3)  # the axes N, H and W


def normalize(x):
    """Return x̂ and σ, which has a number for each channel."""
    mean = x.mean(axis=OF_A_CHANNEL, keepdims=True)
    sigma = np.sqrt(((x - mean) ** 2).mean(axis=OF_A_CHANNEL, keepdims=True) + EPSILON)
    return (x - mean) / sigma, sigma


def forward(x, gamma, beta):
    """Return y."""
    return normalize(x)[0] * gamma[:, None, None] + beta[:, None, None]


def backward(dy, x, gamma, beta):
    """Return dx, dgamma and dbeta."""
    normal, sigma = normalize(x)
    dgamma, dbeta = (dy * normal).sum(axis=OF_A_CHANNEL), dy.sum(axis=OF_A_CHANNEL)
    many = x.size // x.shape[1]
    own = dy - dbeta[:, None, None] / many - normal * dgamma[:, None, None] / many
    return gamma[:, None, None] / sigma * own, dgamma, dbeta
