"""Exercise 11, solved: im2col, a matrix product, and col2im with np.add.at."""

import numpy as np

RING = ((0, 0), (0, 0), (1, 1), (1, 1))
EVERY = slice(None)


def positions(height, width):
    """Return the rows and the columns of all windows' cells in the padded image."""
    i, j = np.arange((height - 1) // 2 + 1), np.arange((width - 1) // 2 + 1)
    rows = 2 * i[:, None, None, None] + np.arange(3)[:, None]
    columns = 2 * j[:, None, None] + np.arange(3)
    return np.broadcast_arrays(rows, columns[None])


def image_to_columns(x):
    """Return X: a row for each position of each image, a column for each weight of a kernel."""
    windows = np.pad(x, RING)[:, :, *positions(*x.shape[2:])]  # (N, C_in, H', W', 3, 3)
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 9 * x.shape[1])


def forward(x, w, b):
    """Return y."""
    rows, columns = (x.shape[2] - 1) // 2 + 1, (x.shape[3] - 1) // 2 + 1
    y = image_to_columns(x) @ w.reshape(len(w), -1).T + b
    return y.reshape(len(x), rows, columns, len(w)).transpose(0, 3, 1, 2)


def backward(dy, x, w, b):
    """Return dx, dw and db."""
    n, c_out, rows, columns = dy.shape
    upstream = dy.transpose(0, 2, 3, 1).reshape(-1, c_out)
    dw = (upstream.T @ image_to_columns(x)).reshape(w.shape)
    windows = (upstream @ w.reshape(c_out, -1)).reshape(n, rows, columns, x.shape[1], 3, 3)
    dpadded = np.zeros((n, x.shape[1], x.shape[2] + 2, x.shape[3] + 2), x.dtype)
    np.add.at(dpadded, (EVERY, EVERY, *positions(*x.shape[2:])), windows.transpose(0, 3, 1, 2, 4, 5))
    return dpadded[:, :, 1:-1, 1:-1], dw, upstream.sum(axis=0)
