"""Elementary functions as NumPy computes them; `elementary_code` emits the code by which kernels do.

eˣ and eˣ − 1 are those of x ≤ 0, log(1 + x) is that of 0 ≤ x ≤ 1.
"""

from typing import Any

import numpy as np

from chainrule.operations import normal


def exponential(x: Any) -> Any:
    """Return eˣ for x ≤ 0."""
    return np.exp(x)


def expm1(x: Any) -> Any:
    """Return eˣ − 1 for x ≤ 0, to full relative accuracy."""
    return np.expm1(x)


def log1p(x: Any) -> Any:
    """Return log(1 + x) for 0 ≤ x ≤ 1, to full relative accuracy."""
    return np.log1p(x)


def tanh(x: Any) -> Any:
    """Return tanh x."""
    return np.tanh(x)


def arctan(x: Any) -> Any:
    """Return arctan x."""
    return np.arctan(x)


def mills_ratio(u: Any) -> Any:
    """Return Φ(−u)/φ(u) for u ≥ 0, of the standard normal distribution."""
    return normal.mills_ratio(np.asarray(u))[()]
