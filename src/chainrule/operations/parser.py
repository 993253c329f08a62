"""Parser for equations and formulas in linear notation. The results are JSON values for Python and the web page.

Equations describe whole tensors. "y[n,o] = b[o] + Σ_{c} w[o,c] · x[n,c]" becomes

{"result": {"name": "y", "bar": False, "index": ["n", "o"]},
 "parts": [{"over": [], "factors": [b[o]]}, {"over": ["c"], "factors": [w[o,c], x[n,c]]}]}

where a factor has the same form as the result, and an index is a letter, a whole number, or [operator, left, right]
with one of the operators + − · /.

Formulas describe single elements. "y = 0 if x ≤ 0, else slope·x" becomes

{"name": "y", "cases": [{"value": 0, "when": x ≤ 0}, {"value": slope·x}]}

where an expression or a condition is {"parts": […], "tree": …}. The parts are its text, split at the letters: text,
letter, text, …, letter, text. A tree is a number, a letter, or a list with an operator or function and its operands.
Operators are + − · / and ^{…}; |…| is the absolute value, e^{…} the exponential, and π a constant. Functions are √,
tanh, arctan, log, log1p, expm1, max, min, σ (the sigmoid), Φ (the standard normal distribution function) and φ (its
density).
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
    """Parse an equation; raise ValueError, quoting the text, if it is invalid."""
    result, equals, summands = unicodedata.normalize("NFD", equation).partition(" = ")
    if not equals:
        raise ValueError(f"no ' = ' in the equation {equation!r}")
    return {"result": _reference(result), "parts": [_part(text) for text in split(summands, " + ")]}


def _part(text: str) -> dict[str, Any]:
    """Parse a sum of products: Σ_{c,u,v} x[…] · w[…]."""
    match = re.fullmatch(r"(?:Σ_\{([\w,]+)\} )?(.+)", text)
    if match is None:
        raise ValueError(f"not a sum of products: {text!r}")
    over = match[1].split(",") if match[1] else []
    return {"over": over, "factors": [_reference(factor) for factor in split(match[2], " · ")]}


def _reference(text: str) -> dict[str, Any]:
    """Parse a tensor with its indices."""
    match = REFERENCE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a tensor with indices: {text!r}")
    return {"name": match[1], "bar": bool(match[2]), "index": [_index(part) for part in split(match[3], ",")]}


def split(text: str, separator: str) -> list[str]:
    """Split a text at the separators that are not inside brackets."""
    parts: list[str] = []
    depth, begin = 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "[({") - (letter in "])}")
        if not depth and text.startswith(separator, place):
            parts.append(text[begin:place])
            begin = place + len(separator)
    return [*parts, text[begin:]]


def _index(text: str) -> Any:
    """Parse an index: sums and differences of products, optionally divided by a constant."""
    tokens = INDEX_TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text) or not tokens:
        raise ValueError(f"not an index: {text!r}")
    tree, rest = _sum(tokens)
    if rest:
        raise ValueError(f"not an index: {text!r}")
    return tree


def _sum(tokens: list[str]) -> tuple[Any, list[str]]:
    return _chain(tokens, "+−", _product)


def _product(tokens: list[str]) -> tuple[Any, list[str]]:
    return _chain(tokens, "·/", _atom)


def _chain(
    tokens: list[str], operators: str, part: Callable[[list[str]], tuple[Any, list[str]]]
) -> tuple[Any, list[str]]:
    """Parse operands joined by left-associative operators; return the tree and the remaining tokens."""
    tree, tokens = part(tokens)
    while tokens and tokens[0] in operators:
        right, rest = part(tokens[1:])
        tree, tokens = [tokens[0], tree, right], rest
    return tree, tokens


def _atom(tokens: list[str]) -> tuple[Any, list[str]]:
    if not tokens:
        raise ValueError("unexpected end of an index")
    if tokens[0] != "(":
        return (int(tokens[0]) if tokens[0].isdigit() else tokens[0]), tokens[1:]
    tree, rest = _sum(tokens[1:])
    if not rest or rest[0] != ")":
        raise ValueError("a parenthesis is not closed")
    return tree, rest[1:]


NAME = r"‖\w+‖|[^\W\d_]\w*[\u0300-\u036f]*′?"
FORMULA_TOKEN = re.compile(rf"\s*(\d+(?:\.\d+)?|{NAME}|[+−·/^{{}}(),|√≤≥<>])")
FUNCTIONS = ("√", "tanh", "arctan", "log", "log1p", "expm1", "max", "min", "σ", "Φ", "φ")
CONSTANTS = ("e", "π")
ENCLOSING = {"(": ")", "|": "|"}
COMPARISONS = ("≤", "≥", "<", ">")


def parse_formula(formula: str) -> dict[str, Any]:
    """Parse a formula; raise ValueError, quoting the text, if it is invalid."""
    name, equals, right = formula.partition(" = ")
    if not equals:
        raise ValueError(f"no ' = ' in the formula {formula!r}")
    try:
        return {"name": name, "cases": [_case(text) for text in split(right, ", ")]}
    except ValueError as error:
        raise ValueError(f"{error}, in the formula {formula!r}") from error


def condition(text: str) -> dict[str, Any]:
    """Parse a comparison or a chain of comparisons: low < x < high."""
    reader = _Reader(text)
    left_operand: Any = reader.sum()
    comparisons: list[Any] = []
    while reader.next in COMPARISONS:
        operator = reader.take()
        right_operand = reader.sum()
        comparisons.append([operator, left_operand, right_operand])
        left_operand = right_operand
    reader.end()
    if not comparisons:
        raise ValueError(f"no comparison: {text!r}")
    return {"parts": _parts(text), "tree": ["and", *comparisons]}


def letters_of(formulas: Iterable[dict[str, Any]]) -> set[str]:
    """Return all letters (variables) in the formulas."""
    expressions = [case[part] for formula in formulas for case in formula.get("cases", ()) for part in case]
    return {letter for expression in expressions for letter in expression["parts"][1::2]}


def _case(text: str) -> dict[str, Any]:
    """Parse "A if c", "else A" or "A"."""
    value, separator, when = text.partition(" if ")
    case = {"value": _expression(value.removeprefix("else "))}
    return {**case, "when": condition(when)} if separator else case


def _expression(text: str) -> dict[str, Any]:
    reader = _Reader(text)
    tree = reader.sum()
    reader.end()
    return {"parts": _parts(text), "tree": tree}


def _parts(text: str) -> list[str]:
    """Split a text at its letters. The letters are the items at odd positions."""
    parts = [""]
    for place, piece in enumerate(re.split(rf"({NAME})", text)):
        if place % 2 and piece not in (*FUNCTIONS, *CONSTANTS):
            parts += [piece, ""]
        else:
            parts[-1] += piece
    return parts


class _Reader:
    """A recursive-descent parser for one expression."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.tokens = FORMULA_TOKEN.findall(text)
        if "".join(self.tokens) != re.sub(r"\s", "", text):
            raise ValueError(f"not an expression: {text!r}")

    @property
    def next(self) -> str:
        """The next token; "" at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        """Consume and return the next token; ValueError at the end, or if the token is not ``expected``."""
        token = self.next
        if not token or (expected and token != expected):
            raise ValueError(f"expected {expected or 'more'} after {''.join(self.tokens[: self.at])!r}")
        self.at += 1
        return token

    def end(self) -> None:
        """Raise ValueError unless all tokens have been consumed."""
        if self.next:
            raise ValueError(f"unexpected {self.next!r}")

    def sum(self) -> Any:
        """Parse a sum: a + b − c."""
        return self._chain("+−", self._product)

    def _product(self) -> Any:
        return self._chain("·/", self._factor)

    def _chain(self, operators: str, part: Any) -> Any:
        tree = part()
        while self.next and self.next in operators:
            tree = [self.take(), tree, part()]
        return tree

    def _factor(self) -> Any:
        """Parse a factor: −x, x^{3} or e^{−x}."""
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
        arguments = [self.sum()]
        while self.next == ",":
            self.take()
            arguments.append(self.sum())
        self.take(")")
        return arguments

    def _refuse(self, token: str) -> float:
        raise ValueError(f"{token!r} is not an operand")
