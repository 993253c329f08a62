"""Formulas of Venchislaw's paper as they are printed: ∂L/∂k as a sum times ∂L/∂Y (ve-e7), average pooling (ve-e10)."""

import numpy as np
from scipy.signal import convolve2d, correlate2d


def conv_forward(X, K, B):
    Y = [sum(correlate2d(x, k, "valid") for x, k in zip(X, kernels, strict=True)) for kernels in K]
    return np.array(Y) + B[:, None, None], (X, K)


def conv_backward(dY, cache):
    X, K = cache
    dX, dK = np.zeros(X.shape), np.zeros(K.shape)
    rows, columns = dY.shape[1:]
    for i, j in np.ndindex(K.shape[:2]):
        dX[j] += convolve2d(dY[i], K[i, j], "full")
        for u, v in np.ndindex(K.shape[2:]):
            dK[i, j, u, v] = (X[j, u : u + rows, v : v + columns].sum() * dY[i]).sum()
    return dX, dK, dY.sum(axis=(1, 2))


class AveragePool2d:
    def __init__(self, kernel_size, stride):
        self.k, self.s = kernel_size, stride

    def forward(self, x):
        self.shape, k, s = x.shape, self.k, self.s
        y = np.zeros((*x.shape[:2], (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1))
        for i, j in np.ndindex(y.shape[2:]):
            y[:, :, i, j] = x[:, :, s * i : s * i + k, s * j : s * j + k].mean(axis=(2, 3))
        return y

    def backward(self, dy):
        dx, k, s = np.zeros(self.shape), self.k, self.s
        for i, j in np.ndindex(dy.shape[2:]):
            dx[:, :, s * i : s * i + k, s * j : s * j + k] += dy[:, :, i, j, None, None]
        return dx
