"""Batch normalization and losses with one classic mistake each."""

import numpy as np
from check.planted_layers import Softmax
from check.planting import planted

# ---------------------------------------------------------------------- batch normalization


class BatchNorm:
    """Correct, with running statistics, which are not parameters."""

    def __init__(self):
        self.gamma, self.beta = np.ones(3), np.zeros(3)
        self.running_mean = np.zeros(3)

    def forward(self, x):
        self.mean, self.var = x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True)
        self.running_mean = 0.9 * self.running_mean + 0.1 * self.mean.reshape(-1)
        self.deviation = np.sqrt(self.var + 1e-5)
        self.normal = (x - self.mean) / self.deviation
        return self.gamma[:, None, None] * self.normal + self.beta[:, None, None]

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.normal).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))
        g = dy * self.gamma[:, None, None]
        means = self.inner(g)
        return (g - means) / self.deviation

    def inner(self, g):
        axes = (0, 2, 3)
        return g.mean(axis=axes, keepdims=True) + self.normal * (g * self.normal).mean(axis=axes, keepdims=True)


NORM = "BatchNorm2D()"


@planted(NORM, "x", "statistics-held-constant")
class ConstantStatistics(BatchNorm):
    def inner(self, g):
        return 0


@planted(NORM, "x", "variance-held-constant")
class ConstantVariance(BatchNorm):
    def inner(self, g):
        return g.mean(axis=(0, 2, 3), keepdims=True)


@planted(NORM, "x", "count-of-other-axes")
class DividedByBatchAlone(BatchNorm):
    def inner(self, g):
        return super().inner(g) * (g.size / g.shape[1]) / len(g)


@planted(NORM, "gamma", "gradients-exchanged")
class GradientsExchanged(BatchNorm):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dgamma = self.dbeta
        return dx


class OtherStatistics(BatchNorm):
    """Normalizes by another mean and deviation; its backward pass is that of the right layer."""

    axes, root, ddof = (0, 2, 3), staticmethod(lambda variance: np.sqrt(variance + 1e-5)), 0

    def forward(self, x):
        super().forward(x)
        mean = x.mean(axis=self.axes, keepdims=True)
        deviation = self.root(x.var(axis=self.axes, keepdims=True, ddof=self.ddof))
        return self.gamma[:, None, None] * (x - mean) / deviation + self.beta[:, None, None]


@planted(NORM, "y", "variance-unbiased")
class Unbiased(OtherStatistics):
    ddof = 1


@planted(NORM, "y", "root-forgotten")
class ByTheVariance(OtherStatistics):
    root = staticmethod(lambda variance: variance + 1e-5)


@planted(NORM, "y", "epsilon-outside-root")
class EpsilonOutside(OtherStatistics):
    root = staticmethod(lambda variance: np.sqrt(variance) + 1e-5)


@planted(NORM, "y", "epsilon-forgotten")
class NoEpsilon(OtherStatistics):
    root = staticmethod(np.sqrt)


@planted(NORM, "y", "statistics-of-other-axes")
class OfTheBatchAlone(OtherStatistics):
    axes = (0,)


# ---------------------------------------------------------------------- losses


class SquaredError:
    """Correct: the mean over the batch of half the squared distance."""

    def forward(self, p, t):
        self.p, self.t = p, t
        return 0.5 * ((p - t) ** 2).sum(axis=1).mean()

    def backward(self):
        return (self.p - self.t) / len(self.p)


@planted("half_squared_error", "p", "batch-division-missing")
class NotAveraged(SquaredError):
    def backward(self):
        return self.p - self.t


@planted("half_squared_error", "p", "batch-division-doubled")
class AveragedTwice(SquaredError):
    def backward(self):
        return (self.p - self.t) / len(self.p) ** 2


@planted("half_squared_error", "p", "sign")
class TargetMinusPrediction(SquaredError):
    def backward(self):
        return (self.t - self.p) / len(self.p)


