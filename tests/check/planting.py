"""The list of planted mistakes, filled by the modules planted_*.py, and a layer that several of them share."""

import numpy as np

PLANTED = []  # (class, its intended layer, tensor that is wrong, name of the mistake)


def planted(against, tensor, name):
    """Register a class with the expected finding."""

    def register(source):
        PLANTED.append((source, against, tensor, name))
        return source

    return register


class ReLU:
    """Correct."""

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0)

    def backward(self, dy):
        return np.where(self.x > 0, dy, 0)
