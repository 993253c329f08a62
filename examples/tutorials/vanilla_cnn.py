"""Formulas of VanillaCNN as printed: eq. 36 (vc-e20), eq. 38 (vc-e21), and the derivative before eq. 27 (vc-e18)."""

import numpy as np


class Convolution:
    """Eq. 18 with all taps of the kernel, eq. 36 along the diagonal, eq. 37, and eq. 38 without the last taps."""

    def __init__(self, in_channels, out_channels, kernel_size):
        self.w = np.ones((out_channels, in_channels, kernel_size, kernel_size))
        self.b = np.zeros(out_channels)

    def forward(self, x):
        self.x, k = x, self.w.shape[2]
        y = np.zeros((len(x), len(self.w), x.shape[2] - k + 1, x.shape[3] - k + 1))
        for u, v in np.ndindex(k, k):
            cells = x[:, :, u : u + y.shape[2], v : v + y.shape[3]]
            y += np.einsum("npij,qp->nqij", cells, self.w[:, :, u, v])
        return y + self.b[:, None, None]

    def backward(self, dy):
        k = self.w.shape[2]
        self.dw, self.db, dx = np.zeros(self.w.shape), dy.sum(axis=(0, 2, 3)), np.zeros(self.x.shape)
        for i, j in np.ndindex(dy.shape[2:]):
            for u, v in np.ndindex(k, k):
                column = min(v + i, self.x.shape[3] - 1)  # printed: S(u + i, v + i)
                self.dw[:, :, u, v] += dy[:, :, i, j].T @ self.x[:, :, u + i, column]
                if u < k - 1 and v < k - 1:  # printed: to 3, for kernels of size 5
                    dx[:, :, i + u, j + v] += dy[:, :, i, j] @ self.w[:, :, u, v]
        return dx


def half_squared_error(p, t):
    return np.sum((p - t) ** 2) / 2 / len(p)


def half_squared_error_prime(p, t):
    return (2 * p - t) / 2 / len(p)  # printed: 2ŷ − y, for ½ (ŷ − y)²
