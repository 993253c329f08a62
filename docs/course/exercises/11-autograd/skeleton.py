"""Exercise 11: automatic differentiation. Write all methods except the constructor."""

import numpy as np


class Value:
    """An array that remembers the arrays that it was computed from, element by element.

    data      the numbers
    grad      the gradient of the loss with respect to them
    operands  pairs (value, slope): what it was computed from, and its slope in each of them
    """

    def __init__(self, data, operands=()):
        self.data = np.asarray(data)
        self.grad = 0.0
        self.operands = operands

    def __add__(self, other):
        """Return the sum of two values as a new value."""
        raise NotImplementedError("addition is yours to write")

    def __mul__(self, other):
        """Return the product of two values as a new value."""
        raise NotImplementedError("multiplication is yours to write")

    def sigmoid(self):
        """Return 1 / (1 + exp(-data)) as a new value."""
        raise NotImplementedError("sigmoid is yours to write")

    def backward(self):
        """Let the sum of this value be the loss: add the gradients of all values that it depends on to their grad."""
        raise NotImplementedError("backward is yours to write")
