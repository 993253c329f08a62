"""Pairs of functions for single images, and functions with their derivatives."""

import numpy as np


def convolution(image, filt, bias, s=1):
    n_f, n_c_f, f, _ = filt.shape
    n_c, *size = image.shape
    h, w = (int((length - f) / s) + 1 for length in size)
    assert n_c == n_c_f
    out = np.zeros((n_f, h, w))
    for curr_f in range(n_f):
        for i in range(h):
            for j in range(w):
                region = image[:, s * i : s * i + f, s * j : s * j + f]
                out[curr_f, i, j] = np.sum(filt[curr_f] * region) + bias[curr_f].item()
    return out


def convolutionBackward(dconv_prev, conv_in, filt, s):
    n_f, n_c, f, _ = filt.shape
    dout = np.zeros(conv_in.shape)
    dfilt = np.zeros(filt.shape)
    dbias = np.zeros((n_f, 1))
    for curr_f in range(n_f):
        for i in range(dconv_prev.shape[1]):
            for j in range(dconv_prev.shape[2]):
                region = conv_in[:, s * i : s * i + f, s * j : s * j + f]
                dfilt[curr_f] += dconv_prev[curr_f, i, j] * region
                dout[:, s * i : s * i + f, s * j : s * j + f] += dconv_prev[curr_f, i, j] * filt[curr_f]
        dbias[curr_f] = np.sum(dconv_prev[curr_f])
    return dout, dfilt, dbias


def maxpool(image, f=2, s=2):
    n_c, h_prev, w_prev = image.shape
    h, w = int((h_prev - f) / s) + 1, int((w_prev - f) / s) + 1
    downsampled = np.zeros((n_c, h, w))
    for i in range(n_c):
        for u in range(h):
            for v in range(w):
                downsampled[i, u, v] = np.max(image[i, s * u : s * u + f, s * v : s * v + f])
    return downsampled


def maxpoolBackward(dpool, orig, f, s):
    dout = np.zeros(orig.shape)
    for c in range(orig.shape[0]):
        for u in range(dpool.shape[1]):
            for v in range(dpool.shape[2]):
                window = orig[c, s * u : s * u + f, s * v : s * v + f]
                a, b = np.unravel_index(np.nanargmax(window), window.shape)
                dout[c, s * u + a, s * v + b] += dpool[c, u, v]
    return dout


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
