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
from types import ModuleType
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
    hints = dict[str, str]()
    for advice, words in tables["advice"].items():
        for word in words.split():
            hints[_plain(word)] = advice
    return {**tables, "hints": hints}


def advice_for(word: str) -> str | None:
    """Return what to do instead of using a word of another library or an earlier version; None if nothing is known."""
    return vocabulary()["hints"].get(_plain(word))


def attribute_error(owner: str, name: str, attributes: Iterable[str], instance: object) -> AttributeError:
    """Return the error for an unknown attribute, with a hint if another library has it or its name is similar.

    owner        name of the module or class
    attributes   names of the known attributes
    instance     the module or object
    """
    if name.startswith("_"):  # looked up by Python, copy and pickle
        return AttributeError(name)
    official = {_plain(attribute): attribute for attribute in attributes}
    advice = advice_for(name)
    close = get_close_matches(_plain(name), official, 1, 0.75)
    message = f"{owner} has no attribute {name!r}"
    if advice:
        message = f"{message}: {advice}"
    elif close:
        message = f"{message}; did you mean {official[close[0]]}?"
    else:  # Python may suggest another
        return AttributeError(message, name=name, obj=instance)
    return AttributeError(message, name=None, obj=None)


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


def public_module(name: str) -> ModuleType:
    """Import a module whose public names users see, with hints for others: those in its ``__all__``, if it has one."""
    module = importlib.import_module(name)

    def names() -> list[str]:
        return vars(module).get("__all__") or sorted(vars(module))

    def explain(attribute: str) -> None:
        raise attribute_error(f"module {name!r}", attribute, names(), module)

    vars(module).setdefault("__dir__", names)
    vars(module).setdefault("__getattr__", explain)
    return module


def match_name(name: object, names: Iterable[str]) -> str | None:
    """Return the name that equals another name except for case and separators, or is its synonym; None for none."""
    if not isinstance(name, str):
        return None
    official = {_plain(candidate): candidate for candidate in names}
    plain = _plain(name)
    return official.get(plain) or official.get(_plain(vocabulary()["names"].get(plain, "")))


def translated(options: Mapping[str, object], parameters: Mapping[str, object], what: str) -> dict[str, object]:
    """Return options with the words of this library.

    parameters   parameters of the called function, by name
    what         name of the function, for messages

    Errors   OptionError for an unknown option, with a hint
    """
    result: dict[str, object] = {}
    for option, value in options.items():
        parameter = _parameter_of(option, parameters)
        if parameter is None:
            if option in IGNORED:
                continue
            raise _unknown_option(option, [name for name in parameters if name != "self"], what)
        if parameter in result or (parameter != option and parameter in options):
            raise OptionError(f"{what}: {option} and {parameter} mean the same; pass only {parameter}")
        result[parameter] = bool(value) if option == "verbose" else value
    return result


def _parameter_of(option: str, parameters: Mapping[str, object]) -> str | None:
    """Return the parameter that an option means: the one with its name, or a synonym."""
    synonyms = vocabulary()["options"].get(option, "").split()
    for name in (option, *synonyms):
        if name in parameters:
            return name
    return None


