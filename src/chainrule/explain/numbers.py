"""Numbers as text, by the same rules as on the page (page/explain/numbers.js)."""

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

DIGITS = 6
MINUS = "−"
PLAIN = range(-4, 6)  # decimal exponents, after rounding, that are written without one
MOST_LISTED = 12

_ROUNDED = Context(prec=DIGITS, rounding=ROUND_HALF_UP)


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
