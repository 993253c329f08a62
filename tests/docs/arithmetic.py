"""Numerical equations of the pages, written in LaTeX, recomputed.

`equations` splits a formula at its = and ≈ signs. A side of numbers, matrices and operations only has a value
(`value`); a side that contains a letter is `Symbolic` and is skipped in the comparison.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.signal import correlate2d

Values = float | np.ndarray

TOKEN = re.compile(r"\s*(\\begin\{pmatrix\}.*?\\end\{pmatrix\}|\d+(?:\.\d+)?|\\[a-zA-Z]+|[a-zA-Z]|\S)", re.S)
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    r"\ln": np.log,
    r"\tanh": np.tanh,
    r"\arctan": np.arctan,
    r"\exp": np.exp,
    r"\sqrt": np.sqrt,
}
OPENING = {"(": ")", "{": "}"}
SPACES = re.compile(r"\\(?:left|right|,|;|!|quad\b|qquad\b)")


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
    tokens = TOKEN.findall(SPACES.sub(" ", side).strip().rstrip(".,;"))
    reader = _Reader([token for token in tokens if token.strip()])
    found = reader.sum()
    if reader.tokens:
        raise Symbolic(side)
    return found


class _Reader:
    """Parser for sums of products of powers, from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens

    def _next(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def _take(self) -> str:
        if not self.tokens:
            raise Symbolic("nothing")
        return self.tokens.pop(0)

    def sum(self) -> Values:
        total = self._product()
        while self._next() in ("+", "-"):
            total = total + self._product() if self._take() == "+" else total - self._product()
        return total

    def _product(self) -> Values:
        if self._next() in ("+", "-"):
            return self._product() if self._take() == "+" else -self._product()
        result = self._power()
        while self._next() not in ("", "+", "-", ")", "}"):
            if self._next() in (r"\cdot", r"\times", r"\odot", r"\star", "/"):
                result = _combined(self._take(), result, self._power())
            else:
                result = _combined(r"\cdot", result, self._power())
        return result

    def _power(self) -> Values:
        base = self._base()
        if self._next() != "^":
            return base
        self._take()
        if self.tokens[:3] == ["{", r"\mathsf", "T"]:
            del self.tokens[:4]
            return np.transpose(base)
        return base ** self._base()

    def _base(self) -> Values:
        token = self._take()
        if token[0].isdigit():
            return float(token)
        if token == "e":
            return float(np.e)
        if token == r"\pi":
            return float(np.pi)
        if token in OPENING:
            inside = self.sum()
            if self._take() != OPENING[token]:
                raise Symbolic(token)
            return inside
        if token.startswith(r"\begin"):
            return _matrix(token)
        if token in (r"\frac", r"\tfrac"):
            return self._argument() / self._argument()
        if token in FUNCTIONS:
            return FUNCTIONS[token](self._argument())
        raise Symbolic(token)

    def _argument(self) -> Values:
        """Return the argument of a command: a group, or a single digit as in \\tfrac12."""
        if len(self._next()) > 1 and self._next().isdigit():
            self.tokens[:1] = [self._next()[0], self._next()[1:]]
        return self._base()


def _combined(operation: str, left: Values, right: Values) -> Values:
    if operation == "/":
        return left / right
    if operation == r"\star":
        return correlate2d(left, right, "valid")
    if operation != r"\odot" and isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left @ right
    return left * right


def _matrix(text: str) -> np.ndarray:
    inside = text.removeprefix(r"\begin{pmatrix}").removesuffix(r"\end{pmatrix}")
    rows = [row for row in inside.split(r"\\") if row.strip()]
    return np.array([[value(cell) for cell in row.split("&")] for row in rows], np.float64)


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
                found = value(side)
            except Symbolic:
                continue
            if last is not None:
                compared += 1
                near = {"rtol": 0, "atol": tolerance(side)} if rounded else {"rtol": 1e-12, "atol": 1e-12}
                if np.shape(found) != np.shape(last) or not np.allclose(found, last, **near):
                    wrong.append(f"{last} {sign} {side.strip()}")
            last, rounded = found, False
    return compared, wrong
