"""Functions for single images, for channels last with a dictionary of options, and functions with their derivatives."""

import numpy as np


def _sizes(images, f, s):
    return tuple((length - f) // s + 1 for length in images.shape[1:3])


def _windows(images, f, s):
    """Yield the place of each output and its window, along axes 1 and 2."""
    for i, j in np.ndindex(_sizes(images, f, s)):
        yield i, j, np.s_[:, s * i : s * i + f, s * j : s * j + f]


def convolution(image, filt, bias, s=1):
    out = np.zeros((len(filt), *_sizes(image, filt.shape[2], s)))
    for i, j, at in _windows(image, filt.shape[2], s):
        out[:, i, j] = np.tensordot(filt, image[at], 3) + bias.reshape(-1)
    return out


def convolutionBackward(dconv_prev, conv_in, filt, s):
    dout, dfilt = np.zeros(conv_in.shape), np.zeros(filt.shape)
    for i, j, at in _windows(conv_in, filt.shape[2], s):
        dfilt += np.multiply.outer(dconv_prev[:, i, j], conv_in[at])
        dout[at] += np.tensordot(dconv_prev[:, i, j], filt, 1)
    return dout, dfilt, np.sum(dconv_prev, axis=(1, 2))[:, None]


def maxpool(image, f=2, s=2):
    downsampled = np.zeros((len(image), *_sizes(image, f, s)))
    for u, v, at in _windows(image, f, s):
        downsampled[:, u, v] = np.max(image[at], axis=(1, 2))
    return downsampled


def maxpoolBackward(dpool, orig, f, s):
    dout = np.zeros(orig.shape)
    for c, u, v in np.ndindex(dpool.shape):
        window = orig[c, s * u : s * u + f, s * v : s * v + f]
        a, b = np.unravel_index(np.nanargmax(window), window.shape)
        dout[c, s * u + a, s * v + b] += dpool[c, u, v]
    return dout


def zero_pad(X, pad):
    return np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)))


def conv_forward(A_prev, W, b, hparameters):
    f, stride, A_pad = len(W), hparameters["stride"], zero_pad(A_prev, hparameters["pad"])
    Z = np.zeros((len(A_prev), *_sizes(A_pad, f, stride), W.shape[3]))
    for h, w, at in _windows(A_pad, f, stride):
        Z[:, h, w] = np.tensordot(A_pad[at], W, 3) + b[0, 0, 0]
    return Z, (A_prev, W, b, hparameters)


def conv_backward(dZ, cache):
    (A_prev, W, b, hparameters) = cache
    (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
    f, stride, pad = len(W), hparameters["stride"], hparameters["pad"]
    A_pad = zero_pad(A_prev, pad)
    dA_pad, dW = np.zeros(A_pad.shape), np.zeros(W.shape)
    for h, w, at in _windows(A_pad, f, stride):
        dA_pad[at] += np.tensordot(dZ[:, h, w], W, (1, 3))
        dW += np.tensordot(A_pad[at], dZ[:, h, w], (0, 0))
    return dA_pad[:, pad : pad + n_H_prev, pad : pad + n_W_prev], dW, dZ.sum(axis=(0, 1, 2), keepdims=True)


def pool_forward(A_prev, hparameters, mode="max"):
    f, stride = hparameters["f"], hparameters["stride"]
    A = np.zeros((len(A_prev), *_sizes(A_prev, f, stride), A_prev.shape[3]))
    for h, w, at in _windows(A_prev, f, stride):
        A[:, h, w] = np.max(A_prev[at], axis=(1, 2)) if mode == "max" else np.mean(A_prev[at], axis=(1, 2))
    return A, (A_prev, hparameters)


def pool_backward(dA, cache, mode="max"):
    (A_prev, hparameters) = cache
    f, dA_prev = hparameters["f"], np.zeros(A_prev.shape)
    for h, w, at in _windows(A_prev, f, hparameters["stride"]):
        a, d = A_prev[at], dA[:, h : h + 1, w : w + 1]
        dA_prev[at] += (a == a.max(axis=(1, 2), keepdims=True)) * d if mode == "max" else d / (f * f)
    return dA_prev


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def sigmoid_prime(x):
    return sigmoid(x) * (1 - sigmoid(x))


def tanh(x):
    return np.tanh(x)


def tanh_derivative(y):
    return 1 - y**2


def relu(Z):
    return np.maximum(0, Z), Z


def relu_backward(dA, cache):
    dZ = np.array(dA, copy=True)
    dZ[cache <= 0] = 0
    return dZ


def mse(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / np.size(y_true)


def binary_cross_entropy(y_true, y_pred):
    return np.mean(-y_true * np.log(y_pred) - (1 - y_true) * np.log(1 - y_pred))


def binary_cross_entropy_prime(y_true, y_pred):
    return ((1 - y_true) / (1 - y_pred) - y_true / y_pred) / np.size(y_true)
