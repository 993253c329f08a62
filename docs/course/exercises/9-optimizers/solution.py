"""Exercise 9, solved."""

import numpy as np


class Momentum:
    """Gradient descent with momentum."""

    momentum = 0.9

    def init(self, parameters):
        """Return a velocity of 0."""
        return (np.zeros_like(parameters),)

    def update(self, parameters, gradients, moments, *, step, learning_rate):
        """Return the new parameters and moments."""
        (v,) = moments
        v = self.momentum * v + gradients
        return parameters - learning_rate * v, (v,)


class RMSProp:
    """A step size for each parameter."""

    alpha = 0.99
    epsilon = 1e-8

    def init(self, parameters):
        """Return a mean square of 0."""
        return (np.zeros_like(parameters),)

    def update(self, parameters, gradients, moments, *, step, learning_rate):
        """Return the new parameters and moments."""
        (v,) = moments
        v = self.alpha * v + (1 - self.alpha) * gradients**2
        return parameters - learning_rate * gradients / (np.sqrt(v) + self.epsilon), (v,)


class AdamW:
    """Adam, with weight decay that shrinks the parameters before the step."""

    beta1 = 0.9
    beta2 = 0.999
    epsilon = 1e-8
    weight_decay = 0.01

    def init(self, parameters):
        """Return a mean and a mean square of 0."""
        return np.zeros_like(parameters), np.zeros_like(parameters)

    def update(self, parameters, gradients, moments, *, step, learning_rate):
        """Return the new parameters and moments."""
        m, v = moments
        m = self.beta1 * m + (1 - self.beta1) * gradients
        v = self.beta2 * v + (1 - self.beta2) * gradients**2
        mean, square = m / (1 - self.beta1**step), v / (1 - self.beta2**step)  # both started at 0
        shrunk = (1 - learning_rate * self.weight_decay) * parameters
        return shrunk - learning_rate * mean / (np.sqrt(square) + self.epsilon), (m, v)
