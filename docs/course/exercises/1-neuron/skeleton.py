"""Exercise 1: the weighted sum of one neuron, for N samples. Write both functions; lesson 1 has the equations."""

import numpy as np


def forward(x, w, b):
    """Return the weighted sum plus bias y (N, 1), without sigmoid, for x (N, F), w (1, F) and b (1,)."""
    raise NotImplementedError("forward is yours to write")


def backward(dy, x, w, b):
    """Return dx (N, F), dw (1, F) and db (1,) for dy (N, 1), the gradient of the loss with respect to y.

    Every sample uses the same weights, so the gradient of a weight is a sum over the samples.
    """
    raise NotImplementedError("backward is yours to write")
