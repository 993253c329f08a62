"""Exercise 7: leaky ReLU, with the slope 1/10 for negative inputs. Write both functions."""

import numpy as np


def forward(x):
    """Return x where it is positive and x/10 elsewhere, for x of any shape."""
    raise NotImplementedError("forward is yours to write")


def backward(dy, x):
    """Return dx, with the shape of x."""
    raise NotImplementedError("backward is yours to write")
