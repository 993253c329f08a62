"""Parametric ReLU with one classic mistake each."""

import numpy as np
from check.planting import planted


class PReLU:
    """Correct, with three channels."""

    def __init__(self):
        self.slope = np.full(3, 0.25)

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope[:, None, None] * x)

    def backward(self, dy):
        self.dslope = self.along(dy).sum(axis=(0, 2, 3))
        return np.where(self.x > 0, dy, self.below(dy))

    def along(self, dy):
        return dy * np.minimum(self.x, 0)

    def below(self, dy):
        return self.slope[:, None, None] * dy


@planted("PReLU()", "x", "slope-forgotten")
class NothingBelow(PReLU):
    def below(self, dy):
        return 0


@planted("PReLU()", "x", "derivative-missing")
class EverythingBelow(PReLU):
    def below(self, dy):
        return dy


@planted("PReLU()", "slope", "mask-missing")
class SumOverAll(PReLU):
    def along(self, dy):
        return dy * self.x


@planted("PReLU()", "slope", "input-forgotten")
class SumOfGradients(PReLU):
    def along(self, dy):
        return dy * (self.x <= 0)


@planted("PReLU()", "slope", "positions-not-summed")
class SlopeAtEachPosition(PReLU):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dslope = self.along(dy).sum(axis=0)
        return dx


CORRECT = [(PReLU, "PReLU()")]
