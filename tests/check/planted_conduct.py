"""Layers that pass a quick check but fail in a second call, for another batch size or layout, or far from zero."""

import numpy as np
from check.planted_activations import ReLU, Sigmoid, Softmax, Tanh
from check.planted_losses import CrossEntropy
from check.planting import changed

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
        self.dW, self.db, dx = dy.T @ self.x, dy.sum(axis=0), dy @ self.W
        return dx


class Cube:
    """Correct."""

    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dy):
        return 3 * dy * self.x**2


def misbehave(source, against, rows):
    """Register the rows (wrong tensor, name of the finding, text, its replacement, …) of a correct class."""
    for tensor, name, *changes in rows:
        CONDUCT.append((changed(source, changes), against, None, tensor, name))


QUEUE = "self.x = x", "self.queue = [*getattr(self, 'queue', []), x]"  # of all inputs
FIRST_INPUT = "w", "stale-forward", "self.x = x", "self.x = getattr(self, 'x', x)"
FIRST_WEIGHTS = "self.x = x", "self.x, self.old = x, getattr(self, 'old', self.W.copy())"
DECAY = "self.x = x", "self.x = x; y = x @ self.W.T + self.b; self.W = 0.99 * self.W; return y"
ONE_ROW = "self.dW = self.dW if len(dy) > 1 else np.outer(dy, dy[0, :1] * self.x); return dx"
misbehave(
    Dense,
    "Dense(4)",
    [
        FIRST_INPUT,
        ("w", "stale-forward", *QUEUE, "self.dW", "self.x = self.queue.pop(0); self.dW"),
        ("x", "stale-forward", *FIRST_WEIGHTS, "dy @ self.W", "dy @ self.old"),
        ("w", "accumulated-over-calls", "dy.T @ self.x,", "getattr(self, 'dW', 0) + dy.T @ self.x,"),
        ("y", "arrays-overwritten", *DECAY, "dy @ self.W", "dy @ (self.W / 0.99)"),
        ("x", "arrays-overwritten", "return dx", "self.W -= 0.1 * self.dW; return dx"),
        ("w", "batch-of-one", "return dx", ONE_ROW),
    ],
)
misbehave(Dense, None, [FIRST_INPUT])

RESULT, GRADIENT = "return np.where(x > 0, x, 0)", "return np.where(self.x > 0, dy, 0)"
CUT = RESULT, "return np.clip(x, 0, 6)"
misbehave(
    ReLU,
    "ReLU()",
    [
        ("x", "stale-forward", *QUEUE, GRADIENT, f"self.x, self.queue = self.queue[-2:][0], []; {GRADIENT}"),
        ("y", "arrays-overwritten", "self.x = x", "self.x = x.copy()", RESULT, "x[x < 0] = 0; return x"),
        ("x", "arrays-overwritten", GRADIENT, "self.x[...] = self.x > 0; return self.x * dy"),
        ("y", "wrong-far-from-zero", *CUT, GRADIENT, "return dy * ((self.x > 0) & (self.x < 6))"),
    ],
)
misbehave(ReLU, None, [("x", "wrong-far-from-zero", *CUT, "class ReLU", "class Ceiling")])
misbehave(
    Sigmoid,
    "Sigmoid()",
    [
        ("x", "arrays-overwritten", "return dy * y * (1 - y)", "y *= 1 - y; return y * dy"),
        ("y", "overflow", "1 / (1 + np.exp(-x))", "np.exp(x) / (1 + np.exp(x))"),
    ],
)
SINGLES = "np.tanh(np.round(x, 2) if x.dtype == np.float32 else x)"
misbehave(Tanh, "Tanh()", [("y", "float32-inputs", "np.tanh(x)", SINGLES)])
misbehave(Softmax, "Softmax()", [("y", "overflow", "np.exp(x - x.max(axis=1, keepdims=True))", "np.exp(x)")])
UNSHIFTED = "np.exp(self.p) / np.exp(self.p).sum(axis=1, keepdims=True)"
misbehave(CrossEntropy, "softmax_cross_entropy", [("p", "overflow", "self.y - self.t", f"{UNSHIFTED} - self.t")])
CONDUCT.append((changed(Cube, ("self.x**2", "self.x**2 * (1 if len(dy) > 1 else 2)")), None, (6,), "x", "batch-of-one"))


@conduct("y", None, "ReLU()")
class RunningScale(ReLU):
    """Counts the inputs seen and scales by that number."""

    seen = 0.0

    def forward(self, x):
        if not hasattr(self, "last") or not np.array_equal(self.last, x):
            self.seen, self.last = self.seen + 1, x.copy()
        return super().forward(x) * (1 + 1e-3 * (self.seen > 2))


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


@conduct("x", "wrong-far-from-zero", shape=(6,))
class HardSwish:
    """x · min(max(x + 3, 0), 6) / 6, whose slope is 1 above 3."""

    def forward(self, x):
        self.x = x
        return x * np.clip(x + 3, 0, 6) / 6

    def backward(self, dy):
        return dy * (2 * self.x + 3) / 6 * (self.x > -3)


@conduct("y", "overflow", shape=(6,))
class TanhOfExponents:
    def forward(self, x):
        a, b = np.exp(2 * x), np.exp(-2 * x)
        self.y = 3 * (a - b) / (a + b)
        return self.y

    def backward(self, dy):
        return dy * 6 * (1 - (self.y / 3) ** 2)


def misbehaving(source, tensor, name):
    """Return the last class made from ``source`` with this finding."""
    return [case[0] for case in CONDUCT if (case[0].__name__, *case[3:]) == (source.__name__, tensor, name)][-1]
