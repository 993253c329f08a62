"""Exercise 2, solved."""

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
    """Return dx, dw and db. This function is complete; lesson 3 derives it."""
    kh, kw = w.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(2, 3))
    around = np.pad(dy, ((0, 0), (0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1)))
    around = np.lib.stride_tricks.sliding_window_view(around, (kh, kw), axis=(2, 3))
    dx = np.einsum("nohkuv,ocuv->nchk", around, w[:, :, ::-1, ::-1])
    return dx, np.einsum("noij,ncijuv->ocuv", dy, windows), dy.sum(axis=(0, 2, 3))
