"""Parsing of untrusted JSON within bounds, and checks of its values.

Errors   FormatError; the caller adds the name of the file
"""

import json
import math
from typing import Any, TypeVar, cast

from chainrule.errors import FormatError, quoted

T = TypeVar("T")

MOST_BYTES = 4 << 20  # the description of a thousand layers takes a hundredth of this
MOST_DEPTH = 32
MOST_DIGITS = 40
LARGEST = 2**63
CALLED = {"str": "a text", "int": "a whole number", "dict": "an object", "list": "a list"}


def parse(text: str | bytes, most_bytes: int = MOST_BYTES) -> Any:
    """Parse a JSON text.

    Errors   FormatError when the text is not JSON, is too long or nested too deeply, or holds a number that is infinite
             or NaN, an integer beyond 64 bits, or a string that cannot be encoded as UTF-8
    """
    if len(text) > most_bytes:
        raise FormatError(f"JSON of {len(text)} bytes; expected at most {most_bytes}")
    try:
        found = json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"not JSON: {error}") from None
    except RecursionError:
        raise _too_deep() from None
    _check(found)
    return found


def of(kind: type[T], value: Any, name: str) -> T:
    """Return a value after checking its type; FormatError when it is of another type."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise FormatError(f"{name} is {quoted(value)}; expected {CALLED[kind.__name__]}")
    return value


def entries(value: Any, name: str) -> dict[str, Any]:
    """Return a value that must be an object as a dictionary."""
    return cast(dict[str, Any], of(dict, value, name))


def several(kind: type[T], value: Any, name: str) -> tuple[T, ...]:
    """Return a value that must be a list with elements of one type as a tuple."""
    return tuple(of(kind, one, f"an entry of {name}") for one in cast(list[Any], of(list, value, name)))


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS or abs(value := int(digits)) >= LARGEST:
        raise FormatError(f"a whole number of {len(digits)} digits; expected at most 63 bits")
    return value


def _finite(digits: str) -> float:
    value = float(digits.replace("Infinity", "inf"))
    if not math.isfinite(value):
        raise FormatError(f"the number {quoted(digits)}; expected a finite one")
    return value


def _check(found: Any) -> None:
    """Check a value level by level: its depth, and that every string in it can be encoded."""
    level = [found]
    for _ in range(MOST_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.keys()  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
                below += value.values()  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str):
                _check_text(value)
        if not below:
            return
        level = below
    raise _too_deep()


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FormatError(f"the text {quoted(text)} holds half a surrogate pair; expected Unicode") from None


def _too_deep() -> FormatError:
    return FormatError(f"JSON nested more than {MOST_DEPTH} deep")
