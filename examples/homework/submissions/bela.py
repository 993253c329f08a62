"""A right solution, as two functions."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def forward(x, w, b):
    windows = sliding_window_view(x, (3, 2), axis=(2, 3))
    return np.einsum("nchwuv,ocuv->nohw", windows, w) + b[:, None, None]


def backward(dy, x, w, b):
    windows = sliding_window_view(x, (3, 2), axis=(2, 3))
    around = np.pad(dy, ((0, 0), (0, 0), (2, 2), (1, 1)))
    dx = np.einsum("nohwuv,ocuv->nchw", sliding_window_view(around, (3, 2), axis=(2, 3)), w[:, :, ::-1, ::-1])
    return dx, np.einsum("nchwuv,nohw->ocuv", windows, dy), dy.sum(axis=(0, 2, 3))
