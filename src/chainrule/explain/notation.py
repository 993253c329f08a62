"""Equations in linear notation, and formatting of numbers.

An index is a letter or a whole number; a factor is 1, a letter or a number. Trivial parts are omitted: 1·i is written
as i, and u + 0 as u. The web page formats numbers by the same rules (page/explain/numbers.js).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from typing import Any, cast

Index = str | int
OPERATORS = ("+", "−", "·")
DIGITS = 3  # significant digits by default
MAX_DIGITS = 17  # enough to identify any float64
MINUS = "−"
PLAIN = range(-4, 6)  # decimal exponents (after rounding) of numbers printed without exponent notation
WHOLE = 10**6  # smaller whole numbers are printed exactly
SAME = 1e-12  # a smaller relative difference may be a rounding error and need not be visible
MAX_LISTED = 12


def times(factor: Index, index: Index) -> Index:
    """Return s·i, or the product of two numbers. A sum is enclosed in parentheses."""
    if isinstance(factor, int) and isinstance(index, int):
        return factor * index
    if factor == 1 or index == 0:
        return index
    return f"{factor}·({index})" if _is_sum(index) else f"{factor}·{index}"


def plus(first: Index, second: Index) -> Index:
    """Return i+u, or the sum of two numbers. Spaces are added if an operand is a product: s·i + u."""
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    if first == 0 or second == 0:
        return second if first == 0 else first
    if isinstance(first, int) and first < 0:
        return minus(second, -first)
    if str(second).startswith(("-", MINUS)):
        return minus(first, -second if isinstance(second, int) else second.removeprefix(MINUS))
    return f"{first} + {second}" if _has(first, second) else f"{first}+{second}"


def minus(first: Index, second: Index) -> Index:
    """Return h−u, or the difference of two numbers. Spaces are added if an operand is a product."""
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
    """Return a name with indices: dw[o,c,u,v]. Spaces are added if an index is an expression: x[c, i+u, j+v]."""
    texts = [str(index) for index in indices]
    if not texts:
        return name
    joint = ", " if any(operator in text for text in texts for operator in OPERATORS) else ","
    return f"{name}[{joint.join(texts)}]"


def sum_over(letters: Iterable[str]) -> str:
    """Return Σ_{o,u,v} followed by a space, or "" if there are no letters."""
    joined = ",".join(letter for letter in letters if letter)
    return f"Σ_{{{joined}}} " if joined else ""


def with_bar(name: str) -> str:
    """Return a name with a bar, x̄, which denotes the tensor padded with zeros."""
    return f"{name}\u0304"


def letters(axes: int) -> tuple[str, ...]:
    """Return the index letters for a tensor with this number of axes, excluding the sample axis."""
    return {0: (), 1: ("k",), 2: ("c", "j"), 3: ("c", "i", "j"), 4: ("o", "c", "u", "v")}.get(
        axes, tuple(f"i{axis}" for axis in range(axes))
    )


def _has(*parts: Index) -> bool:
    return any("·" in str(part) for part in parts)


def _is_sum(part: Index) -> bool:
    return any(operator in str(part) for operator in OPERATORS)


def format_number(value: float, digits: int = DIGITS, others: Iterable[float] = ()) -> str:
    """Format a number with ``digits`` significant digits: −0.0123, 1.23e−7, ∞. Whole numbers below 10⁶ are exact.

    A rounded number shows that it is rounded: it keeps its zeros and, without an exponent, has a decimal place. 1.00
    is a number near 1, 250.0 a number near 250. An exact number has no zeros at its end: 1, 0.5.

    others   numbers from whose magnitude its own must be distinguishable; digits are added as necessary
    """
    size = abs(value)
    different = [abs(other) for other in others if not math.isclose(size, abs(other), rel_tol=SAME)]
    while digits < MAX_DIGITS and any(as_printed(other, digits) == as_printed(size, digits) for other in different):
        digits += 1
    return _rounded(value, digits)


def as_printed(value: float, digits: int = DIGITS, others: Iterable[float] = ()) -> float:
    """Return the number that is printed for a value: the value, rounded as `format_number` rounds it."""
    return float(format_number(value, digits, others).replace(MINUS, "-").replace("∞", "inf"))


def significant(text: str) -> int:
    """Return the number of significant digits of a printed number."""
    mantissa, _, _ = text.partition("e")
    return len(mantissa.replace(MINUS, "").replace(".", "").lstrip("0"))


def bracketed(value: float, digits: int = DIGITS, others: Iterable[float] = ()) -> str:
    """Format a number for use in an equation, in parentheses if it is negative."""
    text = format_number(value, digits, others)
    return f"({text})" if text.startswith(MINUS) else text


def format_list(values: Sequence[float], joint: str, digits: int = DIGITS) -> str:
    """Format a row of numbers. A long row is shortened to its first ten numbers, an ellipsis and the last number."""
    texts = [format_number(value, digits) if joint == ", " else bracketed(value, digits) for value in values]
    return joint.join(texts if len(texts) <= MAX_LISTED else [*texts[:10], "…", texts[-1]])


def _rounded(value: float, digits: int) -> str:
    """Round a number to significant digits, with ties away from zero."""
    if math.isnan(value):
        return "NaN"
    if not value:
        return "0"
    sign = MINUS if value < 0 else ""
    if math.isinf(value):
        return f"{sign}∞"
    if abs(value) < WHOLE and value == int(value):
        return f"{sign}{abs(int(value))}"
    size = abs(Decimal(value))
    rounded = _context(digits).plus(size)
    is_plain = rounded.adjusted() in PLAIN
    if is_plain and rounded.adjusted() >= digits - 1:
        rounded = size.quantize(Decimal("0.1"), ROUND_HALF_UP)
    if float(rounded) == abs(value):
        rounded = rounded.normalize()
    if is_plain:
        return f"{sign}{rounded:f}"
    mantissa = rounded.scaleb(-rounded.adjusted())
    return f"{sign}{mantissa:f}e{rounded.adjusted()}".replace("-", MINUS)


@cache
def _context(digits: int) -> Context:
    return Context(prec=digits, rounding=ROUND_HALF_UP)


# ------------------------------------------------------------------ parsed indices


def letters_in(index: Any) -> Iterator[str]:
    """Yield the letters in a parsed index."""
    if isinstance(index, list):
        _, first, second = cast("list[Any]", index)
        yield from (*letters_in(first), *letters_in(second))
    elif isinstance(index, str):
        yield index


def write_index(index: Any, values: Mapping[str, Index], constants: Mapping[str, float] | None = None) -> Index:
    """Return a parsed index as a number or a text.

    values      letters, and what to write instead
    constants   values of letters that are omitted where they have no effect: 0 in a sum, 1 in a product
    """
    if isinstance(index, list):
        operator, *operands = cast("list[Any]", index)
        neutral = 0 if operator in "+−" else 1
        known = constants or {}
        texts = [
            neutral if isinstance(part, str) and known.get(part) == neutral else write_index(part, values, constants)
            for part in operands
        ]
        return {"+": plus, "−": minus, "·": times, "/": over}[operator](*texts)
    return values.get(index, index) if isinstance(index, str) else int(index)
