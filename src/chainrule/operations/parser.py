"""Equations and formulas in linear notation, parsed into what Python and the page evaluate, as JSON has it.

Equations are of whole tensors. "y[n,o] = b[o] + Σ_{c} w[o,c] · x[n,c]" becomes

{"result": {"name": "y", "bar": False, "index": ["n", "o"]},
 "parts": [{"over": [], "factors": [b[o]]}, {"over": ["c"], "factors": [w[o,c], x[n,c]]}]}

where a factor has the form of the result, and an index is a letter, a whole number, or [operator, left, right] with one
of the operators + − · /.

Formulas are of single entries. "y = 0 if x ≤ 0, else slope·x" becomes

{"name": "y", "cases": [{"value": 0, "when": x ≤ 0}, {"value": slope·x}]}

where an expression or a condition is {"parts": […], "tree": …}. The parts are its text, cut at the letters: text,
letter, text, …, letter, text. A tree is a number, a letter, or a list: an operator or a function, then its operands.
Operators are + − · / and ^{…}; |…| is the absolute value, e^{…} the exponential, and π is known. Functions are √, tanh,
arctan, log, log1p, expm1, max, min, σ (the sigmoid), and Φ and φ (the distribution function and the density of the
standard normal distribution).
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

BAR = "\u0304"
REFERENCE = re.compile(rf"([A-Za-z]+)({BAR}?)\[(.*)\]")
INDEX_TOKEN = re.compile(r"\s*(\d+|\w₀?'?|[+−·/()])")


def parse_equation(equation: str) -> dict[str, Any]:
    """Return the parsed equation; ValueError, with the equation, where it is none."""
    left, equals, right = unicodedata.normalize("NFD", equation).partition(" = ")
    if not equals:
        raise ValueError(f"no ' = ' in the equation {equation!r}")
    return {"result": _reference(left), "parts": [_part(text) for text in split(right, " + ")]}


def _part(text: str) -> dict[str, Any]:
    """Return a sum of products: Σ_{c,u,v} x[…] · w[…]."""
    found = re.fullmatch(r"(?:Σ_\{([\w,]+)\} )?(.+)", text)
    if found is None:
        raise ValueError(f"no sum of products: {text!r}")
    over = found[1].split(",") if found[1] else []
    return {"over": over, "factors": [_reference(factor) for factor in split(found[2], " · ")]}


def _reference(text: str) -> dict[str, Any]:
    """Return a tensor with its indices."""
    found = REFERENCE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"no tensor with indices: {text!r}")
    return {"name": found[1], "bar": bool(found[2]), "index": [_index(part) for part in split(found[3], ",")]}


def split(text: str, separator: str) -> list[str]:
    """Return the parts between separators that stand outside brackets."""
    parts: list[str] = []
    depth, begin = 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "[({") - (letter in "])}")
        if not depth and text.startswith(separator, place):
            parts.append(text[begin:place])
            begin = place + len(separator)
    return [*parts, text[begin:]]


def _index(text: str) -> Any:
    """Return an index: sums and differences of products, and one of them over a constant."""
    tokens = INDEX_TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text) or not tokens:
        raise ValueError(f"no index: {text!r}")
    found, rest = _sum(tokens)
    if rest:
        raise ValueError(f"no index: {text!r}")
    return found


def _sum(tokens: list[str]) -> tuple[Any, list[str]]:
    return _chain(tokens, "+−", _product)


def _product(tokens: list[str]) -> tuple[Any, list[str]]:
    return _chain(tokens, "·/", _atom)


def _chain(
    tokens: list[str], operators: str, part: Callable[[list[str]], tuple[Any, list[str]]]
) -> tuple[Any, list[str]]:
    """Return parts that operators join, from left to right, and the tokens behind them."""
    left, tokens = part(tokens)
    while tokens and tokens[0] in operators:
        right, rest = part(tokens[1:])
        left, tokens = [tokens[0], left, right], rest
    return left, tokens


def _atom(tokens: list[str]) -> tuple[Any, list[str]]:
    if not tokens:
        raise ValueError("an index ends too soon")
    if tokens[0] != "(":
        return (int(tokens[0]) if tokens[0].isdigit() else tokens[0]), tokens[1:]
    found, rest = _sum(tokens[1:])
    if not rest or rest[0] != ")":
        raise ValueError("a parenthesis is not closed")
    return found, rest[1:]


NAME = r"‖\w+‖|[^\W\d_]\w*[\u0300-\u036f]*′?"
FORMULA_TOKEN = re.compile(rf"\s*(\d+(?:\.\d+)?|{NAME}|[+−·/^{{}}(),|√≤≥<>])")
FUNCTIONS = ("√", "tanh", "arctan", "log", "log1p", "expm1", "max", "min", "σ", "Φ", "φ")
CONSTANTS = ("e", "π")
ENCLOSING = {"(": ")", "|": "|"}
COMPARISONS = ("≤", "≥", "<", ">")


def parse_formula(formula: str) -> dict[str, Any]:
    """Return the parsed formula; ValueError, with the formula, for anything else."""
    name, equals, right = formula.partition(" = ")
    if not equals:
        raise ValueError(f"no ' = ' in the formula {formula!r}")
    try:
        return {"name": name, "cases": [_case(text) for text in split(right, ", ")]}
    except ValueError as error:
        raise ValueError(f"{error}, in the formula {formula!r}") from error


def condition(text: str) -> dict[str, Any]:
    """Return a parsed comparison, or a chain of them: low < x < high."""
    reader = _Reader(text)
    left: Any = reader.sum()
    found: list[Any] = []
    while reader.next in COMPARISONS:
        operator = reader.take()
        right = reader.sum()
        found.append([operator, left, right])
        left = right
    reader.end()
    if not found:
        raise ValueError(f"no comparison: {text!r}")
    return {"parts": _parts(text), "tree": ["and", *found]}


def letters_of(formulas: Iterable[dict[str, Any]]) -> set[str]:
    """Return every letter that formulas contain."""
    expressions = [case[part] for formula in formulas for case in formula.get("cases", ()) for part in case]
    return {letter for expression in expressions for letter in expression["parts"][1::2]}


def _case(text: str) -> dict[str, Any]:
    """Return "A if c", "else A" or "A"."""
    value, given, when = text.partition(" if ")
    found = {"value": _expression(value.removeprefix("else "))}
    return {**found, "when": condition(when)} if given else found


def _expression(text: str) -> dict[str, Any]:
    reader = _Reader(text)
    tree = reader.sum()
    reader.end()
    return {"parts": _parts(text), "tree": tree}


def _parts(text: str) -> list[str]:
    """Return the text cut at the letters, which stand at the odd places."""
    parts = [""]
    for place, piece in enumerate(re.split(rf"({NAME})", text)):
        if place % 2 and piece not in (*FUNCTIONS, *CONSTANTS):
            parts += [piece, ""]
        else:
            parts[-1] += piece
    return parts


class _Reader:
    """A recursive descent over the tokens of an expression."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.tokens = FORMULA_TOKEN.findall(text)
        if "".join(self.tokens) != re.sub(r"\s", "", text):
            raise ValueError(f"no expression: {text!r}")

    @property
    def next(self) -> str:
        """Next token; "" at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        """Return the next token and step over it."""
        token = self.next
        if not token or (expected and token != expected):
            raise ValueError(f"expected {expected or 'more'} after {''.join(self.tokens[: self.at])!r}")
        self.at += 1
        return token

    def end(self) -> None:
        """Raise ValueError unless all tokens are read."""
        if self.next:
            raise ValueError(f"{self.next!r} is not expected")

    def sum(self) -> Any:
        """Read a + b − c."""
        return self._chain("+−", self._product)

    def _product(self) -> Any:
        return self._chain("·/", self._factor)

    def _chain(self, operators: str, part: Any) -> Any:
        left = part()
        while self.next and self.next in operators:
            left = [self.take(), left, part()]
        return left

    def _factor(self) -> Any:
        """Read −x, x^{3} or e^{−x}."""
        if self.next == "−":
            self.take()
            return ["−", 0, self._factor()]
        base = self._atom()
        if self.next != "^":
            return base
        self.take()
        self.take("{")
        power = self.sum()
        self.take("}")
        return ["^", base, power]

    def _atom(self) -> Any:
        token = self.take()
        if token in FUNCTIONS:
            return [token, *self._arguments()]
        if token in ENCLOSING:
            inner = self.sum()
            self.take(ENCLOSING[token])
            return inner if token == "(" else ["abs", inner]
        if token in CONSTANTS:
            return getattr(math, {"π": "pi"}.get(token, token))
        if re.fullmatch(NAME, token):
            return token
        return float(token) if token[0].isdigit() else self._refuse(token)

    def _arguments(self) -> list[Any]:
        self.take("(")
        found = [self.sum()]
        while self.next == ",":
            self.take()
            found.append(self.sum())
        self.take(")")
        return found

    def _refuse(self, token: str) -> float:
        raise ValueError(f"{token!r} is no operand")
