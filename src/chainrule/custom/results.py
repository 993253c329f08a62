"""Results of a learner's `backward`: dx alone, dx with gradients in order, or with a dictionary of them."""

from collections.abc import Mapping
from typing import Any, cast

from chainrule.errors import StudentError


def split(result: Any, label: str, names: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """Return dx, and the gradients returned with it by name.

    names   parameters of plain functions, in the order of their gradients
    """
    if isinstance(result, Mapping):
        entries = _entries(result, label)
        if "dx" not in entries:
            raise StudentError(f"{label} returned a dictionary without 'dx': {', '.join(entries) or 'empty'}")
        return entries.pop("dx"), entries
    parts = list(cast("tuple[Any, ...]", result)) if isinstance(result, tuple | list) else list[Any]()
    if len(parts) == 2 and isinstance(parts[1], Mapping):
        return parts[0], _entries(parts[1], label)
    if names and len(parts) == 1 + len(names):
        return parts[0], {f"d{name}": gradient for name, gradient in zip(names, parts[1:], strict=True)}
    if isinstance(result, tuple):
        expected = ", ".join(["dx", *(f"d{name}" for name in names)])
        raise StudentError(f"{label} returned {len(parts)} values; expected {expected}, or dx and a dictionary")
    return cast("Any", result), {}


def _entries(given: Any, label: str) -> dict[str, Any]:
    entries = dict(cast("Mapping[Any, Any]", given))
    for key in entries:
        if not isinstance(key, str):
            raise StudentError(f"{label} returned a dictionary with the key {key!r}; expected names such as 'dw'")
    return entries
