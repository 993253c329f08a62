"""The functions and operators of formulas, and what they are called in every language that formulas are written in.

Everything that reads formulas reads this table: the parser, the engines' generated code, C, the page and explanations.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from chainrule.operations.normal import normal_distribution

Tree = Any  # syntax tree of a formula, see `parser`


def is_never_positive(tree: Tree, formulas: Mapping[str, Any]) -> bool:
    """Return whether the form of an expression shows that it is at most 0: −|x|, −|x| / 2, or z − max z.

    formulas   the formulas of the names in it
    """
    match tree:
        case str(name) if name in formulas:
            (*others, case) = formulas[name]["cases"]
            return not others and is_never_positive(case["value"]["tree"], formulas)
        case ["−", 0, ["abs", _]]:
            return True
        case ["/", dividend, int() | float() as divisor]:
            return divisor > 0 and is_never_positive(dividend, formulas)
        case ["−", str(name), str(maximum)] if maximum in formulas:
            return _is_maximum(formulas[maximum]["cases"][0]["value"]["tree"], name)
        case _:
            return False


def _is_maximum(tree: Tree, name: str) -> bool:
    """Return whether an expression is the maximum of the elements of a tensor."""
    match tree:
        case {"reduce": "max", "value": {"tree": {"name": of}}}:
            return of == name
        case _:
            return False


def is_small_power(tree: Tree, formulas: Mapping[str, Any]) -> bool:
    """Return whether the form of an expression shows that it is from 0 to 1: e^{…} of a number that is at most 0."""
    match tree:
        case ["^", math.e, power]:
            return is_never_positive(power, formulas)
        case _:
            return False


@dataclass(frozen=True)
class Function:
    """A function of one number.

    value       the function of NumPy numbers, for explanations
    arrays      its name in the code of NumPy and JAX; {} is the library
    vector, c   its call in C for a vector (kernels/elementary.h), and for a float in exported C; {} is the argument
    javascript  its name on the page
    costly      whether it takes much longer than a product
    domain      where a faster form is right: returns whether the form of an argument shows that it is there
    fast_vector, fast_c   the faster form, if there is one
    """

    value: Callable[[Any], Any]
    arrays: str
    vector: str
    c: str
    javascript: str
    costly: bool = True
    domain: Callable[[Tree, Mapping[str, Any]], bool] | None = None
    fast_vector: str = ""
    fast_c: str = ""


FUNCTIONS: Mapping[str, Function] = {
    "√": Function(np.sqrt, "{}.sqrt", "square_root({})", "sqrtf({})", "Math.sqrt"),
    "exp": Function(
        *(np.exp, "{}.exp", "exponential_of_any({})", "expf({})", "Math.exp"),
        domain=is_never_positive,
        fast_vector="exponential({})",
        fast_c="exponential({})",
    ),
    "expm1": Function(
        *(np.expm1, "{}.expm1", "expm1_of_any({})", "expm1f({})", "Math.expm1"),
        domain=is_never_positive,
        fast_vector="exponential_minus_one({})",
        fast_c="exponential_minus_one({})",
    ),
    "log": Function(np.log, "{}.log", "logarithm({})", "logf({})", "Math.log"),
    "log1p": Function(
        *(np.log1p, "{}.log1p", "log1p_of_any({})", "log1pf({})", "Math.log1p"),
        domain=is_small_power,
        fast_vector="log_one_plus({})",
        fast_c="log_one_plus({})",
    ),
    "tanh": Function(np.tanh, "{}.tanh", "hyperbolic_tangent({})", "hyperbolic_tangent({})", "Math.tanh"),
    "arctan": Function(np.arctan, "{}.arctan", "arctangent({})", "atanf({})", "Math.atan"),
    "abs": Function(np.abs, "{}.abs", "magnitude({})", "fabsf({})", "Math.abs", costly=False),
    "floor": Function(np.floor, "{}.floor", "rounded_down({})", "floorf({})", "Math.floor", costly=False),
    "round": Function(np.rint, "{}.rint", "rounded({})", "rintf({})", "roundToEven", costly=False),
    "σ": Function(lambda x: 1 / (1 + np.exp(-x)), "logistic", "logistic({})", "logistic({})", "logistic"),
    "Φ": Function(
        lambda x: np.vectorize(normal_distribution, otypes=[float])(x)[()],
        *("normal_distribution", "normal_distribution({})", "normal_distribution({})", "normalDistribution"),
    ),
    "φ": Function(
        lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
        *("normal_density", "normal_density({})", "normal_density({})", "normalDensity"),
    ),
}


def _power(base: Any, power: Any) -> Any:
    """Return a power, computed with exp if the base is e."""
    if isinstance(base, float) and base == np.e:
        return np.exp(power)
    return np.power(base, power)


# Operators, comparisons and functions of several numbers, computed with NumPy
OPERATORS: Mapping[str, Callable[..., Any]] = {
    "+": np.add,
    "−": np.subtract,
    "·": np.multiply,
    "/": np.divide,
    "mod": np.mod,
    "^": _power,
    "≤": np.less_equal,
    "≥": np.greater_equal,
    "<": np.less,
    ">": np.greater,
    "=": np.equal,
    "and": lambda *values: reduce(np.logical_and, values),
    "max": lambda *values: reduce(np.maximum, values),
    "min": lambda *values: reduce(np.minimum, values),
}
SIGNS = {"+": "+", "−": "-", "·": "*", "/": "/", "≤": "<=", "≥": ">=", "<": "<", ">": ">", "=": "=="}
NAMES = (*(name for name in FUNCTIONS if name not in ("exp", "floor")), "max", "min")  # as formulas call them


def evaluation(name: str) -> Callable[..., Any]:
    """Return a function or an operator as a function of NumPy numbers."""
    if name in FUNCTIONS:
        return FUNCTIONS[name].value
    return OPERATORS[name]
