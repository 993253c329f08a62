"""Functions for use in kernels: inlined and elementary functions.

The NumPy definitions in this file run only if compilation is disabled (CHAINRULE_UNCOMPILED=1). In compiled kernels,
`elementary_code` emits LLVM code for elementary functions.
"""

import os
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.operations import normal

Array = NDArray[Any]

DISABLED = os.environ.get("CHAINRULE_UNCOMPILED", "0") not in ("", "0")  # whether kernels run as plain Python


class Inlined:
    """A function that is inlined into kernels. A real call would cost 50 ns, as much as a short row."""

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self.py_func = function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.py_func(*arguments, **named)


def inlined(function: Callable[..., Any]) -> Any:
    """Decorate a function to be inlined into kernels that call it."""
    if DISABLED:
        return function
    return Inlined(function)


def literally(value: Any) -> Any:
    """Return the value. In a kernel, it must be a compile-time constant."""
    return value


# Elementary functions. The compiled code of some is valid only on part of the real line.


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
    """Return Mills' ratio Φ(−u)/φ(u) of the standard normal distribution for u ≥ 0."""
    return normal.mills_ratio(np.asarray(u))[()]
