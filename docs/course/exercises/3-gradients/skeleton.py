"""Exercise 3: the backward pass of a convolutional layer. `forward` is complete; write `backward`."""

import numpy as np


def forward(x, w, b):
    """Return y (N, C_out, H', W') for x (N, C_in, H, W), w (C_out, C_in, KH, KW) and b (C_out,)."""
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
    """Return dx, dw and db, with the shapes of x, w and b. dy has the shape of y."""
    raise NotImplementedError("backward is yours to write")
