"""Exercise 9: three optimizers. Write all methods; lesson 9 has the equations.

All arrays have the shape of the parameters, which may be any. Return new arrays instead of changing the arguments.
"""

import numpy as np


class Momentum:
    """Gradient descent with momentum."""

    momentum = 0.9

    def init(self, parameters):
        """Return the moments before the first step: a tuple that contains the velocity v."""
        raise NotImplementedError("init is yours to write")

    def update(self, parameters, gradients, moments, *, step, learning_rate):
        """Return the new parameters and the new moments. Steps are numbered from 1."""
        raise NotImplementedError("update is yours to write")


class RMSProp:
    """A step size for each parameter."""

    alpha = 0.99
    epsilon = 1e-8

    def init(self, parameters):
        """Return a tuple that contains v, the mean square of the gradient."""
        raise NotImplementedError("init is yours to write")

    def update(self, parameters, gradients, moments, *, step, learning_rate):
        """Return the new parameters and the new moments."""
        raise NotImplementedError("update is yours to write")


class AdamW:
    """Adam, with weight decay that shrinks the parameters before the step."""

    beta1 = 0.9
    beta2 = 0.999
    epsilon = 1e-8
    weight_decay = 0.01

    def init(self, parameters):
        """Return a tuple that contains m, the mean of the gradient, and v, its mean square."""
        raise NotImplementedError("init is yours to write")

    def update(self, parameters, gradients, moments, *, step, learning_rate):
        """Return the new parameters and the new moments."""
        raise NotImplementedError("update is yours to write")
