"""Evaluation of equations in linear notation: the values of a step, and the right-hand side of `here`.

A small parser that is independent of the code under test.
"""

import itertools
import math
import re
from collections.abc import Callable
from decimal import Decimal
from statistics import NormalDist

Lookup = Callable[[str, tuple[int, ...]], float | None]  # None: outside the array
FUNCTIONS = {
    "tanh": "math.tanh",
    "arctan": "math.atan",
    "log": "math.log",
    "log1p": "math.log1p",
    "max": "largest",
    "√": "math.sqrt",
    "Φ": "normal",
}
NAMES = {"math": math, "largest": lambda *values: max(values), "normal": NormalDist().cdf}


def number(text: str) -> float:
    """Evaluate an equation of numbers: 0.9·(−0.002) + (1 − 0.9)·1.5e-7^{2}, e^{−3}, √(…), max(…)."""
    python = re.sub(r"\bargmax\(([^)]*)\)", lambda m: str(_argmax(m[1])), text)
    python = re.sub(r"\be\^\{", "math.e**{", python)
    for name, function in FUNCTIONS.items():
        python = re.sub(rf"(?<![\w.]){name}\(", f"{function}(", python)
    python = python.replace("−", "-").replace("·", "*").replace("^{", "**(").replace("**{", "**(").replace("}", ")")
    python = python.replace("π", "math.pi")
    return float(eval(python, NAMES))


def comes_out(equation: str, result: str) -> bool:
    """Return whether a pocket calculator gives the printed result for an equation of printed numbers."""
    printed = Decimal(result.strip("()").replace("−", "-")).as_tuple()
    half_unit = 0.5 * 10.0 ** int(printed.exponent) if "." in result else 0.0
    return math.isclose(number(equation), number(result), rel_tol=1e-9, abs_tol=half_unit + 1e-15)


def _argmax(inside: str) -> int:
    values = [float(part.replace("−", "-")) for part in inside.split(", ")]
    return values.index(max(values))


def right_hand_side(here: str, lookup: Lookup, ranges: dict[str, range]) -> float:
    """Evaluate the right-hand side of the first `=`: sums over letters of products of tensors at indices."""
    total = 0.0
    for part in re.split(r" \+ (?![^\[]*\])", here.partition(" = ")[2]):  # outside of indices
        scale, _, rest = part.rpartition("Σ") if "Σ" in part else ("", "", part)
        factor = number(scale.strip().removesuffix("·").strip() or "1")
        letters: list[str] = []
        if "Σ" in part:
            inside, _, rest = rest.removeprefix("_{").partition("}")
            letters = inside.split(",")
        for values in itertools.product(*(ranges[letter] for letter in letters)):
            total += factor * _product(rest, dict(zip(letters, values, strict=True)), lookup)
    return total


def _product(text: str, letters: dict[str, int], lookup: Lookup) -> float:
    product = 1.0
    for factor in text.strip().split(" · "):
        name, _, inside = factor.removesuffix("]").partition("[")
        places = [eval(part.replace("−", "-").replace("·", "*"), {}, letters) for part in inside.split(",")]
        is_between_strides = any(place != int(place) for place in places)
        product *= 0.0 if is_between_strides else lookup(name, tuple(map(int, places))) or 0.0
    return product
