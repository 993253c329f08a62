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

    accepts: Callable[[object], bool]
    singular: str
    plural: str


class Description(NamedTuple):
    """A description of accepted values for messages."""

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


KINDS: dict[object, Kind] = {
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


def checked(owner: str, name: str, value: object, annotation: object) -> Any:
    """Return the value of an option, with NumPy scalars converted to Python numbers, and lists to tuples.

    owner   name of the class or function, for messages
    name    name of the option

    Errors  OptionError if the annotation excludes the value. NaN and infinity are not accepted as a `float`
    """
    converted = plain(value)
    kinds = _alternatives(annotation)
    for kind in kinds:
        if _conforms(converted, kind):
            return converted
    expected = dict.fromkeys(_description(kind).singular for kind in kinds)
    raise OptionError(f"{owner}: {name} {quoted(value)}: expected {' or '.join(expected)}")


@cache
def annotations(function: Callable[..., object]) -> dict[str, object]:
    """Return the annotations of a function's parameters that `checked` supports, by name."""
    source: Any = inspect.unwrap(function)
    result = dict[str, object]()
    for entry in inspect.signature(source).parameters.values():
        if entry.kind in (entry.VAR_POSITIONAL, entry.VAR_KEYWORD):
            continue
        annotation = entry.annotation
        if isinstance(annotation, str):
            try:
                annotation = eval(annotation, source.__globals__)
            except NameError:  # imported for type checkers only
                continue
        if is_supported(annotation):
            result[entry.name] = annotation
    return result


def is_supported(annotation: object) -> bool:
    """Return whether `checked` supports an annotation."""
    return all(map(_is_kind, _alternatives(annotation)))


def _alternatives(annotation: object) -> tuple[object, ...]:
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)


def _is_kind(annotation: object) -> bool:
    """Return whether an annotation is one of `KINDS`, a tuple or list of such kinds, or a mapping with such keys."""
    origin = get_origin(annotation)
    parts = get_args(annotation)
    if origin in (tuple, list):
        return all(part is ... or _is_kind(part) for part in parts)
    if origin is Mapping:
        return _is_kind(parts[0])
    return origin is None and annotation in KINDS


def _conforms(value: object, kind: object) -> bool:
    """Return whether a value, converted with `plain`, is of a kind."""
    origin = get_origin(kind)
    parts = get_args(kind)
    if origin is Mapping:
        return isinstance(value, Mapping) and _entries_conform(cast("Mapping[object, object]", value), *parts)
    if origin not in (tuple, list):
        return KINDS[kind].accepts(value)
    if not isinstance(value, tuple):
        return False
    entries = cast("tuple[object, ...]", value)
    if origin is list or parts[-1] is ...:
        parts = parts[:1] * len(entries)
    return len(entries) == len(parts) and all(map(_conforms, entries, parts))


def _entries_conform(mapping: Mapping[object, object], key_kind: object, value_kind: object) -> bool:
    """Return whether keys and values are of these kinds; values of other kinds than `KINDS` are not checked."""
    for key, value in mapping.items():
        if not _conforms(key, key_kind):
            return False
        if _is_kind(value_kind) and not _conforms(value, value_kind):
            return False
    return True


def _description(kind: object) -> Description:
    """Return a description of the values of a kind."""
    origin = get_origin(kind)
    if origin is Mapping:
        return Description("a dictionary", "dictionaries")
    if origin in (tuple, list):
        parts = dict.fromkeys(_description(part).plural for part in get_args(kind) if part is not ...)
        entries = " and ".join(parts)
        return Description(f"a tuple of {entries}", f"tuples of {entries}")
    return Description(KINDS[kind].singular, KINDS[kind].plural)
