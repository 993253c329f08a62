"""What a learner's file contains: the calls of its functions and classes as text, and the places of its arrays.

    self = Conv2d(in_channels, out_channels, stride=1)
    self.forward(x, training=True)
    conv_forward(x, w, b, conv_param)

A default that is a number, a text, a truth value or None follows =, one that is a tuple is (); *name is passed by name.
"""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

import numpy as np

from chainrule.custom.calls import Array, code_of, is_numeric
from chainrule.custom.names import NAMES
from chainrule.custom.tensors import is_tensor, to_arrays

MAX_DEPTH, MAX_PLACES = 5, 2000
SPECIAL = ("__call__",)
CONTEXTS = tuple(NAMES.contexts)
OPAQUE = (ModuleType, FunctionType, type, str, bytes, np.random.Generator)


@dataclass(frozen=True)
class CallSignature:
    """A call of a learner's code.

    name       what is called, such as self.update; that of a constructor begins with "self = "
    arguments  default of each argument by name, as text; None if it is required
    named      arguments that are passed by name only
    """

    name: str
    arguments: Mapping[str, str | None]
    named: Sequence[str]
    is_value: bool = False  # whether nothing is called: self = layer

    @classmethod
    def of(cls, text: str) -> "CallSignature":
        """Return the signature with a text such as "self.update(w, dw, *step, rate=0.1)"."""
        name, _, rest = text.removesuffix(")").partition("(")
        arguments = dict[str, str | None]()
        named = list[str]()
        for argument in filter(None, rest.split(", ")):
            plain, equals, default = argument.removeprefix("*").partition("=")
            arguments[plain] = default if equals else None
            if argument.startswith("*"):
                named.append(plain)
        return cls(name, arguments, named, not text.endswith(")"))

    @property
    def required(self) -> list[str]:
        """Arguments without a default."""
        return [argument for argument, default in self.arguments.items() if default is None]

    def call(self, values: Mapping[str, str]) -> str:
        """Return the call with these values by argument; those after an argument without a value are named."""
        if self.is_value:
            return self.name
        passed = list[str]()
        is_positional = True
        for argument in self.arguments:
            is_positional = is_positional and argument in values and argument not in self.named
            if is_positional:
                passed.append(values[argument])
            elif argument in values:
                passed.append(f"{argument}={values[argument]}")
        return f"{self.name}({', '.join(passed)})"


def contents(module: ModuleType, names: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """Return the calls of each function, class and object with methods in a file, by name.

    Classes that other classes in the file extend, and names that begin with an underscore, are left out, except names.
    """
    bases = set[type]()
    for value in list(vars(module).values()):
        if isinstance(value, type):
            bases.update(value.__mro__[1:])
    calls = dict[str, tuple[str, ...]]()
    for name, value in list(vars(module).items()):
        kind = value if isinstance(value, type | FunctionType) else type(value)
        is_inner = name.startswith("_") or (isinstance(value, type) and value in bases)
        if kind.__module__ != module.__name__ or (is_inner and name not in names):
            continue
        calls[name] = signatures(name, value)
    if not calls:  # a file that only collects functions
        for name, value in vars(module).items():
            if isinstance(value, FunctionType):
                calls[name] = signatures(name, value)
    return calls


def uses(module: ModuleType) -> dict[str, tuple[str, ...]]:
    """Return the names in a file that each of its functions and classes uses, directly."""
    names = dict[str, tuple[str, ...]]()
    for name in contents(module):
        value = vars(module)[name]
        if not isinstance(value, type | FunctionType):
            continue
        used = set[str]()
        pending: list[Any] = [*value.__mro__] if isinstance(value, type) else [value]
        for part in pending:  # which grows meanwhile
            if isinstance(part, type) and part.__module__ == module.__name__:
                used.add(part.__name__)
                pending += vars(part).values()
            elif isinstance(part, CodeType):
                used |= {*part.co_names}
                pending += part.co_consts
            elif isinstance(part, property):
                pending += (part.fget, part.fset)
            elif code_of(part) is not None:
                pending.append(code_of(part))
        names[name] = tuple(sorted(used & {*vars(module)} - {name}))
    return names


def signatures(name: str, source: Any) -> tuple[str, ...]:
    """Return the calls of a function, or of a class or an object and its public methods."""
    if isinstance(source, FunctionType):
        return (_signature(name, source),)
    kind = cast("type[Any]", source if isinstance(source, type) else type(source))
    calls = list[str]()
    if isinstance(source, type):
        calls.append(_signature(f"self = {name}", kind))
    else:
        calls.append(f"self = {name}")
    if not isinstance(source, type):
        for name, value in getattr(source, "__dict__", {}).items():
            if isinstance(value, FunctionType):
                calls.append(_signature(f"self.{name}", value))
    for method in dir(kind):
        held = inspect.getattr_static(kind, method)
        if (method.startswith("_") and method not in SPECIAL and method not in NAMES.backward) or not callable(
            getattr(kind, method, None)
        ):
            continue
        function = getattr(kind, method)
        is_builtin = code_of(function) is None and getattr(function, "__module__", None) in ("builtins", None)
        if is_builtin or isinstance(held, type):
            continue
        if isinstance(held, staticmethod) or _takes_context(function):
            calls.append(_signature(f"{name}.{method}", function))
        else:
            is_bound = isinstance(held, classmethod)
            calls.append(_signature(f"self.{method}".removesuffix(".__call__"), function, skipped=not is_bound))
    return tuple(calls)


def _takes_context(function: Any) -> bool:
    names: tuple[str, ...] = getattr(getattr(function, "__code__", None), "co_varnames", ())
    return any(name in CONTEXTS for name in names[:1])


def _signature(name: str, function: Any, skipped: bool = False) -> str:
    """Return the signature as text. ``skipped``: whether to leave out the first argument, which is the object."""
    try:
        parameters = [*inspect.signature(function).parameters.values()][skipped:]
    except (ValueError, TypeError):  # classes written in C may have no signature
        parameters = list[inspect.Parameter]()
    arguments = list[str]()
    for parameter in parameters:
        default = ""
        if parameter.default is not parameter.empty:
            default = f"={_default(parameter.default)}"
        prefix = "*" * (parameter.kind is parameter.KEYWORD_ONLY)
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            arguments.append(prefix + parameter.name + default)
    return f"{name}({', '.join(arguments)})"


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return "()"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value).replace(", ", ",")
    return ""


