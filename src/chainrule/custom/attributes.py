"""The arrays and numbers that a learner's object holds: in attributes, containers and nested objects.

A name is a dotted path: w, params.W, conv.w, layers.0.b, weight.grad.
"""

import sys
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, cast

import numpy as np

from chainrule.custom.calls import Array, is_numeric
from chainrule.errors import StudentError

DEPTH, DEEPEST = 4, 32  # levels of nesting: in any object; in objects that are not of the standard library
MOST = 5000  # most names
OPAQUE = (ModuleType, FunctionType, MethodType, BuiltinFunctionType, type, str, bytes, np.random.Generator)


def names(thing: Any) -> tuple[str, ...]:
    """Return the names of all numbers and arrays in an object, in the order of its attributes.

    StudentError if there are too many: a parameter among those left out would never be checked.
    """
    found: list[str] = []
    for name in _walk(thing, "", 1, {id(thing)}):
        found.append(name)
        if len(found) > MOST:
            raise StudentError(
                f"{type(thing).__name__} holds more than {MOST:,} arrays and numbers, among which parameters cannot be "
                "found: keep logs and data elsewhere"
            )
    return tuple(found)


def has(thing: Any, name: str) -> bool:
    """Return whether an object has an attribute or entry of that name."""
    try:
        find(thing, name)
    except (AttributeError, KeyError, IndexError, ValueError, TypeError):
        return False
    return True


def find(thing: Any, name: str) -> Any:
    """Return the attribute or entry of an object under a name."""
    for part in name.split("."):
        thing = _part(thing, part)
    return thing


def put(thing: Any, name: str, value: Array) -> None:
    """Replace the value under a name, keeping its type: array, number, list or tuple."""
    *path, last = name.split(".")
    owner = find(thing, ".".join(path)) if path else thing
    kept: Any = value
    old = _part(owner, last)
    if isinstance(old, list | tuple):
        kept = type(cast("list[Any]", old))(value.tolist())
    elif value.ndim == 0 and not isinstance(old, np.ndarray):
        kept = value.item()
    if isinstance(owner, dict):
        owner[_key(cast("dict[Any, Any]", owner), last)] = kept
    elif isinstance(owner, list):
        owner[int(last)] = kept
    elif isinstance(owner, tuple):
        raise StudentError(f"{name} is an entry of a tuple, which cannot be changed: use a list")
    else:
        setattr(owner, last, kept)


def _walk(thing: Any, prefix: str, depth: int, seen: set[int]) -> Iterator[str]:
    for key, value in _parts(thing):
        name = prefix + key
        whole = is_numeric(value) and not _holds_arrays(value)
        if whole:
            yield name
        if _is_entered(value, depth) and id(value) not in seen and (not whole or _has_attributes(value)):
            seen.add(id(value))
            yield from _walk(value, f"{name}.", depth + 1, seen)


def _is_entered(value: Any, depth: int) -> bool:
    """Return whether the parts of a value at this level of nesting are listed too."""
    if depth < DEPTH or isinstance(value, Mapping | list | tuple):
        return depth < DEEPEST
    return depth < DEEPEST and type(value).__module__.partition(".")[0] not in sys.stdlib_module_names


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parts of an object, a dictionary or a list, with their names."""
    if isinstance(thing, Mapping):
        yield from ((str(key), value) for key, value in list(cast("Mapping[Any, Any]", thing).items()))
    elif isinstance(thing, list | tuple):
        yield from ((str(place), value) for place, value in enumerate(cast("list[Any]", thing)))
    elif not isinstance(thing, OPAQUE):
        for name in _attributes(thing):
            value = getattr(thing, name, None)
            if not isinstance(value, OPAQUE):
                yield name, value


def _attributes(thing: Any) -> list[str]:
    """Return the names of an object's own attributes and of its classes' data."""
    if isinstance(thing, np.ndarray):
        return [*getattr(cast("Any", thing), "__dict__", {})]
    found = dict.fromkeys(getattr(thing, "__dict__", {}))
    for base in type(thing).__mro__:
        if getattr(base, "__module__", "") not in ("builtins", "numpy"):
            data = [name for name, value in vars(base).items() if not hasattr(value, "__get__")]
            found |= dict.fromkeys([*_slots(base), *data])
    return [name for name in found if not name.startswith("__") and hasattr(thing, name)]


def _slots(base: type) -> tuple[str, ...]:
    slots: Any = vars(base).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _has_attributes(value: Any) -> bool:
    return isinstance(value, np.ndarray) and bool(getattr(cast("Any", value), "__dict__", None))


def _holds_arrays(value: Any) -> bool:
    """Return whether a list holds arrays, each of which is a part of its own."""
    return isinstance(value, list | tuple) and any(isinstance(part, np.ndarray) for part in cast("list[Any]", value))


def _part(thing: Any, name: str) -> Any:
    if isinstance(thing, Mapping):
        return cast("Mapping[Any, Any]", thing)[_key(cast("Mapping[Any, Any]", thing), name)]
    if isinstance(thing, list | tuple):
        return cast("list[Any]", thing)[int(name)]
    return getattr(thing, name)


def _key(thing: Mapping[Any, Any], name: str) -> Any:
    """Return the key whose text is this name."""
    return next((key for key in thing if str(key) == name), name)
