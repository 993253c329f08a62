"""The standard normal distribution."""

from math import erfc, pi, sqrt
from typing import Any

import numpy as np


def normal_distribution(x: Any) -> Any:
    """Return Φ(x); of complex numbers by the series Φ(x) = ½ + φ(x) (x + x³/3 + x⁵/(3·5) + …)."""
    if np.isrealobj(x):
        return 0.5 * erfc(-x / sqrt(2))
    if abs(x.real) > 12:
        return complex(x.real > 0)
    total, term, k = x, x, 1
    while abs(term) > 1e-17 * abs(total):
        k += 2
        term = term * x * x / k
        total = total + term
    return 0.5 + np.exp(-x * x / 2) / sqrt(2 * pi) * total
