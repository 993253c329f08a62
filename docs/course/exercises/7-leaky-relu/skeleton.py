"""Exercise 7: leaky ReLU, which leaves a tenth of what ReLU stops. Fill in both functions."""

import numpy as np


def forward(x):
    """Return x where it is positive and x/10 elsewhere, for x of any shape."""
    raise NotImplementedError("forward is yours to write")


def backward(dy, x):
    """Return dx, of the shape of x."""
    raise NotImplementedError("backward is yours to write")
