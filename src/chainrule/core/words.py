"""Decorator and metaclass for options: checks of their values, and words of other libraries.

words.toml contains words of other libraries: options and names that are accepted, because they mean the same, and words
that errors explain. Values are checked by the annotations of the options; see `core.options`.
"""

import importlib
import inspect
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import FrozenInstanceError
from difflib import get_close_matches
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from chainrule.core.options import annotations, checked, is_supported
from chainrule.errors import OptionError

P = ParamSpec("P")
R = TypeVar("R")

IGNORED = ("verbose",)  # options without effect on functions that print nothing


@cache
def vocabulary() -> dict[str, dict[str, str]]:
    """Return the tables options, names and advice of words.toml, and hints, the advice by word without its case."""
    tables = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    entries = tables["advice"].items()
    return tables | {"hints": {_plain(word): advice for advice, words in entries for word in words.split()}}


def _advice(word: str) -> str | None:
    """Return what to do instead of using a word of another library; None if nothing is known."""
    return vocabulary()["hints"].get(_plain(word))


def attribute_error(owner: str, name: str, attributes: Iterable[str], instance: Any) -> AttributeError:
    """Return the error for an unknown attribute, with a hint if another library has it or its name is similar.

    owner        name of the module or class
    attributes   names of the known attributes
    instance     the module or object
    """
    if name.startswith("_"):  # looked up by Python, copy and pickle
        return AttributeError(name)
    official = {_plain(attribute): attribute for attribute in attributes}
    close = [official[match] for match in get_close_matches(_plain(name), official, 1, 0.75)]
    advice = _advice(name)
    hint = f": {advice}" if advice else "".join(f"; did you mean {match}?" for match in close)
    context = {"name": None, "obj": None} if hint else {"name": name, "obj": instance}  # Python may suggest another
    return AttributeError(f"{owner} has no attribute {name!r}{hint}", **context)


