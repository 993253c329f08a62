"""Checks of options: their names, and their values by their annotations.

This is the only definition of which Python and NumPy values count as numbers. `checked` refuses values that an
annotation excludes. If an annotation contains other types than those of `KINDS`, tuples and mappings, the code that
uses the option checks it. `checked_options` checks the arguments of a function or a class.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, Union, Unpack, cast, get_args, get_origin

from chainrule.core.words import order_hint, unknown_option
from chainrule.errors import OptionError, quoted

C = TypeVar("C", bound=Callable[..., Any])
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
    if hasattr(value.__class__, "tolist"):
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


class Arguments:
    """The arguments of a function, for checks of calls.

    names        names of the options, including those of ``**options: Unpack[…]``; None: it checks its ``**options``
    positional   names of the parameters that can be passed by position, without ``self``
    most         largest number of such arguments
    """

    def __init__(self, function: Callable[..., object], what: str) -> None:
        self.what = what
        self._function = inspect.unwrap(function)
        self.positional = list[str]()
        self._required = list[str]()
        self.most = 0
        self._named = dict[str, object]()  # annotations
        is_open = False
        for entry in inspect.signature(self._function).parameters.values():
            if entry.kind is entry.VAR_KEYWORD:
                further = _evaluated(entry.annotation, self._function)
                is_open = get_origin(further) is not Unpack
                if not is_open:
                    self._named |= get_args(further)[0].__annotations__
            elif entry.kind is entry.VAR_POSITIONAL:
                self.most = sys.maxsize
            elif entry.name != "self":
                self._named.setdefault(entry.name, entry.annotation)
                if entry.kind is not entry.KEYWORD_ONLY:
                    self.positional.append(entry.name)
                    if entry.default is entry.empty:
                        self._required.append(entry.name)
        self.names = None if is_open else list(self._named)
        self.most = max(self.most, len(self.positional))
        self._kinds: dict[str, object] | None = None

    @property
    def kinds(self) -> dict[str, object]:
        """Annotations of the options that `checked` supports, when called: they may name what is defined later."""
        if self._kinds is None:
            self._kinds = {}
            for name, annotation in self._named.items():
                kind = _evaluated(annotation, self._function)
                if is_supported(kind):
                    self._kinds[name] = kind
        return self._kinds

    def checked(self, args: Sequence[object], options: Mapping[str, object]) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of a call, without ``self``, with converted values.

        Errors   OptionError for an unknown or missing option, too many values without names, or a value of another kind
        """
        if self.names is not None:
            for option in options:
                if option not in self.names:
                    raise unknown_option(option, self.names, self.what)
        if len(args) > self.most:
            expected = f"expected {', '.join(self.positional) or 'no values'}"
            others = list(self.names or ())[len(self.positional) :]
            if others:
                expected += f"; pass {', '.join(others)} by name"
            raise OptionError(f"{self.what}: {len(args)} values without names; {expected}{order_hint(self.what, args)}")
        for name in self._required[len(args) :]:
            if name not in options:
                expected = f"expected {self.what}({', '.join(self.positional)}, …)"
                raise OptionError(f"{self.what}: missing a required argument: {name!r}; {expected}")
        kinds = self.kinds
        values = list[Any](args)
        for index, name in enumerate(self.positional[: len(args)]):
            if name in kinds:
                values[index] = checked(self.what, name, args[index], kinds[name])
        checked_options = dict[str, Any](options)
        for name in options.keys() & kinds.keys():
            checked_options[name] = checked(self.what, name, options[name], kinds[name])
        return values, checked_options


def checked_options(function: C) -> C:
    """Return a function, or a class, with the same signature that checks its arguments (`Arguments.checked`).

    If the function has ``**options`` without `Unpack`, it checks these itself.
    """
    if isinstance(function, type):
        kind: Any = function
        kind.__init__ = checked_options(kind.__init__)
        return cast(C, kind)
    owner, _, name = function.__qualname__.rpartition(".")
    is_method = [*inspect.signature(function).parameters][:1] == ["self"]
    arguments = Arguments(function, owner.rpartition(".")[2] if name == "__init__" else name)

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        values, named = arguments.checked(args[is_method:], options)
        return function(*args[:is_method], *values, **named)

    return cast(C, call)


def _evaluated(annotation: object, function: Callable[..., Any]) -> object:
    """Return an annotation as a type; as text if it contains names that are imported for type checkers only."""
    if isinstance(annotation, str):
        try:
            return eval(annotation, function.__globals__)
        except NameError:
            return annotation
    return annotation


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
