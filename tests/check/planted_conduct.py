"""Layers that pass a quick check but fail in a second call, for another batch size or layout, or far from zero."""

import numpy as np
from check.planting import ReLU

CONDUCT = []  # (class, its intended layer or None, shape or None, tensor, name of the finding)


def conduct(tensor, name, against=None, shape=None):
    """Register a class with the expected finding."""

    def register(source):
        CONDUCT.append((source, against, shape, tensor, name))
        return source

    return register


class Dense:
    """Correct."""

    def __init__(self):
        self.W, self.b = np.ones((4, 7)), np.zeros(4)

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dy):
        self.dW, self.db = dy.T @ self.x, dy.sum(axis=0)
        return dy @ self.W


# ---------------------------------------------------------------------- calls before this one


@conduct("w", "stale-forward", "Dense(4)")
class FirstInputForEver(Dense):
    def forward(self, x):
        y = x @ self.W.T + self.b
        if not hasattr(self, "x"):
            self.x = x
        return y


@conduct("w", "stale-forward", "Dense(4)")
class Queue(Dense):
    """Uses the oldest input in backward."""

    def __init__(self):
        super().__init__()
        self.inputs = []

    def forward(self, x):
        self.inputs.append(x)
        return x @ self.W.T + self.b

    def backward(self, dy):
        self.x = self.inputs.pop(0)
        return super().backward(dy)


@conduct("x", "stale-forward", "ReLU()")
class MaskOfTheForwardBefore(ReLU):
    """Uses the first of two forward passes in backward; a single pass is right."""

    def __init__(self):
        self.waiting = []

    def forward(self, x):
        self.waiting.append(x)
        return np.where(x > 0, x, 0)

    def backward(self, dy):
        self.x, self.waiting = self.waiting[-2:][0], []
        return super().backward(dy)


@conduct("w", "stale-forward")
class FirstInputWithoutJudge(FirstInputForEver):
    pass


@conduct("x", "stale-forward", "Dense(4)")
class OldWeights(Dense):
    """Uses the weights of the first call in backward."""

    def forward(self, x):
        y = super().forward(x)
        if not hasattr(self, "transposed"):
            self.transposed = self.W.copy()
        return y

    def backward(self, dy):
        super().backward(dy)
        return dy @ self.transposed


@conduct("y", None, "ReLU()")
class RunningScale(ReLU):
    """Counts the inputs seen and scales by that number."""

    seen = 0.0

    def forward(self, x):
        if not hasattr(self, "last") or not np.array_equal(self.last, x):
            self.seen, self.last = self.seen + 1, x.copy()
        return super().forward(x) * (1 + 1e-3 * (self.seen > 2))


@conduct("w", "accumulated-over-calls", "Dense(4)")
class Accumulated(Dense):
    def __init__(self):
        super().__init__()
        self.dW = np.zeros((4, 7))

    def backward(self, dy):
        self.dW, self.db = self.dW + dy.T @ self.x, dy.sum(axis=0)
        return dy @ self.W


# ---------------------------------------------------------------------- arrays that belong to others


@conduct("y", "arrays-overwritten", "ReLU()")
class SpoilsX(ReLU):
    def forward(self, x):
        self.x = x.copy()
        x[x < 0] = 0
        return x


@conduct("x", "arrays-overwritten", "ReLU()")
class SpoilsXInBackward(ReLU):
    def backward(self, dy):
        self.x[...] = self.x > 0
        return self.x * dy


@conduct("x", "arrays-overwritten", "Sigmoid()")
class SpoilsItsOutput:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dy):
        self.y *= 1 - self.y
        return self.y * dy


@conduct("y", "arrays-overwritten", "Dense(4)")
class DecaysInForward(Dense):
    def forward(self, x):
        y = super().forward(x)
        self.W = 0.99 * self.W
        return y

    def backward(self, dy):
        self.dW, self.db = dy.T @ self.x, dy.sum(axis=0)
        return dy @ (self.W / 0.99)


