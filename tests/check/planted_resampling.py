"""Resampling with one classic mistake each."""

import numpy as np
from check.planting import planted

NEAREST, AVERAGE = "UpSample2D(2)", "AdaptiveAveragePool2D((3, 2))"
BILINEAR = 'UpSample2D(2, mode="bilinear")'


class Nearest:
    """Correct."""

    def forward(self, x):
        return x.repeat(2, axis=2).repeat(2, axis=3)

    def backward(self, dy):
        N, C, H, W = dy.shape
        return dy.reshape(N, C, H // 2, 2, W // 2, 2).sum(axis=(3, 5))


@planted(NEAREST, "x", "copies-not-summed")
class OneCopy(Nearest):
    def backward(self, dy):
        return dy[:, :, ::2, ::2]


@planted(NEAREST, "x", "copies-averaged")
class MeanOfCopies(Nearest):
    def backward(self, dy):
        return super().backward(dy) / 4


class Weighted:
    """Rows and columns as matrix products."""

    def weights(self, size, axis):
        raise NotImplementedError

    def forward(self, x):
        self.rows, self.columns = self.weights(x.shape[2], 0), self.weights(x.shape[3], 1)
        return self.rows @ x @ self.columns.T

    def backward(self, dy):
        return self.rows.T @ dy @ self.columns


class Adaptive(Weighted):
    """Correct."""

    def weights(self, size, axis):
        many = (3, 2)[axis]
        found = np.zeros((many, size))
        for i in range(many):
            first, last = int(np.floor(i * size / many)), int(np.ceil((i + 1) * size / many))
            found[i, first:last] = 1 / (last - first)
        return found


@planted(AVERAGE, "x", "average-not-divided")
class NotDivided(Adaptive):
    def backward(self, dy):
        return (self.rows > 0).T @ dy @ (self.columns > 0)


class Bilinear(Weighted):
    """Correct."""

    def places(self, size):
        return (np.arange(2 * size) + 0.5) / 2 - 0.5

    def weights(self, size, axis):
        places = np.clip(self.places(size), 0, size - 1)
        return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(size)))


@planted(BILINEAR, "y", "corners-aligned")
class CornersAligned(Bilinear):
    def places(self, size):
        return np.arange(2 * size) * (size - 1) / (2 * size - 1)


CORRECT = [(Nearest, NEAREST), (Adaptive, AVERAGE), (Bilinear, BILINEAR)]
