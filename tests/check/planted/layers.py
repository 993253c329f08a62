"""Pooling and dense layers and their classic mistakes."""

import numpy as np


class MaxPool:
    """Loops over overlapping windows."""

    window, stride = (3, 2), (2, 1)

    def windows(self, x):
        (KH, KW), (s, t) = self.window, self.stride
        for i, j in np.ndindex((x.shape[2] - KH) // s + 1, (x.shape[3] - KW) // t + 1):
            yield i, j, (..., slice(i * s, i * s + KH), slice(j * t, j * t + KW))

    def value(self, cells):
        return cells.max(axis=(2, 3))

    def forward(self, x):
        self.x = x
        values = {(i, j): self.value(x[at]) for i, j, at in self.windows(x)}
        return np.stack(list(values.values()), axis=2).reshape(*x.shape[:2], *np.max(list(values), axis=0) + 1)

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i, j, at in self.windows(self.x):
            cells = self.x[at].reshape(*self.x.shape[:2], -1)
            won = np.arange(cells.shape[2]) == cells.argmax(axis=2)[..., None]
            share = (won * dy[:, :, i, j, None]).reshape(dx[at].shape)
            dx[at] += share
        return dx


class AveragePool(MaxPool):
    def value(self, cells):
        return cells.mean(axis=(2, 3))

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i, j, at in self.windows(self.x):
            dx[at] += dy[:, :, i, j, None, None] / np.prod(self.window)
        return dx


class Padded:
    """2×2 windows on an image with one row of padding above."""

    window = stride = (2, 2)
    filling = 0

    def forward(self, x):
        return super().forward(np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)), constant_values=self.filling))

    def backward(self, dy):
        return super().backward(dy)[:, :, 1:]


class PaddedMax(Padded, MaxPool):
    filling = -np.inf


class CountedAverage(Padded, AveragePool):
    pass


class PaddedAverage(CountedAverage):
    """Zeros of the padding are not counted."""

    def forward(self, x):
        self.share = 1 / super().forward(np.ones_like(x))
        return super().forward(x) * self.share

    def backward(self, dy):
        return super().backward(dy * self.share)


class Dense:
    def __init__(self):
        self.W, self.b = np.ones((4, 7)), np.zeros(4)

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dy):
        self.dW, self.db, dx = dy.T @ self.x, dy.sum(axis=0), dy @ self.W
        return dx


class Updating(Dense):
    def backward(self, dy, learning_rate):
        dx = dy @ self.W
        self.W = self.W - learning_rate * dy.T @ self.x
        self.b = self.b - learning_rate * dy.sum(axis=0)
        return dx


class Hidden:
    """A small network applied to every row; each output has hundreds of kinks."""

    def weights(self):
        generator, x = np.random.default_rng(5), self.x
        return (generator.normal(size=size).astype(x.dtype) for size in ((x.shape[-1], 40), (40, 3)))

    def forward(self, x):
        self.x = np.real(x)
        first, second = self.weights()
        return np.maximum(self.x @ first, 0) @ second

    def backward(self, dy):
        first, second = self.weights()
        return (dy @ second.T * (self.x @ first > 0)) @ first.T
