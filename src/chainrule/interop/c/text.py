"""Text of C: names, numbers, strings and arrays."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "auto break case char const continue default do double else enum extern float for goto if inline int long "
        "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while",
    )
)
WIDTH = 116


def identifier(name: str) -> str:
    """Return a C identifier like a name: conv1.w → conv1_w."""
    found = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"n_{found}" if not found[:1].isalpha() or found in KEYWORDS else found


def number(value: float) -> str:
    """Return a float32 constant with the bits of a value: 0.1 → 0x1.99999ap-4f."""
    rounded = float(np.float32(value))
    if rounded != rounded:
        return "NAN"
    if rounded in (float("inf"), float("-inf")):
        return "INFINITY" if rounded > 0 else "-INFINITY"
    if rounded == int(rounded) and abs(rounded) < 1000:
        return f"{'-' if str(rounded)[0] == '-' else ''}{abs(int(rounded))}.0f"
    digits, exponent = rounded.hex().split("p")
    return f"{digits.rstrip('0').rstrip('.')}p{exponent}f"


def string(value: str) -> str:
    """Return a string constant; bytes that are not plain ASCII, and question marks, are octal."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}" for byte in value.encode())
    return f'"{"".join(plain)}"'


def array(name: str, values: NDArray[Any], kind: str = "ALIGNED static const float") -> str:
    """Return the definition of an array."""
    shown = number if values.dtype.kind == "f" else str
    return f"{kind} {name}[{values.size}] = {{\n{_lines(map(shown, values.reshape(-1).tolist()))}}};\n"


def _lines(entries: Iterable[str]) -> str:
    lines, line = list[str](), "   "
    for entry in entries:
        if len(line) + len(entry) > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {entry},"
    return "\n".join([*lines, line]) + "\n"
