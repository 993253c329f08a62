"""The mathematics of the files in this folder, which is added to each of them: parts of layers as plain functions."""

import numpy as np


def dense(x, w, b):
    return x @ w + b


def dense_dx(dy, w):
    return dy @ w.T


def dense_dw(dy, x):
    return x.T @ dy


def summed(dy):
    return dy.sum(axis=0)


def padded(x, p, q):
    return np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)))


def places(dy, u, v, s):
    """Return the positions under element (u, v) of the window, one for each output."""
    return np.s_[:, :, u : u + s * (dy.shape[2] - 1) + 1 : s, v : v + s * (dy.shape[3] - 1) + 1 : s]


def windows(x, size, s):
    return np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))[:, :, ::s, ::s]


def conv(x, w, b, p, q, s=1):
    return np.einsum("ncijuv,ocuv->noij", windows(padded(x, p, q), w.shape[2:], s), w) + b[:, None, None]


def conv_dw(dy, x, shape, p, q, s=1):
    return np.einsum("noij,ncijuv->ocuv", dy, windows(padded(x, p, q), shape[2:], s))


def conv_dx(dy, w, shape, p, q, s=1):
    dx = padded(np.zeros(shape), p, q)
    for u, v in np.ndindex(w.shape[2:]):
        dx[places(dy, u, v, s)] += np.einsum("noij,oc->ncij", dy, w[:, :, u, v])
    return dx[:, :, p : dx.shape[2] - p, q : dx.shape[3] - q]


def over_positions(dy):
    return dy.sum(axis=(0, 2, 3))


def max_pool(x, size, s):
    return windows(x, size, s).max(axis=(4, 5))


def max_pool_dx(dy, x, size, s):
    y, dx = max_pool(x, size, s), np.zeros_like(x)
    for u, v in np.ndindex(*size):
        dx[places(dy, u, v, s)] += dy * (x[places(dy, u, v, s)] == y)
    return dx


def mean_pool(x, size):
    return windows(x, (size, size), size).mean(axis=(4, 5))


def mean_pool_dx(dy, shape, size):
    dx = np.zeros(shape)
    for u, v in np.ndindex(size, size):
        dx[places(dy, u, v, size)] += dy / size**2
    return dx


def rectified(x):
    return np.maximum(x, 0)


def relu_dx(dy, x):
    return dy * (x > 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def sigmoid_dx(dy, y):
    return dy * y * (1 - y)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_dx(dy, y):
    return y * (dy - (dy * y).sum(axis=1, keepdims=True))


def square_dx(dy, x):
    return 2 * x * dy


def mean_cross_entropy(p, t):
    shifted = p - p.max(axis=1, keepdims=True)
    return -(t * (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))).sum() / len(p)


def cross_entropy_dp(p, t):
    return (softmax(p) - t) / len(p)
