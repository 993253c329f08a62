"""Normalizations and their classic mistakes."""

import numpy as np


class BatchNorm:
    """With running statistics, which are not parameters."""

    axes, epsilon, channels = (0, 2, 3), 1e-5, 3

    def __init__(self):
        self.gamma, self.beta = np.ones(self.channels), np.zeros(self.channels)
        self.running_mean = np.zeros(self.channels)

    def rows(self, x):
        return x

    def forward(self, x):
        self.x, rows = x, self.rows(x)
        mean, var = rows.mean(axis=self.axes, keepdims=True), rows.var(axis=self.axes, keepdims=True)
        self.running_mean = 0.9 * self.running_mean + 0.1 * x.mean(axis=(0, 2, 3))
        self.deviation = np.sqrt(var + self.epsilon)
        self.normal = ((rows - mean) / self.deviation).reshape(x.shape)
        return self.result(self.normal, rows - mean, var)

    def result(self, normal, centered, var):
        return self.gamma[:, None, None] * normal + self.beta[:, None, None]

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.normal).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))
        g, normal = self.rows(dy * self.gamma[:, None, None]), self.rows(self.normal)
        mean, product = g.mean(axis=self.axes, keepdims=True), (g * normal).mean(axis=self.axes, keepdims=True)
        return ((g - (mean + normal * product)) / self.deviation).reshape(dy.shape)


class BatchNormOfLines(BatchNorm):
    """Inputs (N, C, W) as images of one row."""

    def forward(self, x):
        return super().forward(x[:, :, None])[:, :, 0]

    def backward(self, dy):
        return super().backward(dy[:, :, None])[:, :, 0]


class GroupNorm(BatchNorm):
    """Two groups of three channels."""

    axes, channels = 2, 6

    def rows(self, x):
        return x.reshape(len(x), 2, -1)


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
