"""Activations and their classic mistakes."""

import numpy as np
from check.planting import correct
from scipy.special import ndtr


@correct("Sigmoid()")
class Sigmoid:
    def forward(self, x):
        self.x, self.y = x, 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dy):
        y = self.y
        return dy * y * (1 - y)


@correct("ReLU()")
class ReLU:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0)

    def backward(self, dy):
        return np.where(self.x > 0, dy, 0)


@correct("Tanh()")
class Tanh:
    """The derivative in terms of y."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2)


@correct("Softmax()")
class Softmax:
    """The Jacobian of every sample as a matrix."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dy):
        return np.stack([self.jacobian(y) @ d for y, d in zip(self.y, dy, strict=True)])

    def jacobian(self, y):
        return np.diag(y) - np.outer(y, y)


@correct("PReLU()")
class PReLU:
    """Three channels."""

    def __init__(self):
        self.slope = np.full(3, 0.25)

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope[:, None, None] * x)

    def backward(self, dy):
        self.dslope = (dy * np.minimum(self.x, 0)).sum(axis=(0, 2, 3))
        return np.where(self.x > 0, dy, self.slope[:, None, None] * dy)


def activation(forward, backward):
    """Return a class with these functions of x and of (x, dy)."""

    class Activation:
        def forward(self, x):
            self.x = x
            return forward(x)

        def backward(self, dy):
            return backward(self.x, dy)

    return Activation


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def hard_sigmoid(x):
    return np.clip(x + 3, 0, 6) / 6


def elu(x):
    return np.where(x > 0, x, 2 * np.expm1(np.minimum(x, 0)))


def gelu(x):
    """Return GELU and its derivative without the factor 3 of the cube."""
    tanh = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    inner = np.sqrt(2 / np.pi) * (1 + 0.044715 * x**2)
    return 0.5 * x * (1 + tanh), 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh**2) * inner


FUNCTIONS = [  # intended layer, name of the mistake, forward, backward with the mistake
    ("LeakyReLU(0.2)", "slope-forgotten", leaky, lambda x, dy: np.where(x > 0, dy, 0)),
    ("LeakyReLU(0.2)", "slope-without-dy", leaky, lambda x, dy: np.where(x > 0, dy, 0.2)),
    ("LeakyReLU(0.2)", "slope-wrong", leaky, lambda x, dy: np.where(x > 0, dy, -0.2 * dy)),
    ("Clip(-1, 0.5)", "bound-forgotten", lambda x: np.clip(x, -1, 0.5), lambda x, dy: np.where(x > -1, dy, 0)),
    ("SiLU()", "product-rule-term-missing", lambda x: x * sigmoid(x), lambda x, dy: dy * sigmoid(x)),
    ("HardSigmoid()", "scale-forgotten", hard_sigmoid, lambda x, dy: dy * (abs(x) < 3)),
    ("HardSwish()", "product-rule-term-missing", lambda x: x * hard_sigmoid(x), lambda x, dy: dy * hard_sigmoid(x)),
    ("ExactGELU()", "product-rule-term-missing", lambda x: x * ndtr(x), lambda x, dy: dy * ndtr(x)),
    ("GELU()", "inner-slope-wrong", lambda x: gelu(x)[0], lambda x, dy: dy * gelu(x)[1]),
    ("ELU(2)", "constant-forgotten", elu, lambda x, dy: dy * np.where(x > 0, 1, elu(x))),
    ("Softplus()", "exponent-sign", lambda x: np.logaddexp(0, x), lambda x, dy: dy * sigmoid(-x)),
]
WRONG_FUNCTIONS = [(activation(forward, backward), layer, "x", name) for layer, name, forward, backward in FUNCTIONS]