@conduct("x", "arrays-overwritten", "Dense(4)")
class UpdatesInBackward(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.W -= 0.1 * self.dW
        return dx


# ---------------------------------------------------------------------- batches, memory, types


@conduct("w", "batch-of-one", "Dense(4)")
class SingleRow(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        if len(dy) == 1:
            self.dW = np.outer(dy, dy[0, :1] * self.x)
        return dx


@conduct("x", "batch-of-one", shape=(6,))
class SquaredWithoutJudge:
    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dy):
        return 3 * dy * self.x**2 * (1 if len(dy) > 1 else 2)


@conduct("y", "fails", "ReLU()")
class FixedBatch(ReLU):
    """Has buffers only for the batch size of the first call."""

    room = None

    def forward(self, x):
        if self.room is None:
            self.room = np.zeros(x.shape)
        self.room[...] = x if len(x) == len(self.room) else x[: len(self.room) + 9].reshape(self.room.shape)
        return super().forward(x)


@conduct("y", "memory-layout", "ReLU()")
class GoesByBytes(ReLU):
    def forward(self, x):
        last = x.itemsize
        strides = [last * int(np.prod(x.shape[place + 1 :])) for place in range(x.ndim)]
        return super().forward(np.lib.stride_tricks.as_strided(x, x.shape, strides))


@conduct("y", "float32-inputs", "Tanh()")
class RoundsSingles:
    """Truncates float32 input to integers."""

    def forward(self, x):
        self.y = np.tanh(np.round(x, 2) if x.dtype == np.float32 else x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2)


# ---------------------------------------------------------------------- far from zero


@conduct("y", "wrong-far-from-zero", "ReLU()")
class CeilingAtSix(ReLU):
    def forward(self, x):
        self.x = x
        return np.clip(x, 0, 6)

    def backward(self, dy):
        return dy * ((self.x > 0) & (self.x < 6))


@conduct("x", "wrong-far-from-zero")
class CeilingForgottenInBackward(CeilingAtSix):
    def backward(self, dy):
        return dy * (self.x > 0)


@conduct("x", "wrong-far-from-zero", shape=(6,))
class HardSwish:
    """x · min(max(x + 3, 0), 6) / 6, whose slope is 1 above 3."""

    def forward(self, x):
        self.x = x
        return x * np.clip(x + 3, 0, 6) / 6

    def backward(self, dy):
        return dy * (2 * self.x + 3) / 6 * (self.x > -3)


# ---------------------------------------------------------------------- overflow


@conduct("y", "overflow", "Sigmoid()")
class SigmoidOfLargeExponents:
    def forward(self, x):
        e = np.exp(x)
        self.y = e / (1 + e)
        return self.y

    def backward(self, dy):
        return dy * self.y * (1 - self.y)


@conduct("y", "overflow", "Softmax()")
class SoftmaxWithoutMaximum:
    def forward(self, x):
        e = np.exp(x)
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dy):
        return self.y * (dy - (dy * self.y).sum(axis=1, keepdims=True))


@conduct("y", "overflow", shape=(6,))
class TanhOfExponents:
    def forward(self, x):
        a, b = np.exp(2 * x), np.exp(-2 * x)
        self.y = 3 * (a - b) / (a + b)
        return self.y

    def backward(self, dy):
        return dy * 6 * (1 - (self.y / 3) ** 2)


@conduct("p", "overflow", "softmax_cross_entropy")
class LossOfLogits:
    def forward(self, p, t):
        below = p - p.max(axis=1, keepdims=True)
        self.p, self.t = p, t
        return -(t * (below - np.log(np.exp(below).sum(axis=1, keepdims=True)))).sum(axis=1)

    def backward(self):
        e = np.exp(self.p)
        return (e / e.sum(axis=1, keepdims=True) - self.t) / len(self.p)