@planted("half_squared_error", "p", "gradient-doubled")
class SquareDerived(SquaredError):
    def backward(self):
        return 2 * (self.p - self.t) / len(self.p)


class CrossEntropy:
    """Fused softmax and cross-entropy, one value per sample; correct."""

    def forward(self, p, t):
        self.y, self.t = Softmax().forward(p), t
        below = p - p.max(axis=1, keepdims=True)
        return -(t * (below - np.log(np.exp(below).sum(axis=1, keepdims=True)))).sum(axis=1)

    def backward(self, dy):
        return dy * (self.y - self.t) / len(self.y)


@planted("softmax_cross_entropy", "p", "softmax-forgotten")
class Logits(CrossEntropy):
    def forward(self, p, t):
        self.p = p
        return super().forward(p, t)

    def backward(self, dy):
        return dy * (self.p - self.t) / len(self.p)


@planted("softmax_cross_entropy", "y", "batch-division-missing")
class Summed(CrossEntropy):
    def forward(self, p, t):
        return super().forward(p, t) * len(p)


@planted("softmax_cross_entropy", "y", "one-hot-assumed")
class OfTheLabel(CrossEntropy):
    def forward(self, p, t):
        super().forward(p, t)
        return -np.log(self.y[np.arange(len(p)), t.argmax(axis=1)])


@planted("softmax_cross_entropy", "y", "class-division-doubled")
class MeanOfAll(CrossEntropy):
    def forward(self, p, t):
        super().forward(p, t)
        return -(t * np.log(self.y)).mean()


@planted("softmax_cross_entropy", "y", "number-in-logarithm")
class LogarithmOfMore(CrossEntropy):
    def forward(self, p, t):
        super().forward(p, t)
        return -(t * np.log(self.y + 1e-8)).sum(axis=1)


@planted("softmax_cross_entropy", "p", "number-in-logarithm")
class SlopeOfMore(CrossEntropy):
    def backward(self, dy):
        slopes = -self.t / (self.y + 1e-8) / len(self.y)
        return dy * self.y * (slopes - (slopes * self.y).sum(axis=1, keepdims=True))


class BinaryCrossEntropy:
    """The mean cross-entropy of independent probabilities; correct where nothing is added to them."""

    added_forward = added_backward = 0.0

    def forward(self, p, t):
        self.p, self.t = p, t
        small = self.added_forward
        return -(t * np.log(p + small) + (1 - t) * np.log(1 - p + small)).mean()

    def backward(self):
        small = self.added_backward
        return ((1 - self.t) / (1 - self.p + small) - self.t / (self.p + small)) / self.p.size


@planted("binary_cross_entropy", "y", "number-in-logarithm")
class BinaryLogarithmOfMore(BinaryCrossEntropy):
    added_forward = 1e-7


@planted("binary_cross_entropy", "p", "number-in-logarithm")
class BinarySlopeOfMore(BinaryCrossEntropy):
    added_backward = 1e-7


@planted("half_squared_error", "p", "class-division-doubled")
class DividedByAll(SquaredError):
    def backward(self):
        return (self.p - self.t) / self.p.size


@planted("softmax_cross_entropy", "y", "softmax-over-batch")
class OverEverything(CrossEntropy):
    """Forgets the axis in both sums."""

    def forward(self, p, t):
        super().forward(p, t)
        e = np.exp(p - p.max())
        return -(t * np.log(e / e.sum())).sum(axis=1)


@planted("softmax_cross_entropy", "p", "softmax-over-batch")
class OverTheBatch(CrossEntropy):
    def forward(self, p, t):
        self.p = p
        return super().forward(p, t)

    def backward(self, dy):
        return dy * (Softmax().forward(self.p.T).T - self.t) / len(self.t)


CORRECT = [(BatchNorm, NORM), (SquaredError, "half_squared_error"), (CrossEntropy, "softmax_cross_entropy")]
