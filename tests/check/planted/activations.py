"""Activations, some of which fail in a second call, for another batch size or for another layout."""

import numpy as np


class Sigmoid:
    def forward(self, x):
        self.x, self.y = x, 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dy):
        y = self.y
        return dy * y * (1 - y)


class ReLU:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0)

    def backward(self, dy):
        return np.where(self.x > 0, dy, 0)


class Tanh:
    """The derivative in terms of y."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2)


class Softmax:
    """The Jacobian of every sample as a matrix."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dy):
        return np.stack([self.jacobian(y) @ d for y, d in zip(self.y, dy, strict=True)])

    def jacobian(self, y):
        return np.diag(y) - np.outer(y, y)


class PReLU:
    """Three channels."""

    def __init__(self):
        self.slope = np.full(3, 0.25)

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope[:, None, None] * x)

    def backward(self, dy):
        self.dslope = (dy * np.minimum(self.x, 0)).sum(axis=(0, 2, 3))
        return np.where(self.x > 0, dy, self.slope[:, None, None] * dy)


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
