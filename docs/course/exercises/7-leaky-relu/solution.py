"""Exercise 7, solved."""

import numpy as np


def forward(x):
    """Return x where it is positive and x/10 elsewhere."""
    return np.where(x > 0, x, 0.1 * x)


def backward(dy, x):
    """Return dx."""
    return np.where(x > 0, dy, 0.1 * dy)
