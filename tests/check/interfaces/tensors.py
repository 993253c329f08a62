"""An engine of automatic differentiation on arrays, with broadcasting."""

import numpy as np


def reduced(grad, shape):
    while grad.ndim > len(shape):
        grad = grad.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            grad = grad.sum(axis=axis, keepdims=True)
    return grad


class Tensor:
    def __init__(self, data, requires_grad=False, parents=()):
        self.data = np.asarray(data, dtype=np.float64)
        self.requires_grad = requires_grad
        self.grad = None
        self.parents = parents

    def __add__(self, other):
        other = other if isinstance(other, Tensor) else Tensor(other)
        steps = ((self, lambda g: reduced(g, self.data.shape)), (other, lambda g: reduced(g, other.data.shape)))
        return Tensor(self.data + other.data, True, steps)

    def __mul__(self, other):
        other = other if isinstance(other, Tensor) else Tensor(other)
        steps = (
            (self, lambda g: reduced(g * other.data, self.data.shape)),
            (other, lambda g: reduced(g * self.data, other.data.shape)),
        )
        return Tensor(self.data * other.data, True, steps)

    def __matmul__(self, other):
        steps = ((self, lambda g: g @ other.data.T), (other, lambda g: self.data.T @ g))
        return Tensor(self.data @ other.data, True, steps)

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + (-other)

    def sum(self):
        return Tensor(self.data.sum(), True, ((self, lambda g: g * np.ones_like(self.data)),))

    def exp(self):
        y = np.exp(self.data)
        return Tensor(y, True, ((self, lambda g: g * y),))

    def backward(self, gradient=None):
        gradient = np.ones_like(self.data) if gradient is None else gradient
        self.grad = gradient if self.grad is None else self.grad + gradient
        for parent, step in self.parents:
            parent.backward(step(gradient))
