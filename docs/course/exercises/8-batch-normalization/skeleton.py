"""Exercise 8: batch normalization of images, in training. Fill in both functions; lesson 8 has the three paths."""

import numpy as np

EPSILON = 1e-5


def forward(x, gamma, beta):
    """Return y (N, C, H, W): every channel with mean 0 and variance 1 over the batch, times gamma, plus beta."""
    raise NotImplementedError("forward is yours to write")


def backward(dy, x, gamma, beta):
    """Return dx (N, C, H, W), dgamma (C,) and dbeta (C,)."""
    raise NotImplementedError("backward is yours to write")