def module_attributes(package: str, files: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions ``__getattr__`` and ``__dir__`` of a package, whose names are imported on first use.

    files   file of the package → the names that it defines, separated by spaces; empty: those in its ``__all__``. Files
            are imported in this order until one has the name

    Errors   AttributeError for an unknown name, with a hint
    """
    module = sys.modules[package]

    @cache  # a package of many files is not searched again
    def find(name: str) -> Any:
        public: list[str] = []
        for file, listed in files.items():
            public += listed.split() or importlib.import_module(f"{package}.{file}").__all__
            if name in public:
                return getattr(importlib.import_module(f"{package}.{file}"), name)
        if name == "__all__":
            return public
        raise attribute_error(f"module {package!r}", name, names(), module)

    def names() -> list[str]:
        return sorted({*vars(module), *find("__all__")})

    return find, names


def match_name(name: Any, names: Iterable[str]) -> str | None:
    """Return the name that equals another name except for case and separators, or is its synonym; None for none."""
    if not isinstance(name, str):
        return None
    official = {_plain(candidate): candidate for candidate in names}
    plain = _plain(name)
    return official.get(plain) or official.get(_plain(vocabulary()["names"].get(plain, "")))


def translated(options: Mapping[str, Any], parameters: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return options with the words of this library.

    parameters   parameters of the called function, by name
    what         name of the function, for messages

    Errors   OptionError for an unknown option, with a hint
    """
    result: dict[str, Any] = {}
    for option, value in options.items():
        synonyms = [option, *vocabulary()["options"].get(option, "").split()]
        parameter = next((name for name in synonyms if name in parameters), None)
        if parameter is None and option in IGNORED:
            continue
        if parameter is None:
            raise _unknown_option(option, [name for name in parameters if name != "self"], what)
        if parameter in result or (parameter != option and parameter in options):
            raise OptionError(f"{what}: {option} and {parameter} mean the same; pass only {parameter}")
        result[parameter] = bool(value) if option == "verbose" else value
    return result


def checked_options(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that accepts the common words for its options, explains unknown options, and checks values."""
    return checked_options_with({})(function)


def checked_options_with(
    further: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator like `checked_options` for a function with ``**options``.

    further   annotations of these options, by name; empty: the function checks them itself
    defaults  their defaults, for the signature; None if missing
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        named = [entry for entry in signature.parameters.values() if entry.kind is not entry.VAR_KEYWORD]
        is_open = len(named) < len(signature.parameters) and not further
        supported = {name: kind for name, kind in further.items() if is_supported(kind)}
        others = [
            inspect.Parameter(
                *(name, inspect.Parameter.KEYWORD_ONLY),
                default=(defaults or {}).get(name),
                annotation=supported.get(name, inspect.Parameter.empty),
            )
            for name in further
            if name not in signature.parameters
        ]
        signature = signature if is_open else signature.replace(parameters=[*named, *others])

        @cache
        def types() -> dict[str, Any]:  # when called, because annotations may name what is defined later
            return annotations(function) | supported

        @cache
        def unchecked() -> int:  # number of positional arguments before the first that is checked
            return next((index for index, name in enumerate(positional) if name in types()), most)

        positional = [entry.name for entry in named if entry.kind is entry.POSITIONAL_OR_KEYWORD]
        required = [entry.name for entry in named if entry.default is entry.empty and entry.name in positional]
        most = sys.maxsize if any(entry.kind is entry.VAR_POSITIONAL for entry in named) else len(positional)
        owner, _, name = function.__qualname__.rpartition(".")
        what = owner.rpartition(".")[2] if name == "__init__" else name

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if not kwargs and len(required) <= len(args) <= unchecked():
                return function(*args, **kwargs)
            is_known = is_open or kwargs.keys() <= signature.parameters.keys()
            options: dict[str, Any] = {**kwargs} if is_known else translated(kwargs, signature.parameters, what)
            if len(args) > most or not options.keys() >= {*required[len(args) :]}:
                _bind(what, signature, args, options)
            kinds = types()
            values = [
                checked(what, name, value, kinds[name]) if name in kinds else value
                for name, value in zip(positional, args, strict=False)
            ]
            for name in options.keys() & kinds.keys():
                options[name] = checked(what, name, options[name], kinds[name])
            return function(*values, *args[len(positional) :], **options)  # pyright: ignore[reportCallIssue]

        call.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]
        return call

    return decorate


class CheckedOptions(type):
    """Metaclass of classes with options, whose values are checked, and which may be passed by their common words."""

    if not TYPE_CHECKING:  # type checkers read the signature of each class

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            """Create an object, which from then on accepts no further attributes if it is `Explained`."""
            instance = super().__call__(*args, **kwargs)
            if isinstance(instance, Explained):
                vars(instance)["_is_complete"] = True
            return instance

        def __setattr__(cls, name: str, value: Any) -> None:
            """Set an attribute of the class. `dataclass` thus sets the methods that are changed here."""

            def explain(instance: Any, option: str, new: Any) -> None:
                try:
                    value(instance, option, new)
                except FrozenInstanceError as error:
                    hint = _advice(option) or "create an object with other options"
                    raise FrozenInstanceError(f"{error}: {hint}") from None

            if name == "__init__":
                value = checked_options_with(cls.further_options)(value)
            super().__setattr__(name, explain if name == "__setattr__" else value)

    @property
    def __signature__(cls) -> inspect.Signature:
        """Signature of the class, for `help` and editors."""
        return _class_signature(cls)

    @property
    def further_options(cls) -> Mapping[str, Any]:
        """Annotations of options that are not passed to ``__init__``, by name."""
        return {}


@cache
def _class_signature(cls: Any) -> inspect.Signature:
    signature = inspect.signature(cls.__init__)
    return signature.replace(parameters=[*signature.parameters.values()][1:])


class Explained(metaclass=CheckedOptions):
    """Base class of objects that explain unknown attributes, and accept none that `__init__` or the class has not set.

    Private attributes are accepted.
    """

    _is_complete = False

    if not TYPE_CHECKING:  # type checkers report unknown attributes

        def __getattr__(self, name: str) -> Any:
            """Raise AttributeError with a hint if another library has such an attribute."""
            if name.startswith("_"):  # looked up by Python, copy and pickle
                raise AttributeError(name)
            raise attribute_error(type(self).__name__, name, dir(self), self)

        def __setattr__(self, name: str, value: Any) -> None:
            """Set an attribute; AttributeError with a hint if it is unknown."""
            if self._is_complete and not (name in vars(self) or name.startswith("_") or hasattr(type(self), name)):
                self.__getattr__(name)
            super().__setattr__(name, value)


def _bind(what: str, signature: inspect.Signature, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """Raise OptionError if the arguments of a call are too many or too few."""
    entries = [entry for entry in signature.parameters.values() if entry.name != "self"]
    values = args[len(signature.parameters) - len(entries) :]
    positional = [entry for entry in entries if entry.kind is not entry.KEYWORD_ONLY]
    names = ", ".join(entry.name for entry in positional if entry.kind is not entry.VAR_KEYWORD) or "no values"
    if len(values) > len(positional) and not any(entry.kind is entry.VAR_POSITIONAL for entry in positional):
        others = ", ".join(entry.name for entry in entries if entry.kind is entry.KEYWORD_ONLY)
        hint = (f"; pass {others} by name" if others else "") + _argument_hint(what, values)
        raise OptionError(f"{what}: {len(values)} values without names; expected {names}{hint}")
    try:
        signature.bind(*args, **options)
    except TypeError as error:
        hint = _argument_hint(what, values)
        raise OptionError(f"{what}: {error}; expected {what}({names}, …){hint}") from None


def _argument_hint(name: str, args: tuple[Any, ...]) -> str:
    """Return a hint for the argument order of PyTorch or the name of the function; "" if there is none."""
    if not name.startswith("Conv") or len(args) < 3:
        return f"; {advice}" if (advice := _advice(name)) else ""
    return f"; input channels follow from the input shape: {name}({args[1]!r}, {args[2]!r})"


def _unknown_option(option: str, options: list[str], what: str) -> OptionError:
    if advice := _advice(option):
        return OptionError(f"{what} has no option {option}: {advice}")
    close = get_close_matches(option, options, 1)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(options)}"
    return OptionError(f"{what} has no option {option}; {hint}")


def _plain(name: str) -> str:
    return name.casefold().translate(str.maketrans("", "", "_- "))
