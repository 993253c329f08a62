"""Layers that pass a quick check but fail in a second call, for another batch size or layout, or far from zero."""

import numpy as np


class Dense:
    """Correct."""

    def __init__(self):
        self.W, self.b = np.ones((4, 7)), np.zeros(4)

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dy):
        self.dW, self.db, dx = dy.T @ self.x, dy.sum(axis=0), dy @ self.W
        return dx


class Cube:
    """Correct."""

    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dy):
        return 3 * dy * self.x**2


class ReLU:
    """Correct."""

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0)

    def backward(self, dy):
        return np.where(self.x > 0, dy, 0)


class RunningScale(ReLU):
    """Counts the inputs seen and scales by that number."""

    seen = 0.0

    def forward(self, x):
        if not hasattr(self, "last") or not np.array_equal(self.last, x):
            self.seen, self.last = self.seen + 1, x.copy()
        return super().forward(x) * (1 + 1e-3 * (self.seen > 2))


class FixedBatch(ReLU):
    """Has buffers only for the batch size of the first call."""

    room = None

    def forward(self, x):
        if self.room is None:
            self.room = np.zeros(x.shape)
        self.room[...] = x if len(x) == len(self.room) else x[: len(self.room) + 9].reshape(self.room.shape)
        return super().forward(x)


class GoesByBytes(ReLU):
    def forward(self, x):
        last = x.itemsize
        strides = [last * int(np.prod(x.shape[place + 1 :])) for place in range(x.ndim)]
        return super().forward(np.lib.stride_tricks.as_strided(x, x.shape, strides))


class HardSwish:
    """x · min(max(x + 3, 0), 6) / 6, whose slope is 1 above 3."""

    def forward(self, x):
        self.x = x
        return x * np.clip(x + 3, 0, 6) / 6

    def backward(self, dy):
        return dy * (2 * self.x + 3) / 6 * (self.x > -3)


class TanhOfExponents:
    def forward(self, x):
        a, b = np.exp(2 * x), np.exp(-2 * x)
        self.y = 3 * (a - b) / (a + b)
        return self.y

    def backward(self, dy):
        return dy * 6 * (1 - (self.y / 3) ** 2)
