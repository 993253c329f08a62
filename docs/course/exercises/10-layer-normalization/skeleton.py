"""Exercise 10, part 1: layer normalization along the last axis. Write both functions; lesson 10 has the equations."""

import numpy as np

EPSILON = 1e-5


def forward(x, gamma, beta):
    """Return y with the shape of x (N, …, F): each row normalized to mean 0 and variance 1, times gamma, plus beta."""
    raise NotImplementedError("forward is yours to write")


def backward(dy, x, gamma, beta):
    """Return dx with the shape of x, dgamma (F,) and dbeta (F,)."""
    raise NotImplementedError("backward is yours to write")
