"""Rarer mistakes, one per class."""

import numpy as np
from check.planted_convolution import PLAIN, Plain
from check.planted_layers import AVERAGE, MAX, AveragePool, Dense, MaxPool, PaddedAverage, Sigmoid, Softmax
from check.planted_losses import NORM, BatchNorm, SquaredError
from check.planting import planted
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import ndtr


@planted(PLAIN, "x", "gradient-halved")
class Halved(Plain):
    def backward(self, dy):
        return super().backward(dy) / 2


class Untied(Plain):
    """A bias for every position; correct."""

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


UNTIED = 'Conv2D(4, (3, 2), bias="untied")'


@planted(UNTIED, "b", "bias-summed-over-positions")
class SummedUntied(Untied):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db = np.broadcast_to(dy.sum(axis=(0, 2, 3))[:, None, None], self.b.shape)
        return dx


@planted("Dense(4)", "x", "feature-sum-missing")
class LastFeature(Dense):
    def backward(self, dy):
        for o in range(4):
            dx = dy[:, o : o + 1] * self.w[o]
        return super().backward(dy) | {"dx": dx}


class PaddedMax:
    """A row of padding above, filled with −∞; correct."""

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


PADDED_MAX = "MaxPool2D(2, padding=((1, 0), (0, 0)))"


@planted(PADDED_MAX, "y", "padding-wins")
class ZerosWin(PaddedMax):
    filling = 0


@planted(MAX, "y", "average-for-maximum")
class AverageForMaximum(AveragePool):
    pass


class CountedAverage(PaddedAverage):
    """The zeros of the padding are counted; correct for count_padding=True."""

    def count(self, x):
        return np.full_like(super().count(x), 4)


COUNTED = "AveragePool2D(2, padding=((1, 0), (0, 0)), count_padding=True)"


@planted(COUNTED, "x", "padding-not-counted")
class NotCounted(CountedAverage):
    def backward(self, dy):
        return self.spread(dy / PaddedAverage.count(self, np.ones(self.shape)))


@planted(COUNTED, "y", "padding-not-counted")
class NeverCounted(PaddedAverage):
    pass


@planted(AVERAGE, "x", "shared-to-one")
class AverageToOne(AveragePool):
    def backward(self, dy):
        return MaxPool.backward(self, dy)


@planted("Softmax()", "x", "softmax-diagonal-without-square")
class FirstPart(Softmax):
    def jacobian(self, y):
        return np.diag(y)


@planted("Softmax()", "x", "softmax-summed-over-batch")
class SumOfAll(Softmax):
    def backward(self, dy):
        return self.y * (dy - np.sum(dy * self.y))


@planted("Softmax()", "y", "softmax-over-batch")
class WrongAxis(Softmax):
    def forward(self, x):
        self.y = np.exp(x) / np.exp(x).sum(axis=0)
        return self.y

    def backward(self, dy):
        return self.y * (dy - (dy * self.y).sum(axis=0))


@planted(NORM, "x", "mean-held-constant")
class ConstantMean(BatchNorm):
    def inner(self, g):
        return self.normal * (g * self.normal).mean(axis=(0, 2, 3), keepdims=True)


@planted(NORM, "x", "gamma-forgotten")
class WithoutGamma(BatchNorm):
    def backward(self, dy):
        return super().backward(dy) / self.gamma[:, None, None]


@planted(NORM, "gamma", "input-for-normalized")
class RawGamma(BatchNorm):
    def forward(self, x):
        self.x = x
        return super().forward(x)

    def backward(self, dy):
        dx = super().backward(dy)
        self.dgamma = (dy * self.x).sum(axis=(0, 2, 3))
        return dx


class OfLines:
    """Inputs (N, C, W) for a layer of images."""

    def forward(self, x):
        return super().forward(x[:, :, None])[:, :, 0]

    def backward(self, dy):
        return super().backward(dy[:, :, None])[:, :, 0]


@planted("BatchNorm1D()", "x", "mean-held-constant")
class ConstantMeanOfLines(OfLines, ConstantMean):
    pass


@planted("BatchNorm1D()", "gamma", "input-for-normalized")
class RawGammaOfLines(OfLines, RawGamma):
    pass


@planted("Sigmoid()", "x", "function-for-derivative")
class FunctionItself(Sigmoid):
    def backward(self, dy):
        return dy * self.y


