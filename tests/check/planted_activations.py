"""Activations and their classic mistakes."""

import numpy as np
from check.planting import PLANTED, correct, plant
from scipy.special import ndtr


@correct("Sigmoid()")
class Sigmoid:
    def forward(self, x):
        self.x, self.y = x, 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dy):
        y = self.y
        return dy * y * (1 - y)


plant(
    Sigmoid,
    [
        ("x", "derivative-at-wrong-argument", "y = self.y\n", "y = 1 / (1 + np.exp(-self.y))\n"),
        ("x", "input-for-output", "y = self.y\n", "y = self.x\n"),
        ("x", "upstream-forgotten", "dy * y", "y"),
        ("x", "function-for-derivative", "dy * y * (1 - y)", "dy * y"),
    ],
)


@correct("ReLU()")
class ReLU:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0)

    def backward(self, dy):
        return np.where(self.x > 0, dy, 0)


MASK = "np.where(self.x > 0, dy, 0)"
plant(
    ReLU,
    [
        ("x", "mask-from-wrong-tensor", MASK, "np.where(dy > 0, dy, 0)"),
        ("x", "mask-inverted", MASK, "dy * (self.x <= 0)"),
        ("x", "derivative-missing", MASK, "dy"),
        ("x", "axes-reordered", MASK, MASK + ".transpose(0, 2, 3, 1).reshape(dy.shape)"),
    ],
)


@correct("Tanh()")
class Tanh:
    """The derivative in terms of y."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2)


plant(Tanh, [("x", "square-missing", "self.y**2", "self.y")])


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


JACOBIAN = "np.diag(y) - np.outer(y, y)"
PRODUCTS = "np.stack([self.jacobian(y) @ d for y, d in zip(self.y, dy, strict=True)])"
plant(
    Softmax,
    [
        ("x", "softmax-off-diagonal-dropped", JACOBIAN, "np.diag(y * (1 - y))"),
        ("x", "sign", JACOBIAN, "np.outer(y, y) - np.diag(y)"),
        ("x", "softmax-diagonal-without-square", JACOBIAN, "np.diag(y)"),
        ("x", "softmax-summed-over-batch", PRODUCTS, "self.y * (dy - np.sum(dy * self.y))"),
        (
            *("y", "softmax-over-batch", "e / e.sum(axis=1, keepdims=True)", "np.exp(x) / np.exp(x).sum(axis=0)"),
            *(PRODUCTS, "self.y * (dy - (dy * self.y).sum(axis=0))"),
        ),
    ],
)


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


plant(
    PReLU,
    [
        ("x", "slope-forgotten", "self.slope[:, None, None] * dy", "0"),
        ("x", "derivative-missing", "self.slope[:, None, None] * dy", "dy"),
        ("slope", "mask-missing", "np.minimum(self.x, 0)", "self.x"),
        ("slope", "input-forgotten", "np.minimum(self.x, 0)", "(self.x <= 0)"),
        ("slope", "positions-not-summed", "axis=(0, 2, 3)", "axis=0"),
    ],
)


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


FUNCTIONS = [  # intended layer, name of the mistake, forward, backward with the mistake
    ("LeakyReLU(0.2)", "slope-forgotten", leaky, lambda x, dy: np.where(x > 0, dy, 0)),
    ("LeakyReLU(0.2)", "slope-without-dy", leaky, lambda x, dy: np.where(x > 0, dy, 0.2)),
    ("LeakyReLU(0.2)", "slope-wrong", leaky, lambda x, dy: np.where(x > 0, dy, -0.2 * dy)),
    ("Clip(-1, 0.5)", "bound-forgotten", lambda x: np.clip(x, -1, 0.5), lambda x, dy: np.where(x > -1, dy, 0)),
    ("SiLU()", "product-rule-term-missing", lambda x: x * sigmoid(x), lambda x, dy: dy * sigmoid(x)),
    ("HardSigmoid()", "scale-forgotten", hard_sigmoid, lambda x, dy: dy * (abs(x) < 3)),
    ("HardSwish()", "product-rule-term-missing", lambda x: x * hard_sigmoid(x), lambda x, dy: dy * hard_sigmoid(x)),
    ("ExactGELU()", "product-rule-term-missing", lambda x: x * ndtr(x), lambda x, dy: dy * ndtr(x)),
    ("ELU(2)", "constant-forgotten", elu, lambda x, dy: dy * np.where(x > 0, 1, elu(x))),
    ("Softplus()", "exponent-sign", lambda x: np.logaddexp(0, x), lambda x, dy: dy * sigmoid(-x)),
]
PLANTED += [(activation(forward, backward), layer, "x", name) for layer, name, forward, backward in FUNCTIONS]
