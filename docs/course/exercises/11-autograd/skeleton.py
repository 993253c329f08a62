"""Exercise 11: automatic differentiation. Write all methods except the constructor."""


class Value:
    """A number that remembers the numbers that it was computed from.

    data      the number
    grad      the gradient of the loss with respect to it
    operands  pairs (value, slope): the numbers that it was computed from, and its slope in each of them
    """

    def __init__(self, data, operands=()):
        self.data = float(data)
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
        """Let this value be the loss: add the gradients of all values that it depends on to their grad."""
        raise NotImplementedError("backward is yours to write")
