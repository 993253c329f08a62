"""Pooling, dense layers and activations with one classic mistake each."""

import numpy as np
from check.planting import ReLU, planted

# ---------------------------------------------------------------------- pooling


class MaxPool:
    """Overlapping windows, loops; correct."""

    window, stride = (3, 2), (2, 1)

    def windows(self, x):
        (KH, KW), (s, t) = self.window, self.stride
        for i in range((x.shape[2] - KH) // s + 1):
            for j in range((x.shape[3] - KW) // t + 1):
                yield i, j, (..., slice(i * s, i * s + KH), slice(j * t, j * t + KW))

    def forward(self, x):
        self.x = x
        found = {(i, j): x[at].max(axis=(2, 3)) for i, j, at in self.windows(x)}
        rows, columns = np.array(list(found)).max(axis=0) + 1
        return np.stack(list(found.values()), axis=2).reshape(*x.shape[:2], rows, columns)

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i, j, at in self.windows(self.x):
            cells = self.x[at].reshape(*self.x.shape[:2], -1)
            won = np.arange(cells.shape[2]) == cells.argmax(axis=2)[..., None]
            self.put(dx, at, (won * dy[:, :, i, j, None]).reshape(dx[at].shape))
        return dx

    def put(self, dx, at, given):
        dx[at] += given


MAX = "MaxPool2D((3, 2), stride=(2, 1))"


@planted(MAX, "x", "ties-all-credited")
class AllTies(MaxPool):
    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i, j, at in self.windows(self.x):
            cells = self.x[at]
            dx[at] += (cells == cells.max(axis=(2, 3), keepdims=True)) * dy[:, :, i, j, None, None]
        return dx


@planted("MaxPool2D(2)", "x", "winner-misplaced")
class RowForColumn(MaxPool):
    window, stride = (2, 2), (2, 2)

    def put(self, dx, at, given):
        dx[at] += given.swapaxes(2, 3)


@planted(MAX, "x", "winner-misplaced")
class ToTheFirst(MaxPool):
    def put(self, dx, at, given):
        dx[at][:, :, 0, 0] += given.sum(axis=(2, 3))


@planted(MAX, "x", "overwritten-in-windows")
class MaxAssigned(MaxPool):
    def put(self, dx, at, given):
        dx[at] = given


@planted(MAX, "x", "overwritten-in-windows")
class WinnerAssigned(MaxPool):
    def put(self, dx, at, given):
        dx[at] = np.where(given != 0, given, dx[at])


@planted(MAX, "x", "compared-with-spread-maximum")
class ComparedWithSpread(MaxPool):
    def forward(self, x):
        self.y = super().forward(x)
        return self.y

    def backward(self, dy):
        maxima, upper = np.zeros_like(self.x), np.zeros_like(self.x)
        for i, j, at in self.windows(self.x):
            maxima[at], upper[at] = self.y[:, :, i, j, None, None], dy[:, :, i, j, None, None]
        return (self.x == maxima) * upper


@planted(MAX, "x", "maximum-as-average")
class MaxShared(MaxPool):
    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i, j, at in self.windows(self.x):
            dx[at] += dy[:, :, i, j, None, None] / 6
        return dx


@planted(MAX, "x", "upstream-forgotten")
class OnlyMask(MaxPool):
    def backward(self, dy):
        return super().backward(np.ones_like(dy))


class AveragePool(MaxPool):
    """Correct."""

    def forward(self, x):
        self.x = x
        found = {(i, j): x[at].mean(axis=(2, 3)) for i, j, at in self.windows(x)}
        rows, columns = np.array(list(found)).max(axis=0) + 1
        return np.stack(list(found.values()), axis=2).reshape(*x.shape[:2], rows, columns)

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i, j, at in self.windows(self.x):
            self.put(dx, at, dy[:, :, i, j, None, None] / 6)
        return dx


AVERAGE = "AveragePool2D((3, 2), stride=(2, 1))"


@planted(AVERAGE, "x", "average-not-divided")
class NotDivided(AveragePool):
    def backward(self, dy):
        return super().backward(dy) * 6


@planted(AVERAGE, "x", "overwritten-in-windows")
class AverageAssigned(AveragePool):
    def put(self, dx, at, given):
        dx[at] = given


@planted("AveragePool2D(3, stride=(2, 1))", "x", "average-divided-by-side")
class DividedBySide(AveragePool):
    window = (3, 3)

    def put(self, dx, at, given):
        dx[at] += given * 6 / 3


class PaddedAverage:
    """2×2 windows on an image with one row of zeros above; the zeros are not counted. Correct."""

    def forward(self, x):
        self.shape, self.cells = x.shape, self.count(x)
        return self.blocks(np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))).sum(axis=(3, 5)) / self.cells

    def blocks(self, x):
        N, C, H, W = x.shape
        return x[:, :, : H // 2 * 2, : W // 2 * 2].reshape(N, C, H // 2, 2, W // 2, 2)

    def count(self, x):
        return self.blocks(np.pad(np.ones_like(x), ((0, 0), (0, 0), (1, 0), (0, 0)))).sum(axis=(3, 5))

    def backward(self, dy):
        return self.spread(dy / self.cells)

    def spread(self, share):
        N, C, H, W = self.shape
        dx = np.zeros((N, C, H + 1, W))
        wide = share.repeat(2, axis=2).repeat(2, axis=3)
        dx[:, :, : wide.shape[2], : wide.shape[3]] = wide
        return dx[:, :, 1:]


PADDED = "AveragePool2D(2, padding=((1, 0), (0, 0)))"


@planted(PADDED, "x", "padding-counted")
class Counted(PaddedAverage):
    def backward(self, dy):
        return self.spread(dy / 4)


@planted(PADDED, "x", "average-divided-twice")
class Twice(PaddedAverage):
    def backward(self, dy):
        return self.spread(dy / self.cells**2)


# ---------------------------------------------------------------------- dense


class Dense:
    """Correct; gradients in a dictionary."""

    def __init__(self):
        self.w, self.b = np.ones((4, 7)), np.ones(4)

    def forward(self, x):
        self.x = x
        return x @ self.w.T + self.b

    def backward(self, dy):
        return {"dx": dy @ self.w, "dw": dy.T @ self.x, "db": dy.sum(axis=0)}


@planted("Dense(4)", "w", "axes-transposed")
class DenseTransposed(Dense):
    def backward(self, dy):
        return super().backward(dy) | {"dw": self.x.T @ dy}


@planted("Dense(4)", "x", "axes-transposed")
class DenseReshaped(Dense):
    def backward(self, dy):
        return super().backward(dy) | {"dx": dy @ self.w.T.reshape(4, 7)}


@planted("Dense(4)", "b", "bias-not-summed-over-batch")
class DenseBias(Dense):
    def backward(self, dy):
        return super().backward(dy) | {"db": dy}


@planted("Dense(4)", "w", "batch-division-doubled")
class DenseMean(Dense):
    def backward(self, dy):
        return super().backward(dy) | {"dw": np.mean([np.outer(d, x) for d, x in zip(dy, self.x, strict=True)], axis=0)}


@planted("Dense(4)", "w", "gradient-zero")
class DenseForgotten(Dense):
    def backward(self, dy):
        return super().backward(dy) | {"dw": np.zeros_like(self.w)}


@planted("Dense(4)", "x", "gradient-doubled")
class DenseTwice(Dense):
    def backward(self, dy):
        return super().backward(dy) | {"dx": 2 * dy @ self.w}


@planted("Dense(4)", "w", "input-forgotten")
class DenseWithoutInput(Dense):
    def backward(self, dy):
        return super().backward(dy) | {"dw": np.tile(dy.sum(axis=0)[:, None], 7)}


@planted("Dense(4)", "w", "batch-not-summed+sign")
class DenseTwoMistakes(Dense):
    def backward(self, dy):
        return super().backward(dy) | {"dw": -np.outer(dy[-1], self.x[-1])}


# ---------------------------------------------------------------------- activations


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Sigmoid:
    """Correct."""

    def forward(self, x):
        self.x, self.y = x, sigmoid(x)
        return self.y

    def backward(self, dy):
        return dy * self.y * (1 - self.y)


@planted("Sigmoid()", "x", "derivative-at-wrong-argument")
class SigmoidOfSigmoid(Sigmoid):
    def backward(self, dy):
        return dy * sigmoid(self.y) * (1 - sigmoid(self.y))


@planted("Sigmoid()", "x", "input-for-output")
class SigmoidOfInput(Sigmoid):
    def backward(self, dy):
        return dy * self.x * (1 - self.x)


@planted("Sigmoid()", "x", "upstream-forgotten")
class SigmoidAlone(Sigmoid):
    def backward(self, dy):
        return self.y * (1 - self.y)


@planted("ReLU()", "x", "mask-from-wrong-tensor")
class MaskOfGradient(ReLU):
    def backward(self, dy):
        return np.where(dy > 0, dy, 0)


@planted("ReLU()", "x", "mask-inverted")
class MaskInverted(ReLU):
    def backward(self, dy):
        return dy * (self.x <= 0)


@planted("ReLU()", "x", "derivative-missing")
class Passed(ReLU):
    def backward(self, dy):
        return dy


@planted("ReLU()", "x", "axes-reordered")
class PixelsForChannels(ReLU):
    def backward(self, dy):
        return super().backward(dy).transpose(0, 2, 3, 1).reshape(dy.shape)


@planted("LeakyReLU(0.2)", "x", "slope-without-dy")
class BareSlope:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0.2 * x)

    def backward(self, dy):
        dx = np.array(dy)
        dx[self.x <= 0] = 0.2
        return dx


@planted("LeakyReLU(0.2)", "x", "slope-wrong")
class SlopeSubtracted(BareSlope):
    def backward(self, dy):
        return np.where(self.x > 0, dy, -0.2 * dy)


class Softmax:
    """Correct; the Jacobian of every sample as a matrix."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dy):
        return np.stack([self.jacobian(y) @ d for y, d in zip(self.y, dy, strict=True)])

    def jacobian(self, y):
        return np.diag(y) - np.outer(y, y)


@planted("Softmax()", "x", "softmax-off-diagonal-dropped")
class Diagonal(Softmax):
    def jacobian(self, y):
        return np.diag(np.diag(super().jacobian(y)))


@planted("Softmax()", "x", "sign")
class JacobianOfTheOtherSign(Softmax):
    def jacobian(self, y):
        return np.outer(y, y) - np.diag(y)


CORRECT = [
    *((MaxPool, MAX), (AveragePool, AVERAGE), (PaddedAverage, PADDED), (Dense, "Dense(4)"), (Sigmoid, "Sigmoid()")),
    *((ReLU, "ReLU()"), (Softmax, "Softmax()")),
]
