"""Linear notation of equations, and numbers as text.

An index is a letter or, once a cell's own numbers are put in, a whole number; a factor is 1, a letter or a number.
What is trivial is left out: 1·i is i, u + 0 is u. Numbers follow the same rules as on the page
(page/explain/numbers.js).
"""

import math
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

Index = str | int
OPERATORS = ("+", "−", "·")
DIGITS = 6
MINUS = "−"
PLAIN = range(-4, 6)  # decimal exponents, after rounding, that are written without one
MOST_LISTED = 12

_ROUNDED = Context(prec=DIGITS, rounding=ROUND_HALF_UP)


def times(factor: Index, index: Index) -> Index:
    """Return s·i, worked out where both are numbers; a sum that is multiplied stands in parentheses."""
    if isinstance(factor, int) and isinstance(index, int):
        return factor * index
    if factor == 1 or index == 0:
        return index
    return f"{factor}·({index})" if _is_sum(index) else f"{factor}·{index}"


def plus(first: Index, second: Index) -> Index:
    """Return i+u, with spaces if there is a product: s·i + u."""
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    if first == 0 or second == 0:
        return second if first == 0 else first
    return f"{first} + {second}" if _has(first, second) else f"{first}+{second}"


def minus(first: Index, second: Index) -> Index:
    """Return h−u, with spaces if there is a product."""
    if isinstance(first, int) and isinstance(second, int):
        return first - second
    if second == 0:
        return first
    if first == 0:
        return f"−{second}"
    return f"{first} − {second}" if _has(first, second) else f"{first}−{second}"


def over(index: Index, divisor: Index) -> Index:
    """Return (h−u)/s."""
    if divisor == 1:
        return index
    return f"({index})/{divisor}" if _has(index) or _is_sum(index) else f"{index}/{divisor}"


def at(name: str, *indices: Index) -> str:
    """Return dw[o,c,u,v], with spaces if an index is an expression: x[c, i+u, j+v]; the bare name without indices."""
    texts = [str(index) for index in indices]
    if not texts:
        return name
    joint = ", " if any(operator in text for text in texts for operator in OPERATORS) else ","
    return f"{name}[{joint.join(texts)}]"


def sum_over(letters: Iterable[str]) -> str:
    """Return Σ_{o,u,v} and a space; nothing if there are no letters."""
    joined = ",".join(letter for letter in letters if letter)
    return f"Σ_{{{joined}}} " if joined else ""


def with_bar(name: str) -> str:
    """Return x̄, the tensor padded with zeros."""
    return f"{name}\u0304"


def letters(axes: int) -> tuple[str, ...]:
    """Return the index letters of a tensor with that many axes, without the sample axis."""
    return {0: (), 1: ("k",), 2: ("c", "j"), 3: ("c", "i", "j"), 4: ("o", "c", "u", "v")}.get(
        axes, tuple(f"i{axis}" for axis in range(axes))
    )


def _has(*parts: Index) -> bool:
    return any("·" in str(part) for part in parts)


def _is_sum(part: Index) -> bool:
    return any(operator in str(part) for operator in OPERATORS)


def format_number(value: float) -> str:
    """Return a number in six significant digits: −0.0123457, 1.23457e−7, ∞."""
    if math.isnan(value):
        return "NaN"
    sign = MINUS if value < 0 else ""
    if math.isinf(value):
        return f"{sign}∞"
    rounded = _ROUNDED.plus(abs(Decimal(value))).normalize()
    if not rounded:
        return "0"
    if rounded.adjusted() in PLAIN:
        return f"{sign}{rounded:f}"
    mantissa = rounded.scaleb(-rounded.adjusted())
    return f"{sign}{mantissa:f}e{rounded.adjusted()}".replace("-", MINUS)


def bracketed(value: float) -> str:
    """Return a number for use in an equation: in parentheses if it has a sign."""
    text = format_number(value)
    return f"({text})" if text.startswith(MINUS) else text


def format_list(values: Sequence[float], joint: str) -> str:
    """Return numbers in a row; if there are many, the first ten, an ellipsis and the last."""
    texts = [format_number(value) if joint == ", " else bracketed(value) for value in values]
    return joint.join(texts if len(texts) <= MOST_LISTED else [*texts[:10], "…", texts[-1]])
