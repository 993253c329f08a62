"""Group normalization with one classic mistake each."""

import numpy as np
from check.planting import planted


class GroupNorm:
    """Correct, with two groups of three channels."""

    axes, epsilon = 2, 1e-5

    def __init__(self):
        self.gamma, self.beta = np.ones(6), np.zeros(6)

    def rows(self, x):
        return x.reshape(len(x), 2, -1)

    def statistics(self, rows):
        return rows.mean(axis=2, keepdims=True), rows.var(axis=2, keepdims=True)

    def forward(self, x):
        mean, variance = self.statistics(self.rows(x))
        self.deviation = np.sqrt(variance + self.epsilon)
        self.normal = ((self.rows(x) - mean) / self.deviation).reshape(x.shape)
        return self.gamma[:, None, None] * self.normal + self.beta[:, None, None]

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.normal).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))
        return self.inner(dy * self.gamma[:, None, None])

    def inner(self, g):
        g, normal = self.rows(g), self.rows(self.normal)
        means = g.mean(axis=2, keepdims=True) + normal * (g * normal).mean(axis=2, keepdims=True)
        return ((g - means) / self.deviation).reshape(self.normal.shape)


NORM = "GroupNorm(2)"


@planted(NORM, "x", "statistics-held-constant")
class ConstantGroupStatistics(GroupNorm):
    def inner(self, g):
        return (self.rows(g) / self.deviation).reshape(g.shape)


@planted(NORM, "x", "gamma-outside-the-sums")
class GammaAtTheEnd(GroupNorm):
    def inner(self, g):
        gamma = self.gamma[:, None, None]
        return gamma * super().inner(g / gamma)


@planted(NORM, "x", "gamma-forgotten")
class NoGamma(GroupNorm):
    def inner(self, g):
        return super().inner(g / self.gamma[:, None, None])


@planted(NORM, "gamma", "input-for-normalized")
class ResultForNormal(GroupNorm):
    def forward(self, x):
        self.y = super().forward(x)
        return self.y

    def backward(self, dy):
        dx = super().backward(dy)
        self.dgamma = (dy * self.y).sum(axis=(0, 2, 3))
        return dx


@planted(NORM, "y", "statistics-over-batch")
class BatchStatistics(GroupNorm):
    def statistics(self, rows):
        return rows.mean(axis=(0, 2), keepdims=True), rows.var(axis=(0, 2), keepdims=True)

    def inner(self, g):
        g, normal = self.rows(g), self.rows(self.normal)
        axes = (0, 2)
        means = g.mean(axis=axes, keepdims=True) + normal * (g * normal).mean(axis=axes, keepdims=True)
        return ((g - means) / self.deviation).reshape(self.normal.shape)


@planted(NORM, "y", "epsilon-forgotten")
class NoEpsilon(GroupNorm):
    epsilon = 0


CORRECT = [(GroupNorm, NORM)]
