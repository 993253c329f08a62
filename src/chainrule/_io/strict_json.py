"""Parsing of untrusted JSON within bounds, and checks of its values.

Errors   FormatError; the caller adds the name of the file
"""

import json
import math
from typing import Any, TypeVar, cast

from chainrule.errors import FormatError, quoted

T = TypeVar("T")

MAX_BYTES = 4 << 20  # the description of a thousand layers takes a hundredth of this
MAX_DEPTH = 32
MAX_DIGITS = 40
LARGEST = 2**63
TYPE_NAMES = {"str": "a text", "int": "a whole number", "dict": "an object", "list": "a list"}


def parse(text: str | bytes, max_bytes: int = MAX_BYTES) -> Any:
    """Parse a JSON text.

    Errors   FormatError when the text is not JSON, is too long or nested too deeply, or holds a number that is infinite
             or NaN, an integer beyond 64 bits, or a string that cannot be encoded as UTF-8
    """
    if len(text) > max_bytes:
        raise FormatError(f"JSON of {len(text)} bytes; expected at most {max_bytes}")
    try:
        found = json.loads(text, parse_int=_integer, parse_float=_finite, parse_constant=_finite)
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"not JSON: {error}") from None
    except RecursionError:
        raise _too_deep() from None
    _check(found)
    return found


def expect(kind: type[T], value: Any, name: str) -> T:
    """Return a value after checking its type; FormatError when it is of another type."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise FormatError(f"{name} is {quoted(value)}; expected {TYPE_NAMES[kind.__name__]}")
    return value


def expect_object(value: Any, name: str) -> dict[str, Any]:
    """Return a value that must be an object as a dictionary."""
    return cast(dict[str, Any], expect(dict, value, name))


def expect_list(kind: type[T], value: Any, name: str) -> tuple[T, ...]:
    """Return a value that must be a list with elements of one type as a tuple."""
    return tuple(expect(kind, one, f"an entry of {name}") for one in cast(list[Any], expect(list, value, name)))


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS or abs(value := int(digits)) >= LARGEST:
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
    for _ in range(MAX_DEPTH):
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
    return FormatError(f"JSON nested more than {MAX_DEPTH} deep")