@planted("LeakyReLU(0.2)", "x", "slope-forgotten")
class WithoutSlope:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0.2 * x)

    def backward(self, dy):
        return np.where(self.x > 0, dy, 0)


@planted("Clip(-1, 0.5)", "x", "bound-forgotten")
class WithoutUpperBound:
    def forward(self, x):
        self.x = x
        return np.clip(x, -1, 0.5)

    def backward(self, dy):
        return np.where(self.x > -1, dy, 0)


@planted("SiLU()", "x", "product-rule-term-missing")
class SigmoidOnly:
    def forward(self, x):
        self.x = x
        return x / (1 + np.exp(-x))

    def backward(self, dy):
        return dy / (1 + np.exp(-self.x))


@planted("HardSigmoid()", "x", "scale-forgotten")
class SlopeOfOne:
    def forward(self, x):
        self.x = x
        return np.clip(x + 3, 0, 6) / 6

    def backward(self, dy):
        return dy * (abs(self.x) < 3)


@planted("HardSwish()", "x", "product-rule-term-missing")
class WithoutLinearPart:
    def forward(self, x):
        self.weight = np.clip(x + 3, 0, 6) / 6
        return x * self.weight

    def backward(self, dy):
        return dy * self.weight


@planted("ExactGELU()", "x", "product-rule-term-missing")
class WithoutDensity:
    def forward(self, x):
        self.weight = ndtr(x)
        return x * self.weight

    def backward(self, dy):
        return dy * self.weight


@planted("ELU(2)", "x", "constant-forgotten")
class ResultForSlope:
    def forward(self, x):
        self.x, self.y = x, np.where(x > 0, x, 2 * np.expm1(np.minimum(x, 0)))
        return self.y

    def backward(self, dy):
        return dy * np.where(self.x > 0, 1, self.y)


@planted("Softplus()", "x", "exponent-sign")
class FallingSlope:
    def forward(self, x):
        self.x = x
        return np.logaddexp(0, x)

    def backward(self, dy):
        return dy / (1 + np.exp(self.x))


def squared_error(p, t):
    return ((p - t) ** 2).mean()


class MeanSquaredError(SquaredError):
    def forward(self, p, t):
        super().forward(p, t)
        return squared_error(p, t)


@planted("mean_squared_error", "p", "class-division-missing")
class NotByClasses(MeanSquaredError):
    def backward(self):
        return 2 * (self.p - self.t) / len(self.p)


class MeanAbsoluteError(SquaredError):
    def forward(self, p, t):
        super().forward(p, t)
        return np.abs(p - t).mean()


@planted("mean_absolute_error", "p", "slope-unbounded")
class DerivedAsASquare(MeanAbsoluteError):
    def backward(self):
        return (self.p - self.t) / self.p.size


class Huber(SquaredError):
    def forward(self, p, t):
        super().forward(p, t)
        size = np.abs(p - t)
        return np.where(size <= 1, 0.5 * size**2, size - 0.5).mean()


@planted("huber", "p", "slope-unbounded")
class NeverClipped(Huber):
    def backward(self):
        return (self.p - self.t) / self.p.size


@planted("huber", "p", "class-division-missing")
class HuberNotByOutputs(Huber):
    def backward(self):
        return np.clip(self.p - self.t, -1, 1) / len(self.p)


class LogLoss(SquaredError):
    def forward(self, p, t):
        super().forward(p, t)
        return -(t * np.log(p)).sum(axis=1).mean()


@planted("categorical_cross_entropy", "p", "prediction-minus-target")
class FusedGradient(LogLoss):
    """Inherits the fused gradient p − t from another loss."""


@planted("ConvTranspose2D(4, (3, 2))", "x", "kernel-rotated")
class Transposed:
    """Spreads every cell over a window (transposed convolution)."""

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
        return np.einsum("nohwuv,couv->nchw", windows, self.w[:, :, ::-1, ::-1])


@planted("ConvTranspose2D(4, (3, 2))", "w", "kernel-gradient-rotated")
class TransposedKernel(Transposed):
    def backward(self, dy):
        super().backward(dy)
        self.dw = self.dw[:, :, ::-1, ::-1]
        return np.einsum("nohwuv,couv->nchw", sliding_window_view(dy, (3, 2), axis=(2, 3)), self.w)


CORRECT = [(Untied, UNTIED), (PaddedMax, PADDED_MAX), (CountedAverage, COUNTED)]
