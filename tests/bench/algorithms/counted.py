"""Numbers that count their multiplications."""

import numpy as np


class Counted:
    """A number whose products with another such number are counted."""

    products = 0

    def __init__(self, value):
        self.value = getattr(value, "value", value)

    def __add__(self, other):
        return Counted(self.value + Counted(other).value)

    def __sub__(self, other):
        return Counted(self.value - Counted(other).value)

    def __rsub__(self, other):
        return Counted(Counted(other).value - self.value)

    def __mul__(self, other):
        Counted.products += 1
        return Counted(self.value * Counted(other).value)

    __radd__, __rmul__ = __add__, __mul__

    def __float__(self):
        return float(self.value)


def counted(array):
    """Return an array of counted numbers."""
    return np.vectorize(Counted, otypes=[object])(array)
