"""Correct solutions of an assignment of functions with a cache and options; cases.toml introduces mistakes."""

# pyright: basic
# ruff: noqa
import numpy as np


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1) @ w + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dout, cache):
    return dout * (cache > 0)


def softmax_loss(x, y):
    s = x - x.max(axis=1, keepdims=True)
    logp = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    N = x.shape[0]
    loss = -logp[np.arange(N), y].mean()
    dx = np.exp(logp)
    dx[np.arange(N), y] -= 1
    return loss, dx / N


def svm_loss(x, y):
    N = x.shape[0]
    m = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    m[np.arange(N), y] = 0
    loss = m.sum() / N
    dx = (m > 0).astype(float)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return loss, dx / N


def batchnorm_forward(x, gamma, beta, bn_param):
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    rm = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    rv = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if mode == "train":
        mu, var = x.mean(0), x.var(0)
        xh = (x - mu) / np.sqrt(var + eps)
        out = gamma * xh + beta
        rm = momentum * rm + (1 - momentum) * mu
        rv = momentum * rv + (1 - momentum) * var
        cache = (xh, gamma, var + eps)
    else:
        out = gamma * (x - rm) / np.sqrt(rv + eps) + beta
        cache = None
    bn_param["running_mean"] = rm
    bn_param["running_var"] = rv
    return out, cache


def batchnorm_backward(dout, cache):
    xh, gamma, v = cache
    dg = (dout * xh).sum(0)
    db = dout.sum(0)
    N = len(dout)
    dx = gamma / np.sqrt(v) * (dout - db / N - xh * dg / N)
    return dx, dg, db


batchnorm_backward_alt = batchnorm_backward


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    else:
        out = x
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


def dropout_backward(dout, cache):
    param, mask = cache
    if param["mode"] == "train":
        return dout * mask
    return dout


def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, KH, KW = w.shape
    Ho, Wo = 1 + (H + 2 * p - KH) // s, 1 + (W + 2 * p - KW) // s
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    for i in range(Ho):
        for j in range(Wo):
            out[:, :, i, j] = (
                np.tensordot(xp[:, :, s * i : s * i + KH, s * j : s * j + KW], w, ([1, 2, 3], [1, 2, 3])) + b
            )
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    s, p = conv_param["stride"], conv_param["pad"]
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    (H, W), (KH, KW) = x.shape[2:], w.shape[2:]
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            dw += np.tensordot(dout[:, :, i, j], xp[:, :, s * i : s * i + KH, s * j : s * j + KW], (0, 0))
            dxp[:, :, s * i : s * i + KH, s * j : s * j + KW] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, p : p + H, p : p + W], dw, dout.sum((0, 2, 3))


def max_pool_forward_naive(x, pool_param):
    h, w, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    Ho, Wo = 1 + (H - h) // s, 1 + (W - w) // s
    out = np.zeros((N, C, Ho, Wo), x.dtype)
    for i in range(Ho):
        for j in range(Wo):
            out[:, :, i, j] = x[:, :, s * i : s * i + h, s * j : s * j + w].max(axis=(2, 3))
    return out, (x, pool_param)


def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    h, w, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        window = x[n, c, s * i : s * i + h, s * j : s * j + w]
        u, v = np.unravel_index(window.argmax(), window.shape)
        dx[n, c, s * i + u, s * j + v] += dout[n, c, i, j]
    return dx
