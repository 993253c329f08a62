"""Losses and their classic mistakes."""

import numpy as np
from check.planting import correct, plant


@correct("half_squared_error")
class SquaredError:
    """The mean over the batch of half the squared distance."""

    def forward(self, p, t):
        self.p, self.t = p, t
        return 0.5 * ((p - t) ** 2).sum(axis=1).mean()

    def backward(self):
        return (self.p - self.t) / len(self.p)


SLOPE = "(self.p - self.t) / len(self.p)"
LOSS = "0.5 * ((p - t) ** 2).sum(axis=1).mean()"
ABSOLUTE = LOSS, "np.abs(p - t).mean()"
HUBER = LOSS, "np.where(np.abs(p - t) <= 1, 0.5 * (p - t) ** 2, np.abs(p - t) - 0.5).mean()"
plant(
    SquaredError,
    [
        ("p", "batch-division-missing", SLOPE, "self.p - self.t"),
        ("p", "batch-division-doubled", SLOPE, "(self.p - self.t) / len(self.p) ** 2"),
        ("p", "class-division-doubled", SLOPE, "(self.p - self.t) / self.p.size"),
        ("p", "sign", SLOPE, "(self.t - self.p) / len(self.p)"),
        ("p", "gradient-doubled", SLOPE, "2 * (self.p - self.t) / len(self.p)"),
        ("p", "parentheses-forgotten", SLOPE, "0.5 * (2 * self.p - self.t) / len(self.p)"),
    ],
)
plant(
    SquaredError,
    [("p", "class-division-missing", LOSS, "((p - t) ** 2).mean()", SLOPE, "2 * (self.p - self.t) / len(self.p)")],
    "mean_squared_error",
)
plant(
    SquaredError,
    [("p", "slope-unbounded", *ABSOLUTE, SLOPE, "(self.p - self.t) / self.p.size")],
    "mean_absolute_error",
)
plant(
    SquaredError,
    [
        ("p", "slope-unbounded", *HUBER, SLOPE, "(self.p - self.t) / self.p.size"),
        ("p", "class-division-missing", *HUBER, SLOPE, "np.clip(self.p - self.t, -1, 1) / len(self.p)"),
    ],
    "huber",
)
plant(
    SquaredError,
    [("p", "prediction-minus-target", LOSS, "-(t * np.log(p)).sum(axis=1).mean()")],
    "categorical_cross_entropy",
)


@correct("softmax_cross_entropy")
class CrossEntropy:
    """Fused softmax and cross-entropy, one value per sample."""

    def forward(self, p, t):
        below = p - p.max(axis=1, keepdims=True)
        logarithm = below - np.log(np.exp(below).sum(axis=1, keepdims=True))
        self.p, self.y, self.t = p, np.exp(logarithm), t
        return -(t * logarithm).sum(axis=1)

    def backward(self, dy):
        return dy * (self.y - self.t) / len(self.y)


LOSS, SLOPE = "-(t * logarithm).sum(axis=1)", "dy * (self.y - self.t) / len(self.y)"
ALL_SUMMED = "-(t * (p - p.max() - np.log(np.exp(p - p.max()).sum()))).sum(axis=1)"
BATCH_SUMMED = "dy * (np.exp(self.p) / np.exp(self.p).sum(axis=0) - self.t) / len(self.t)"
SHIFTED = """slopes = -self.t / (self.y + 1e-8) / len(self.y)
        return dy * self.y * (slopes - (slopes * self.y).sum(axis=1, keepdims=True))"""
plant(
    CrossEntropy,
    [
        ("p", "softmax-forgotten", SLOPE, "dy * (self.p - self.t) / len(self.p)"),
        ("p", "one-subtracted-everywhere", SLOPE, "dy * (self.y - 1) / len(self.p)"),
        ("p", "softmax-over-batch", SLOPE, BATCH_SUMMED),
        ("p", "number-in-logarithm", f"return {SLOPE}", SHIFTED),
        ("y", "softmax-over-batch", LOSS, ALL_SUMMED),
        ("y", "number-in-logarithm", LOSS, "-(t * np.log(self.y + 1e-8)).sum(axis=1)"),
        ("y", "batch-division-missing", LOSS, "-(t * logarithm).sum(axis=1) * len(p)"),
        ("y", "one-hot-assumed", LOSS, "-logarithm[np.arange(len(p)), t.argmax(axis=1)]"),
        ("y", "class-division-doubled", LOSS, "-(t * logarithm).mean()"),
    ],
)


@correct("binary_cross_entropy")
class BinaryCrossEntropy:
    """The mean cross-entropy of independent probabilities."""

    def forward(self, p, t):
        self.p, self.t = p, t
        return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()

    def backward(self):
        p, t = self.p, self.t
        return ((1 - t) / (1 - p) - t / p) / p.size


plant(
    BinaryCrossEntropy,
    [
        ("y", "number-in-logarithm", "np.log(p)", "np.log(p + 1e-7)", "np.log(1 - p)", "np.log(1 - p + 1e-7)"),
        ("p", "number-in-logarithm", "t / p)", "t / (p + 1e-7))", "/ (1 - p)", "/ (1 - p + 1e-7)"),
    ],
)
