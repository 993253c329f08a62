"""Convolutions, also in one dimension, and their classic mistakes."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Plain:
    """Loops over the windows."""

    stride, padding, dilation = (1, 1), ((0, 0), (0, 0)), (1, 1)

    def __init__(self):
        self.w = np.random.default_rng(0).normal(size=(4, 3, 3, 2))
        self.b = np.zeros(4)

    def place(self, i, j, stride, dilation):
        (KH, KW), (s, t), (d, e) = self.w.shape[2:], stride, dilation
        return ..., slice(s * i, s * i + d * (KH - 1) + 1, d), slice(t * j, t * j + e * (KW - 1) + 1, e)

    def forward(self, x):
        self.x = x = np.pad(x, ((0, 0), (0, 0), *self.padding))
        (N, _, H, W), (C_out, _, KH, KW), (s, t), (d, e) = x.shape, self.w.shape, self.stride, self.dilation
        y = np.zeros((N, C_out, (H - d * (KH - 1) - 1) // s + 1, (W - e * (KW - 1) - 1) // t + 1))
        for i, j in np.ndindex(y.shape[2:]):
            window = x[self.place(i, j, self.stride, self.dilation)]
            y[:, :, i, j] = np.tensordot(window, self.w, ((1, 2, 3), (1, 2, 3))) + self.b
        return y

    def backward(self, dy):
        dx, dw, db = np.zeros_like(self.x), np.zeros_like(self.w), dy.sum(axis=(0, 2, 3))
        for i, j in np.ndindex(dy.shape[2:]):
            read = self.place(i, j, self.stride, self.dilation)
            write = self.place(i, j, self.stride, self.dilation)
            dw += np.tensordot(dy[:, :, i, j], self.x[read], (0, 0))
            dx[write] += np.tensordot(dy[:, :, i, j], self.w, (1, 0))
        (top, bottom), (left, right) = self.padding
        dx = dx[:, :, top : dx.shape[2] - bottom, left : dx.shape[3] - right]
        self.dw, self.db = dw, db
        return dx


class Sliding(Plain):
    stride, padding = (2, 1), ((1, 0), (0, 2))


class Dilated(Plain):
    padding, dilation = ((1, 1), (0, 0)), (2, 3)


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


class Line:
    """One dimension, row by row with NumPy's correlate and convolve."""

    def __init__(self):
        self.w, self.b = np.ones((3, 2, 2)), np.zeros(3)

    def forward(self, x):
        self.x = x
        maps = [
            sum(np.array([np.correlate(row, k) for row in x[:, c]]) for c, k in enumerate(kernels))
            for kernels in self.w
        ]
        return np.stack([m + b for m, b in zip(maps, self.b, strict=True)], axis=1)

    def backward(self, dy):
        self.db, self.dw, dx = dy.sum(axis=(0, 2)), np.zeros_like(self.w), np.zeros_like(self.x)
        for n, o, c in np.ndindex(len(dy), *self.w.shape[:2]):
            self.dw[o, c] += np.correlate(self.x[n, c], dy[n, o])
            dx[n, c] += np.convolve(dy[n, o], self.w[o, c])
        return dx
