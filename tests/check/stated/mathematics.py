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


def conv(x, w, b, p, q):
    windows = np.lib.stride_tricks.sliding_window_view(padded(x, p, q), w.shape[2:], axis=(2, 3))
    return np.einsum("ncijuv,ocuv->noij", windows, w) + b[:, None, None]


def conv_dw(dy, x, shape, p, q):
    windows = np.lib.stride_tricks.sliding_window_view(padded(x, p, q), shape[2:], axis=(2, 3))
    return np.einsum("noij,ncijuv->ocuv", dy, windows)


def conv_dx(dy, w, shape, p, q):
    dx = padded(np.zeros(shape), p, q)
    h, k = dy.shape[2:]
    for u in range(w.shape[2]):
        for v in range(w.shape[3]):
            dx[:, :, u : u + h, v : v + k] += np.einsum("noij,oc->ncij", dy, w[:, :, u, v])
    return dx[:, :, p : dx.shape[2] - p, q : dx.shape[3] - q]


def over_positions(dy):
    return dy.sum(axis=(0, 2, 3))


def blocks(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2)


def max_pool(x):
    return blocks(x).max(axis=(3, 5))


def max_pool_dx(dy, x):
    winners = blocks(x) == max_pool(x)[:, :, :, None, :, None]
    return (winners * dy[:, :, :, None, :, None]).reshape(x.shape)


def mean_pool(x):
    return blocks(x).mean(axis=(3, 5))


def mean_pool_dx(dy):
    return dy.repeat(2, axis=2).repeat(2, axis=3) / 4


def relu(x):
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