def dotted(place: str) -> str:
    """Return a place in self as a name with dots: params.W for self.params['W']."""
    return re.sub(r"\['?([^'\]]*)'?\]", r".\1", place.removeprefix("self.")).strip(".")


def places(
    thing: Any, path: str, depth: int = MAX_DEPTH, seen: frozenset[int] = frozenset()
) -> Iterator[tuple[str, Array]]:
    """Yield the places of arrays, numbers and flags in an object, and their values: self.conv.params['W']."""
    if thing is None:
        yield path, np.empty(0, bool)
    elif isinstance(thing, bool | np.bool_):
        yield path, np.array(thing)
    elif is_numeric(thing) and not _holds_arrays(thing):
        yield path, np.array(to_arrays(thing))
    identity = id(cast("object", thing))
    if not depth or thing is None or isinstance(thing, OPAQUE) or identity in seen:
        return
    seen = seen | {identity}
    for part, value in _parts(thing):
        if not isinstance(value, OPAQUE):
            yield from places(value, path + part, depth - 1, seen)


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object, or the entries of a container, as ends of expressions."""
    if isinstance(thing, Mapping):
        for key, value in list(cast("Mapping[Any, Any]", thing).items()):
            if isinstance(key, str | int):
                yield f"[{key!r}]", value
    elif isinstance(thing, list | tuple):
        parts = cast("list[Any]", thing)
        if _holds_arrays(parts) or not is_numeric(parts):
            for place, value in enumerate(parts):
                yield f"[{place}]", value
    elif is_tensor(thing):
        if thing.grad is not None:
            yield ".grad", thing.grad
    elif type(cast("object", thing)) is not np.ndarray:
        held = dict.fromkeys([*getattr(thing, "__dict__", {})])
        for base in type(thing).__mro__[:-1]:
            slots: Any = vars(base).get("__slots__", ())
            held |= dict.fromkeys((slots,) if isinstance(slots, str) else slots)
            if base.__module__ not in ("builtins", "numpy"):
                for name, value in vars(base).items():
                    if isinstance(value, property) or not hasattr(value, "__get__"):
                        held[name] = None
        for name in held:
            if not name.startswith("__"):
                try:
                    yield f".{name}", getattr(thing, name)
                except Exception:  # a property of the learner's class may fail
                    continue


def _holds_arrays(value: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    return any(isinstance(part, np.ndarray) for part in cast("list[Any]", value))
