"""Normalizations and their classic mistakes."""

import numpy as np
from check.planting import CORRECT, PLANTED, correct, mistaken, plant

BATCH, LINES, GROUPS, RESPONSE = "BatchNorm2D()", "BatchNorm1D()", "GroupNorm(2)", "LocalResponseNorm(3, alpha=0.5)"


@correct(BATCH)
class BatchNorm:
    """With running statistics, which are not parameters."""

    axes = (0, 2, 3)

    def __init__(self):
        self.gamma, self.beta = np.ones(3), np.zeros(3)
        self.running_mean = np.zeros(3)

    def forward(self, x):
        mean, var = x.mean(axis=self.axes, keepdims=True), x.var(axis=self.axes, keepdims=True)
        self.running_mean = 0.9 * self.running_mean + 0.1 * mean.reshape(-1)
        self.x, self.deviation = x, np.sqrt(var + 1e-5)
        self.normal = (x - mean) / self.deviation
        return self.result(self.normal, x - mean, var)

    def result(self, normal, centered, var):
        return self.gamma[:, None, None] * normal + self.beta[:, None, None]

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.normal).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))
        g = dy * self.gamma[:, None, None]
        mean, product = g.mean(axis=self.axes, keepdims=True), (g * self.normal).mean(axis=self.axes, keepdims=True)
        return (g - (mean + self.normal * product)) / self.deviation


MEANS, NORMAL = "(mean + self.normal * product)", "* normal +"
UNBIASED = "self.x.var(axis=self.axes, keepdims=True, ddof=1)"
RUNNING = "centered / np.sqrt(0.9 + 0.1 * var + 1e-5)"
OF_THE_BATCH = "(self.x - self.x.mean(axis=0)) / np.sqrt(self.x.var(axis=0) + 1e-5)"
GAMMA = "self.dgamma, self.dbeta = (dy * self.normal)"
plant(
    BatchNorm,
    [
        ("x", "statistics-held-constant", MEANS, "0"),
        ("x", "variance-held-constant", MEANS, "mean"),
        ("x", "mean-held-constant", MEANS, "self.normal * product"),
        ("x", "count-of-other-axes", MEANS, MEANS + " * (g[:, 0].size / len(g))"),
        ("x", "gamma-forgotten", "g = dy * self.gamma[:, None, None]", "g = dy"),
        ("gamma", "gradients-exchanged", GAMMA, "self.dgamma, self.dbeta = dy"),
        ("gamma", "input-for-normalized", GAMMA, "self.dgamma, self.dbeta = (dy * self.x)"),
        ("y", "variance-unbiased", NORMAL, f"* centered / np.sqrt({UNBIASED} + 1e-5) +"),
        ("y", "running-statistics-in-training", NORMAL, f"* {RUNNING} +"),
        ("x", "variance-unbiased", "product)) / self.deviation", f"product)) / np.sqrt({UNBIASED} + 1e-5)"),
        ("y", "root-forgotten", NORMAL, "* centered / (var + 1e-5) +"),
        ("y", "epsilon-outside-root", NORMAL, "* centered / (np.sqrt(var) + 1e-5) +"),
        ("y", "epsilon-forgotten", NORMAL, "* centered / np.sqrt(var) +"),
        ("y", "statistics-of-other-axes", NORMAL, f"* {OF_THE_BATCH} +"),
    ],
)


class OfLines:
    """Inputs (N, C, W) as images of one row."""

    def forward(self, x):
        return super().forward(x[:, :, None])[:, :, 0]

    def backward(self, dy):
        return super().backward(dy[:, :, None])[:, :, 0]


CORRECT.append((type("BatchNormOfLines", (OfLines, BatchNorm), {}), LINES))
for tensor, name in (("x", "mean-held-constant"), ("gamma", "input-for-normalized")):
    PLANTED.append((type("BatchNormOfLines", (OfLines, mistaken(BatchNorm, name)), {}), LINES, tensor, name))


@correct(GROUPS)
class GroupNorm:
    """Two groups of three channels."""

    axes, epsilon = 2, 1e-5

    def __init__(self):
        self.gamma, self.beta = np.ones(6), np.zeros(6)

    def rows(self, x):
        return x.reshape(len(x), 2, -1)

    def forward(self, x):
        rows = self.rows(x)
        mean, variance = rows.mean(axis=self.axes, keepdims=True), rows.var(axis=self.axes, keepdims=True)
        self.deviation = np.sqrt(variance + self.epsilon)
        self.normal = ((rows - mean) / self.deviation).reshape(x.shape)
        self.y = self.gamma[:, None, None] * self.normal + self.beta[:, None, None]
        return self.y

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.normal).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))
        g, normal = self.rows(dy * self.gamma[:, None, None]), self.rows(self.normal)
        mean, product = g.mean(axis=self.axes, keepdims=True), (g * normal).mean(axis=self.axes, keepdims=True)
        return ((g - (mean + normal * product)) / self.deviation).reshape(dy.shape)


ROWS_OF_G = "self.rows(dy * self.gamma[:, None, None])"
plant(
    GroupNorm,
    [
        ("x", "statistics-held-constant", "(mean + normal * product)", "0"),
        (
            *("x", "gamma-outside-the-sums", ROWS_OF_G, "self.rows(dy)"),
            *("return ((g", "return self.gamma[:, None, None] * ((g"),
        ),
        ("x", "gamma-forgotten", ROWS_OF_G, "self.rows(dy)"),
        ("gamma", "input-for-normalized", "(dy * self.normal)", "(dy * self.y)"),
        ("y", "statistics-over-batch", "axes, epsilon = 2", "axes, epsilon = (0, 2)"),
        ("y", "epsilon-forgotten", "epsilon = 2, 1e-5", "epsilon = 2, 0"),
    ],
)


@correct(RESPONSE)
class ResponseNorm:
    """α = ½ and windows of three of three channels."""

    def sums(self, values):
        padded = np.pad(values, ((0, 0), (1, 1), (0, 0), (0, 0)))
        return padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]

    def forward(self, x):
        self.x, self.s = x, 1 + 0.5 / 3 * self.sums(x**2)
        return x * self.s**-0.75

    def backward(self, dy):
        products = dy * self.x * self.s**-1.75
        return dy * self.s**-0.75 - 0.25 * self.x * self.sums(products)


plant(
    ResponseNorm,
    [
        ("x", "scale-held-constant", "self.sums(products)", "0"),
        ("x", "neighbours-forgotten", "self.sums(products)", "products"),
    ],
)
