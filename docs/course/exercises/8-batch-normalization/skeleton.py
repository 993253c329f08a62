"""Exercise 8: batch normalization of images, in training mode. Write both functions; lesson 8 derives the gradient."""

import numpy as np

EPSILON = 1e-5


def forward(x, gamma, beta):
    """Return y (N, C, H, W): each channel normalized to mean 0 and variance 1, times gamma, plus beta."""
    raise NotImplementedError("forward is yours to write")


def backward(dy, x, gamma, beta):
    """Return dx (N, C, H, W), dgamma (C,) and dbeta (C,)."""
    raise NotImplementedError("backward is yours to write")
