"""What the entries of a config.json must be: they may have been written by anybody.

Errors   KeyError (an entry is missing) or FormatError; `Job.from_config` names the file
"""

import math
from typing import Any, TypeVar, cast

from chainrule.errors import FormatError

T = TypeVar("T")

LARGEST = 2**63
CALLED = {"str": "a text", "int": "a whole number", "dict": "an object", "list": "a list"}


def of(kind: type[T], value: Any, name: str) -> T:
    """The value, if it is of a kind."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise FormatError(f"{name} is {_short(value)}; expected {CALLED[kind.__name__]}")
    return value


def entries(value: Any, name: str) -> dict[str, Any]:
    """The entries of an object."""
    return cast(dict[str, Any], of(dict, value, name))


def several(kind: type[T], value: Any, name: str) -> tuple[T, ...]:
    """The values of a list, if they are all of a kind."""
    return tuple(of(kind, one, f"an entry of {name}") for one in cast(list[Any], of(list, value, name)))


def sizes(value: Any, name: str = "config") -> None:
    """Refuse numbers that no run has: infinite, not a number, or whole and beyond 64 bits."""
    if isinstance(value, dict):
        for key, one in cast(dict[str, Any], value).items():
            sizes(one, key)
    elif isinstance(value, list):
        for one in cast(list[Any], value):
            sizes(one, name)
    elif isinstance(value, float) and not math.isfinite(value):
        raise FormatError(f"{name} is {value}; expected a finite number")
    elif isinstance(value, int) and abs(value) >= LARGEST:
        raise FormatError(f"{name} is a number of {value.bit_length()} bits; expected at most 63")


def data(value: Any) -> dict[str, Any]:
    """What config.json says of the data, with tuples for lists."""
    found = entries(value, "data").copy()
    of(str, found["name"], "name")
    for name in ("per_class", "limit"):
        if found[name] is not None:
            _positive(found[name], name)
    if found["only"] is not None:
        found["only"] = several(int, found["only"], "only")
    if found["size"] is not None:
        found["size"] = several(int, found["size"], "size")
        if len(found["size"]) != 2 or min(found["size"]) < 1:
            raise FormatError(f"size is {_short(found['size'])}; expected height and width")
    for name in ("training_samples", "test_samples"):
        _positive(found[name], name)
    for name in ("source", "fingerprint"):
        of(str, found[name], name)
    return found


def model(value: Any) -> dict[str, Any]:
    """What config.json says of the model; its layers are looked at when it is built."""
    found = entries(value, "model")
    for name in ("name", "dtype", "loss"):
        of(str, found[name], name)
    several(int, found["input_shape"], "input_shape")
    several(str, found["classes"], "classes")
    several(dict, found["layers"], "layers")
    of(dict, found["normalisation"], "normalisation")
    return found


def _positive(value: Any, name: str) -> None:
    if of(int, value, name) < 1:
        raise FormatError(f"{name} is {value}; expected at least 1")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 50 else f"{text[:47]}…"
