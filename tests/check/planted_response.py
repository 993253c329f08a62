"""Local response normalization with one classic mistake each."""

import numpy as np
from check.planting import planted


class ResponseNorm:
    """Correct, for α = ½ and windows of three of three channels."""

    def sums(self, values):
        padded = np.pad(values, ((0, 0), (1, 1), (0, 0), (0, 0)))
        return padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]

    def forward(self, x):
        self.x, self.s = x, 1 + 0.5 / 3 * self.sums(x**2)
        return x * self.s**-0.75

    def backward(self, dy):
        return dy * self.s**-0.75 - 0.25 * self.x * self.gathered(dy * self.x * self.s**-1.75)

    def gathered(self, products):
        return self.sums(products)


NORM = "LocalResponseNorm(3, 0.5)"


@planted(NORM, "x", "scale-held-constant")
class ConstantScale(ResponseNorm):
    def gathered(self, products):
        return 0


@planted(NORM, "x", "neighbours-forgotten")
class OwnChannel(ResponseNorm):
    def gathered(self, products):
        return products


CORRECT = [(ResponseNorm, NORM)]
