"""Exercise 3, solved: visit every product of the forward pass again."""

import numpy as np


def forward(x, w, b):
    """Return y."""
    n, _, height, width = x.shape
    filters, _, kh, kw = w.shape
    y = np.zeros((n, filters, height - kh + 1, width - kw + 1), x.dtype)
    for i in range(height - kh + 1):
        for j in range(width - kw + 1):
            window = x[:, :, i : i + kh, j : j + kw]
            for o in range(filters):
                y[:, o, i, j] = (window * w[o]).sum(axis=(1, 2, 3)) + b[o]
    return y


def backward(dy, x, w, b):
    """Return dx, dw and db."""
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    _, filters, rows, columns = dy.shape
    kh, kw = w.shape[2:]
    for i in range(rows):
        for j in range(columns):
            for o in range(filters):
                upstream = dy[:, o, i, j][:, None, None, None]  # one number per sample
                dx[:, :, i : i + kh, j : j + kw] += upstream * w[o]
                dw[o] += (upstream * x[:, :, i : i + kh, j : j + kw]).sum(axis=0)
    return dx, dw, dy.sum(axis=(0, 2, 3))
