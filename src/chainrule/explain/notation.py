"""Equations in linear notation, and formatting of numbers.

An index is a letter or a whole number; a factor is 1, a letter or a number. Trivial parts are omitted: 1·i is written
as i, and u + 0 as u. The web page formats numbers by the same rules (page/explain/numbers.js).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache

from chainrule.operations.grammar import Tree

Index = str | int
OPERATORS = ("+", "−", "·")
LETTERS = {0: (), 1: ("k",), 2: ("c", "j"), 3: ("c", "i", "j"), 4: ("o", "c", "u", "v")}  # by number of axes
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
    if _is_sum(index):
        index = f"({index})"
    return f"{factor}·{index}"


def plus(first: Index, second: Index) -> Index:
    """Return i+u, or the sum of two numbers. Spaces are added if an operand is a product: s·i + u."""
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    if first == 0:
        return second
    if second == 0:
        return first
    if isinstance(first, int) and first < 0:
        return minus(second, -first)
    if isinstance(second, int) and second < 0:
        return minus(first, -second)
    if isinstance(second, str) and second.startswith(MINUS):
        return minus(first, second.removeprefix(MINUS))
    if _has_product(first) or _has_product(second):
        return f"{first} + {second}"
    return f"{first}+{second}"


def minus(first: Index, second: Index) -> Index:
    """Return h−u, or the difference of two numbers. Spaces are added if an operand is a product."""
    if isinstance(first, int) and isinstance(second, int):
        return first - second
    if second == 0:
        return first
    if first == 0:
        return f"−{second}"
    if _has_product(first) or _has_product(second):
        return f"{first} − {second}"
    return f"{first}−{second}"


def over(index: Index, divisor: Index) -> Index:
    """Return (h−u)/s."""
    if divisor == 1:
        return index
    if _has_product(index) or _is_sum(index):
        index = f"({index})"
    return f"{index}/{divisor}"


def at(name: str, *indices: Index) -> str:
    """Return a name with indices: dw[o,c,u,v]. Spaces are added if an index is an expression: x[c, i+u, j+v]."""
    texts = [str(index) for index in indices]
    if not texts:
        return name
    joint = ", " if any(map(_is_sum, texts)) else ","
    return f"{name}[{joint.join(texts)}]"


def sum_over(letters: Iterable[str]) -> str:
    """Return Σ_{o,u,v} followed by a space, or "" if there are no letters."""
    joined = ",".join(filter(None, letters))
    if not joined:
        return ""
    return f"Σ_{{{joined}}} "


def with_bar(name: str) -> str:
    """Return a name with a bar, x̄, which denotes the tensor padded with zeros."""
    return f"{name}\u0304"


def letters(axes: int) -> tuple[str, ...]:
    """Return the index letters for a tensor with this number of axes, excluding the sample axis."""
    if axes in LETTERS:
        return LETTERS[axes]
    return tuple(f"i{axis}" for axis in range(axes))


def _has_product(part: Index) -> bool:
    return "·" in str(part)


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
    if text.startswith(MINUS):
        return f"({text})"
    return text


def format_list(values: Sequence[float], joint: str, digits: int = DIGITS) -> str:
    """Format a row of numbers. A long row is shortened to its first ten numbers, an ellipsis and the last number."""
    write = format_number if joint == ", " else bracketed
    texts = [write(value, digits) for value in values]
    if len(texts) > MAX_LISTED:
        texts = [*texts[:10], "…", texts[-1]]
    return joint.join(texts)


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


def letters_in(index: Tree) -> Iterator[str]:
    """Yield the letters in a parsed index."""
    if isinstance(index, list):
        _, first, second = index
        yield from (*letters_in(first), *letters_in(second))
    elif isinstance(index, str):
        yield index


def write_index(index: Tree, values: Mapping[str, Index], constants: Mapping[str, float] | None = None) -> Index:
    """Return a parsed index as a number or a text.

    values      letters, and what to write instead
    constants   values of letters that are omitted where they have no effect: 0 in a sum, 1 in a product
    """
    if isinstance(index, list):
        operator, *operands = index
        neutral = 0 if operator in ("+", "−") else 1
        first, second = operands
        first_text = _operand(first, values, constants or {}, neutral)
        second_text = _operand(second, values, constants or {}, neutral)
        return WRITERS[str(operator)](first_text, second_text)
    if isinstance(index, str):
        return values.get(index, index)
    assert not isinstance(index, dict)  # a position contains no elements
    return int(index)


def _operand(part: Tree, values: Mapping[str, Index], constants: Mapping[str, float], neutral: int) -> Index:
    """Return an operand of a parsed index; a constant without effect is replaced by its value."""
    if isinstance(part, str) and constants.get(part) == neutral:
        return neutral
    return write_index(part, values, constants)


WRITERS = {"+": plus, "−": minus, "·": times, "/": over}