def checked_options(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that accepts the common words for its options, explains unknown options, and checks values.

    If the function has ``**options``, it checks these itself.
    """
    return checked_options_with(None)(function)


class _Parameters:
    """The parameters of a function.

    signature    with the further options
    is_open      whether the function checks its ``**options`` itself
    positional   names of the parameters that can be passed by position
    required     those among them without a default
    most         largest number of arguments that can be passed by position
    """

    def __init__(
        self, function: Callable[..., object], further: Mapping[str, object] | None, defaults: Mapping[str, object]
    ) -> None:
        own = inspect.signature(function)
        named = list[inspect.Parameter]()
        self.is_open = False
        self.positional = list[str]()
        self.required = list[str]()
        self.most = 0
        for entry in own.parameters.values():
            if entry.kind is entry.VAR_KEYWORD:
                self.is_open = further is None
                continue
            named.append(entry)
            if entry.kind is entry.VAR_POSITIONAL:
                self.most = sys.maxsize
            if entry.kind is entry.POSITIONAL_OR_KEYWORD:
                self.positional.append(entry.name)
                if entry.default is entry.empty:
                    self.required.append(entry.name)
        self.most = max(self.most, len(self.positional))
        for name, annotation in (further or {}).items():
            if name not in own.parameters:
                shown = annotation if is_supported(annotation) else inspect.Parameter.empty
                default = defaults.get(name)
                option = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=shown)
                named.append(option)
        self.signature = own
        if not self.is_open:
            self.signature = own.replace(parameters=named)


def checked_options_with(
    further: Mapping[str, object] | None, defaults: Mapping[str, object] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator like `checked_options` for a function with ``**options``.

    further   annotations of these options, by name; None: the function checks them itself
    defaults  their defaults, for the signature; None if missing
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = _Parameters(function, further, defaults or {})
        signature = parameters.signature
        positional = parameters.positional
        owner, _, name = function.__qualname__.rpartition(".")
        what = owner.rpartition(".")[2] if name == "__init__" else name

        @cache
        def types() -> dict[str, object]:  # when called, because annotations may name what is defined later
            kinds = dict(annotations(function))
            for option, kind in (further or {}).items():
                if is_supported(kind):
                    kinds[option] = kind
            return kinds

        @cache
        def unchecked() -> int:  # number of positional arguments before the first that is checked
            for index, parameter in enumerate(positional):
                if parameter in types():
                    return index
            return parameters.most

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if not kwargs and len(parameters.required) <= len(args) <= unchecked():
                return function(*args, **kwargs)
            options: dict[str, object] = dict(kwargs)
            if not parameters.is_open and not kwargs.keys() <= signature.parameters.keys():
                options = translated(kwargs, signature.parameters, what)
            required = parameters.required[len(args) :]
            if len(args) > parameters.most or not options.keys() >= set(required):
                _bind(what, signature, args, options)
            kinds = types()
            values = list[object](args)
            for index, parameter in enumerate(positional[: len(args)]):
                if parameter in kinds:
                    values[index] = checked(what, parameter, args[index], kinds[parameter])
            for option in options.keys() & kinds.keys():
                options[option] = checked(what, option, options[option], kinds[option])
            return function(*values, **options)  # pyright: ignore[reportCallIssue]

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

            def explain(instance: object, option: str, new: object) -> None:
                try:
                    value(instance, option, new)
                except FrozenInstanceError as error:
                    hint = advice_for(option) or "create an object with other options"
                    raise FrozenInstanceError(f"{error}: {hint}") from None

            if name == "__init__":
                value = checked_options_with(cls.further_options)(value)
            elif name == "__setattr__":
                super().__setattr__(name, explain)
                return
            super().__setattr__(name, value)

    @property
    def __signature__(cls) -> inspect.Signature:
        """Signature of the class, for `help` and editors."""
        return _class_signature(cls)

    @property
    def further_options(cls) -> Mapping[str, object] | None:
        """Annotations of options that ``__init__`` does not name, by name; None: it checks its ``**options`` itself."""
        return None


@cache
def _class_signature(cls: type) -> inspect.Signature:
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

        def __setattr__(self, name: str, value: object) -> None:
            """Set an attribute; AttributeError with a hint if it is unknown."""
            if self._is_complete and not (name in vars(self) or name.startswith("_") or hasattr(type(self), name)):
                self.__getattr__(name)
            super().__setattr__(name, value)


def _bind(what: str, signature: inspect.Signature, args: tuple[object, ...], options: Mapping[str, object]) -> None:
    """Raise OptionError if the arguments of a call are too many or too few."""
    values = args
    positional = list[str]()
    others = list[str]()
    is_limited = True
    for entry in signature.parameters.values():
        if entry.name == "self":
            values = args[1:]
        elif entry.kind is entry.KEYWORD_ONLY:
            others.append(entry.name)
        elif entry.kind is not entry.VAR_KEYWORD:
            positional.append(entry.name)
        is_limited &= entry.kind is not entry.VAR_POSITIONAL
    names = ", ".join(positional) or "no values"
    hint = _argument_hint(what, values)
    if is_limited and len(values) > len(positional):
        if others:
            hint = f"; pass {', '.join(others)} by name{hint}"
        raise OptionError(f"{what}: {len(values)} values without names; expected {names}{hint}")
    try:
        signature.bind(*args, **options)
    except TypeError as error:
        raise OptionError(f"{what}: {error}; expected {what}({names}, …){hint}") from None


def _argument_hint(name: str, args: tuple[object, ...]) -> str:
    """Return a hint for the argument order of PyTorch or the name of the function; "" if there is none."""
    if name.startswith("Conv") and len(args) >= 3:
        return f"; input channels follow from the input shape: {name}({args[1]!r}, {args[2]!r})"
    advice = advice_for(name)
    return f"; {advice}" if advice else ""


def _unknown_option(option: str, options: list[str], what: str) -> OptionError:
    advice = advice_for(option)
    if advice:
        return OptionError(f"{what} has no option {option}: {advice}")
    close = get_close_matches(option, options, 1)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(options)}"
    return OptionError(f"{what} has no option {option}; {hint}")


def _plain(name: str) -> str:
    return name.casefold().translate(str.maketrans("", "", "_- "))
