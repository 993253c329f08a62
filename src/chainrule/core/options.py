"""Checks of options by their annotations: the only definition of which Python and NumPy values count as numbers.

`checked` refuses values that an annotation excludes. If an annotation contains other types than those of `KINDS`,
tuples and mappings, the code that uses the option checks it.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import cache
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, cast, get_args, get_origin

from chainrule.errors import OptionError, quoted

CUSTOM_SUFFIX = " (own)"  # suffix for names of custom code in files, which do not contain the code


class Kind(NamedTuple):
    """The values of a type that are accepted, and their description in messages, in the singular and the plural."""

    accepts: Callable[[Any], bool]
    singular: str
    plural: str


def _instances(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


def is_integer(value: object) -> bool:
    """Return whether a value is a Python integer, and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite(value: object) -> bool:
    """Return whether a value is a Python integer or float within the range of floats, and not a bool."""
    is_float = isinstance(value, float) or is_integer(value)
    return is_float and -sys.float_info.max <= cast(float, value) <= sys.float_info.max


KINDS: dict[Any, Kind] = {
    int: Kind(is_integer, "a whole number", "whole numbers"),
    float: Kind(is_finite, "a finite number", "finite numbers"),
    bool: Kind(_instances(bool), "True or False", "booleans"),
    str: Kind(_instances(str), "a string", "strings"),
    Path: Kind(_instances(PathLike), "the name of a file or folder", "paths"),
    NoneType: Kind(_instances(NoneType), "None", "None"),
}


def plain(value: Any) -> Any:
    """Return Python numbers for NumPy scalars, and tuples for lists and arrays. Other values are returned unchanged."""
    if hasattr(value.__class__, "tolist"):  # the class is asked, as `Explained` objects search for similar names
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(plain(entry) for entry in cast("list[Any]", value))
    return value


def checked(owner: str, name: str, value: Any, annotation: Any) -> Any:
    """Return the value of an option, with NumPy scalars converted to Python numbers, and lists to tuples.

    owner   name of the class or function, for messages
    name    name of the option

    Errors  OptionError if the annotation excludes the value. NaN and infinity are not accepted as a `float`
    """
    converted = plain(value)
    if any(_conforms(converted, kind) for kind in _alternatives(annotation)):
        return converted
    expected = " or ".join(dict.fromkeys(_described(kind)[0] for kind in _alternatives(annotation)))
    raise OptionError(f"{owner}: {name} {quoted(value)}: expected {expected}")


@cache
def annotations(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function's parameters that `checked` supports, by name."""
    source: Any = inspect.unwrap(function)
    result = dict[str, Any]()
    for entry in inspect.signature(source).parameters.values():
        try:
            annotation = entry.annotation
            annotation = eval(annotation, source.__globals__) if isinstance(annotation, str) else annotation
        except NameError:  # imported for type checkers only
            continue
        if is_supported(annotation) and entry.kind not in (entry.VAR_POSITIONAL, entry.VAR_KEYWORD):
            result[entry.name] = annotation
    return result


def is_supported(annotation: Any) -> bool:
    """Return whether `checked` supports an annotation."""
    return all(map(_is_kind, _alternatives(annotation)))


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _is_kind(annotation: Any) -> bool:
    """Return whether an annotation is one of `KINDS`, a tuple or list of such kinds, or a mapping with such keys."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (tuple, list):
        return all(part is ... or _is_kind(part) for part in parts)
    return _is_kind(parts[0]) if origin is Mapping else origin is None and annotation in KINDS


def _conforms(value: Any, kind: Any) -> bool:
    """Return whether a value, converted with `plain`, is of a kind."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Mapping:
        items = cast("Mapping[Any, Any]", value).items() if isinstance(value, Mapping) else ((..., ...),)
        return all(
            _conforms(key, parts[0]) and (not _is_kind(parts[1]) or _conforms(part, parts[1])) for key, part in items
        )
    if origin not in (tuple, list):
        return KINDS[kind].accepts(value)
    entries = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (...,)
    kinds = parts[:1] * len(entries) if origin is list or parts[-1] is ... else parts
    return len(entries) == len(kinds) and all(map(_conforms, entries, kinds))


def _described(kind: Any) -> tuple[str, str]:
    """Return a description of the values of a kind, in the singular and the plural."""
    origin, parts = get_origin(kind), [part for part in get_args(kind) if part is not ...]
    if origin is Mapping:
        return "a dictionary", "dictionaries"
    if origin in (tuple, list):
        entries = " and ".join(dict.fromkeys(_described(part)[1] for part in parts))
        return f"a tuple of {entries}", f"tuples of {entries}"
    return KINDS[kind].singular, KINDS[kind].plural
