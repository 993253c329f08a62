"""Exercise 6, solved: exercise 3 with 2·i instead of i, and with a border of zeros that is added and later removed."""

import numpy as np

RING = ((0, 0), (0, 0), (1, 1), (1, 1))


def forward(x, w, b):
    """Return y."""
    padded = np.pad(x, RING)
    rows, columns = (padded.shape[2] - 3) // 2 + 1, (padded.shape[3] - 3) // 2 + 1
    y = np.zeros((len(x), len(w), rows, columns), x.dtype)
    for o, i, j in np.ndindex(*y.shape[1:]):
        window = padded[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        y[:, o, i, j] = (window * w[o]).sum(axis=(1, 2, 3)) + b[o]
    return y


def backward(dy, x, w, b):
    """Return dx, dw and db."""
    padded = np.pad(x, RING)
    dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
    for o, i, j in np.ndindex(*dy.shape[1:]):
        upstream = dy[:, o, i, j][:, None, None, None]
        rows, columns = slice(2 * i, 2 * i + 3), slice(2 * j, 2 * j + 3)
        dpadded[:, :, rows, columns] += upstream * w[o]
        dw[o] += (upstream * padded[:, :, rows, columns]).sum(axis=0)
    return dpadded[:, :, 1:-1, 1:-1], dw, dy.sum(axis=(0, 2, 3))
