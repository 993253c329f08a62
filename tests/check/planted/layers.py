"""Pooling and dense layers and their classic mistakes."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class MaxPool:
    """Loops over overlapping windows."""

    window, stride = (3, 2), (2, 1)

    def windows(self, x):
        (KH, KW), (s, t) = self.window, self.stride
        for i in range((x.shape[2] - KH) // s + 1):
            for j in range((x.shape[3] - KW) // t + 1):
                yield i, j, (..., slice(i * s, i * s + KH), slice(j * t, j * t + KW))

    def forward(self, x):
        self.x = x
        cells = {(i, j): x[at].max(axis=(2, 3)) for i, j, at in self.windows(x)}
        rows, columns = np.array(list(cells)).max(axis=0) + 1
        return np.stack(list(cells.values()), axis=2).reshape(*x.shape[:2], rows, columns)

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i, j, at in self.windows(self.x):
            cells = self.x[at].reshape(*self.x.shape[:2], -1)
            won = np.arange(cells.shape[2]) == cells.argmax(axis=2)[..., None]
            share = (won * dy[:, :, i, j, None]).reshape(dx[at].shape)
            dx[at] += share
        return dx


class AveragePool(MaxPool):
    def forward(self, x):
        self.x = x
        cells = {(i, j): x[at].mean(axis=(2, 3)) for i, j, at in self.windows(x)}
        rows, columns = np.array(list(cells)).max(axis=0) + 1
        return np.stack(list(cells.values()), axis=2).reshape(*x.shape[:2], rows, columns)

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i, j, at in self.windows(self.x):
            dx[at] += dy[:, :, i, j, None, None] / np.prod(self.window)
        return dx


class PaddedAverage:
    """2×2 windows on an image with one row of zeros above; the zeros are not counted."""

    def forward(self, x):
        self.shape, self.cells = x.shape, self.count(x)
        return self.blocks(np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))).sum(axis=(3, 5)) / self.cells

    def blocks(self, x):
        N, C, H, W = x.shape
        return x[:, :, : H // 2 * 2, : W // 2 * 2].reshape(N, C, H // 2, 2, W // 2, 2)

    def count(self, x):
        return self.blocks(np.pad(np.ones_like(x), ((0, 0), (0, 0), (1, 0), (0, 0)))).sum(axis=(3, 5))

    def backward(self, dy):
        share = dy / self.cells
        N, C, H, W = self.shape
        dx = np.zeros((N, C, H + 1, W))
        wide = share.repeat(2, axis=2).repeat(2, axis=3)
        dx[:, :, : wide.shape[2], : wide.shape[3]] = wide
        return dx[:, :, 1:]


class CountedAverage(PaddedAverage):
    def count(self, x):
        return np.full_like(super().count(x), 4)


class PaddedMax:
    """A row of padding above, filled with −∞."""

    filling = -np.inf

    def forward(self, x):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)), constant_values=self.filling)
        self.windows = sliding_window_view(padded, (2, 2), axis=(2, 3))[:, :, ::2, ::2]
        self.shape = padded.shape
        return self.windows.max(axis=(4, 5))

    def backward(self, dy):
        dx = np.zeros(self.shape)
        won = self.windows.reshape(*dy.shape, 4).argmax(axis=-1)
        for n, c, i, j in np.ndindex(dy.shape):
            u, v = divmod(won[n, c, i, j], 2)
            dx[n, c, 2 * i + u, 2 * j + v] += dy[n, c, i, j]
        return dx[:, :, 1:]


class Dense:
    """Gradients in a dictionary."""

    def __init__(self):
        self.w, self.b = np.ones((4, 7)), np.ones(4)

    def forward(self, x):
        self.x = x
        return x @ self.w.T + self.b

    def backward(self, dy):
        return {"dx": dy @ self.w, "dw": dy.T @ self.x, "db": dy.sum(axis=0)}
