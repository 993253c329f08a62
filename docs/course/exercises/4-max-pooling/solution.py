"""Exercise 4, solved."""

import numpy as np


def forward(x):
    """Return the largest value of every window."""
    n, channels, height, width = x.shape
    y = np.zeros((n, channels, (height - 3) // 2 + 1, (width - 3) // 2 + 1), x.dtype)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            y[:, :, i, j] = x[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max(axis=(2, 3))
    return y


def backward(dy, x):
    """Return dx."""
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        window = x[n, c, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        u, v = divmod(int(window.argmax()), 3)  # the first maximum, row by row
        dx[n, c, 2 * i + u, 2 * j + v] += dy[n, c, i, j]  # += : a number may win several windows
    return dx
