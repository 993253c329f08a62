"""Numerical equations of the pages, written in LaTeX, recomputed.

`equations` splits a formula at its = and ≈ signs. A side of numbers, matrices and operations only has a value
(`value`); a side that contains a letter is `Symbolic` and is skipped in the comparison.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.signal import correlate2d

Values = float | np.ndarray

GROUP = r"\s*\{([^{}]*)\}"
REWRITTEN = (  # LaTeX → Python, innermost groups first
    (r"\^\{\\mathsf T\}", ".T"),
    (rf"\^{GROUP}", r"**(\1)"),
    (r"\^(\d)", r"**\1"),
    (r"\\t?frac(\d)(\d)", r"(\1/\2)"),
    (rf"\\t?frac{GROUP}{GROUP}", r"((\1)/(\2))"),
    (rf"\\sqrt{GROUP}", r"sqrt(\1)"),
    (r"\\(ln|tanh|arctan|exp)\s*(\d+(?:\.\d+)?)", r"\1(\2)"),
    (r"\\(ln|tanh|arctan|exp)\s*\(", r"\1("),
    (r"\\(?:cdot|times)(?![a-z])", "*"),
    (r"\\odot(?![a-z])", "@"),
    (r"\\star(?![a-z])", "//"),
    (r"\\pi(?![a-z])", "π"),
)
TOKEN = re.compile(r"M\d+|\d+(?:\.\d+)?|[a-zπ]+|\.T|\*\*|//|\S")
FUNCTIONS = {"ln": np.log, "tanh": np.tanh, "arctan": np.arctan, "exp": np.exp, "sqrt": np.sqrt}
NUMBERS = {"e": np.e, "π": np.pi}
SPACES = re.compile(r"\\(?:left|right|,|;|!|quad\b|qquad\b)")
MATRIX = re.compile(r"\\begin\{pmatrix\}(.*?)\\end\{pmatrix\}", re.S)


class Matrix(np.ndarray):
    """A matrix with the products of the pages: `*` of matrices, `@` of entries, `//` the cross-correlation."""

    def __mul__(self, other: Any) -> Any:
        return np.matmul(self, other) if isinstance(other, Matrix) else np.multiply(self, other)

    def __matmul__(self, other: Any) -> Any:
        return np.multiply(self, other)

    def __floordiv__(self, other: Any) -> Any:
        return correlate2d(self, other, "valid").view(Matrix)


class Symbolic(Exception):
    """A side that contains a letter."""


def equations(formula: str) -> Iterator[list[tuple[str, str]]]:
    """Return the sides of a formula's lines with the sign before each: [("", "y"), ("=", "2 + 3"), ("=", "5")]."""
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        held.append(match[0])
        return f"@{len(held) - 1}@"

    text = re.sub(r"\\begin\{pmatrix\}.*?\\end\{pmatrix\}", hold, formula, flags=re.S)
    text = re.sub(r"\\(?:begin|end)\{aligned\}|&|\\text\{[^}]*\}", "", text)
    text = re.sub(r"\\\\\s*(?==|\\approx)", "", text)  # a line that begins with a sign continues the line before
    for line in re.split(r"\\\\|\\quad|\\qquad", text):
        line = re.sub(r"@(\d+)@", lambda match: held[int(match[1])], line)
        signs = ["", *re.findall(r"=|\\approx(?![a-z])", line)]
        yield list(zip(signs, re.split(r"=|\\approx(?![a-z])", line), strict=True))


def value(side: str) -> Values:
    """Return the value of a side; raise Symbolic if it has none."""
    names: dict[str, Any] = {"__builtins__": {}, **FUNCTIONS, **NUMBERS}

    def hold(match: re.Match[str]) -> str:
        rows = [row.split("&") for row in match[1].split(r"\\") if row.strip()]
        names[f"M{len(names)}"] = np.array([[*map(value, row)] for row in rows], np.float64).view(Matrix)
        return f"M{len(names) - 1}"

    text, before = SPACES.sub(" ", MATRIX.sub(hold, side)).strip().rstrip(".,;"), ""
    while text != before:
        before = text
        for pattern, new in REWRITTEN:
            text = re.sub(pattern, new, text)
    tokens = TOKEN.findall(text)
    if any((token[0].isalpha() and token not in names) or token in "\\{}=<>[],'\"" for token in tokens):
        raise Symbolic(side)
    code = ""
    for last, token in pairwise(["", *tokens]):
        is_product = (last[-1:].isalnum() and last not in FUNCTIONS) or last == ")"
        code += "*" * (is_product and (token[0].isalnum() or token == "(")) + token
    try:
        return eval(code, names)
    except (SyntaxError, AttributeError):
        raise Symbolic(side) from None


def tolerance(side: str) -> float:
    """Return half a unit in the last place of the shortest decimal on a side."""
    places = [len(decimals) for decimals in re.findall(r"\d+\.(\d+)", side)]
    return 0.5000001 * 10.0 ** -min(places, default=0)


def disagreements(formula: str) -> tuple[int, list[str]]:
    """Return the number of sides compared with the previous numerical side, and the sides that differ."""
    compared, wrong = 0, []
    for sides in equations(formula):
        if len(sides) == 1:  # nothing to compare with
            continue
        last: Values | None = None
        rounded = False
        for sign, side in sides:
            rounded |= sign == r"\approx"
            try:
                actual = value(side)
            except Symbolic:
                continue
            if last is not None:
                compared += 1
                near = {"rtol": 0, "atol": tolerance(side)} if rounded else {"rtol": 1e-12, "atol": 1e-12}
                if np.shape(actual) != np.shape(last) or not np.allclose(actual, last, **near):
                    wrong.append(f"{last} {sign} {side.strip()}")
            last, rounded = actual, False
    return compared, wrong
