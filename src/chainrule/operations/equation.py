"""Equations in linear notation, parsed into what Python and the page evaluate, as JSON has it.

"y[n,o] = b[o] + Σ_{c} w[o,c] · x[n,c]" becomes

{"result": {"name": "y", "bar": False, "index": ["n", "o"]},
 "parts": [{"over": [], "factors": [b[o]]}, {"over": ["c"], "factors": [w[o,c], x[n,c]]}]}

where a factor has the form of the result, and an index is a letter, a whole number, or [operator, left, right] with one
of the operators + − · /.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

BAR = "\u0304"
REFERENCE = re.compile(rf"([A-Za-z]+)({BAR}?)\[(.*)\]")
TOKEN = re.compile(r"\s*(\d+|\w₀?'?|[+−·/()])")


def parse(equation: str) -> dict[str, Any]:
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
    tokens = TOKEN.findall(text)
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
