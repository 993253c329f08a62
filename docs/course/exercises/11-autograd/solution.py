"""Exercise 11, solved: automatic differentiation."""

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
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        """Return the product of two values as a new value."""
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def sigmoid(self):
        """Return 1 / (1 + exp(-data)) as a new value."""
        y = 1 / (1 + np.exp(-self.data))
        return Value(y, ((self, y * (1 - y)),))

    def backward(self):
        """Visit each value after all values that were computed from it, and pass its gradient to its operands."""
        self.grad += 1
        for value in reversed(self.in_order(set())):
            for operand, slope in value.operands:
                operand.grad += value.grad * slope

    def in_order(self, seen):
        """Return the values that this one depends on, each after its operands, without those in seen."""
        seen.add(self)
        values = []
        for operand, _ in self.operands:
            if operand not in seen:
                values += operand.in_order(seen)
        return [*values, self]
