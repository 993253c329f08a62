"""Convolutions without stride and padding, and their classic mistakes."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Plain:
    """Loops over the windows."""

    def __init__(self):
        self.w = np.random.default_rng(0).normal(size=(4, 3, 3, 2))
        self.b = np.zeros(4)

    def forward(self, x):
        self.x = x
        N, _, H, W = x.shape
        C_out, _, KH, KW = self.w.shape
        y = np.zeros((N, C_out, H - KH + 1, W - KW + 1))
        for i, j in np.ndindex(y.shape[2:]):
            window = x[:, :, i : i + KH, j : j + KW]
            y[:, :, i, j] = np.tensordot(window, self.w, ((1, 2, 3), (1, 2, 3))) + self.b
        return y

    def backward(self, dy):
        dx, dw, db = np.zeros_like(self.x), np.zeros_like(self.w), dy.sum(axis=(0, 2, 3))
        KH, KW = self.w.shape[2:]
        for i, j in np.ndindex(dy.shape[2:]):
            window = (slice(None), slice(None), slice(i, i + KH), slice(j, j + KW))
            dw += np.tensordot(dy[:, :, i, j], self.x[window], (0, 0))
            dx[window] += np.tensordot(dy[:, :, i, j], self.w, (1, 0))
        self.dw, self.db = dw, db
        return dx


class FullCorrelation(Plain):
    """Pad dy with zeros and correlate it with the rotated kernels."""

    def backward(self, dy):
        super().backward(dy)
        KH, KW = self.w.shape[2:]
        padded = np.pad(dy, ((0, 0), (0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1)))
        kernels = self.w[:, :, ::-1, ::-1]
        windows = sliding_window_view(padded, (KH, KW), axis=(2, 3))
        return np.einsum("nohwuv,ocuv->nchw", windows, kernels)


class TrueConvolution(Plain):
    """Rotate the kernels in forward."""

    def forward(self, x):
        w, self.w = self.w, self.w[:, :, ::-1, ::-1]
        y = super().forward(x)
        self.w = w
        return y

    def backward(self, dy):
        w, self.w = self.w, self.w[:, :, ::-1, ::-1]
        dx = super().backward(dy)
        self.w, self.dw = w, self.dw[:, :, ::-1, ::-1]
        return dx


class Untied(Plain):
    """A bias for every position."""

    def __init__(self):
        super().__init__()
        self.b = np.zeros((4, 5, 5))

    def forward(self, x):
        b, self.b = self.b, np.zeros(4)
        y = super().forward(x) + b
        self.b = b
        return y

    def backward(self, dy):
        dx = super().backward(dy)
        self.db = dy.sum(axis=0)
        return dx


class Transposed:
    """Spread every cell over a window."""

    def __init__(self):
        self.w, self.b = np.zeros((3, 4, 3, 2)), np.zeros(4)

    def forward(self, x):
        self.x = x
        y = np.zeros((len(x), 4, x.shape[2] + 2, x.shape[3] + 1)) + self.b[:, None, None]
        for i, j in np.ndindex(x.shape[2:]):
            y[:, :, i : i + 3, j : j + 2] += np.tensordot(x[:, :, i, j], self.w, (1, 0))
        return y

    def backward(self, dy):
        windows = sliding_window_view(dy, (3, 2), axis=(2, 3))
        self.db = dy.sum(axis=(0, 2, 3))
        self.dw = np.einsum("nchw,nohwuv->couv", self.x, windows)
        return np.einsum("nohwuv,couv->nchw", windows, self.w)
