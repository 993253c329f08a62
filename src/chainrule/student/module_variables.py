"""The arrays outside an object or a function that its code reads: variables of its module, which may be parameters."""

from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any, cast

import numpy as np

from chainrule.student import attributes
from chainrule.student.calls import Array, is_numeric

PREFIX = "globals."  # in front of the names of variables of a module


class ModuleVariables:
    """The variables of a module that some of its functions read, directly or through other functions of that module.

    readers   functions, or classes: the methods of a class and of those it is derived from
    """

    def __init__(self, *readers: Any) -> None:
        self._readers = readers
        functions = [one for each in readers for one in (_methods_of(each) if isinstance(each, type) else [each])]
        own = [found for one in functions if (found := _function(one)) is not None]
        self._space: dict[str, Any] = own[0].__globals__ if own else {}
        self._read = tuple(_variables(own, self._space))

    def __reduce__(self) -> tuple[Any, ...]:
        return ModuleVariables, self._readers  # a module is not pickled: it is imported where the functions are

    def names(self) -> tuple[str, ...]:
        """Return the names of their arrays, each with the prefix "globals."; numbers count as constants."""
        held = {name: self._space[name] for name in self._read if name in self._space}
        return tuple(f"{PREFIX}{name}" for name in attributes.names(held) if _is_array(attributes.find(held, name)))

    def has(self, name: str) -> bool:
        """Return whether there is a variable of that name, given with its prefix."""
        return name.startswith(PREFIX) and attributes.has(self._space, name.removeprefix(PREFIX))

    def get(self, name: str) -> Array | None:
        """Return a copy of the array under a name, given with its prefix; None if there is none."""
        value = attributes.find(self._space, name.removeprefix(PREFIX)) if self.has(name) else None
        return np.array(value) if is_numeric(value) else None

    def set(self, name: str, value: Array) -> None:
        """Replace the value under a name, given with its prefix."""
        attributes.put(self._space, name.removeprefix(PREFIX), value)


def _methods_of(kind: type[Any]) -> list[Any]:
    """Return the functions in the body of a class and of the classes that it is derived from."""
    return [value for base in kind.__mro__ for value in vars(base).values()]


def _function(found: Any) -> FunctionType | None:
    inner: Any = getattr(found, "__func__", None) or getattr(found, "fget", None) or found
    return inner if isinstance(inner, FunctionType) else None


def _variables(functions: Iterable[FunctionType], space: dict[str, Any]) -> Iterator[str]:
    """Yield the names of variables that functions read, following calls of functions and classes of their module."""
    waiting, seen = list(functions), set[int]()
    while waiting:
        function = waiting.pop()
        if id(function) in seen or function.__globals__ is not space:
            continue
        seen.add(id(function))
        for name in _names(function.__code__):
            value = space.get(name)
            if isinstance(value, type):
                waiting += [one for each in _methods_of(cast("type[Any]", value)) if (one := _function(each))]
            elif (called := _function(value)) is not None:
                waiting.append(called)
            elif isinstance(value, np.ndarray | list | tuple | dict):
                yield name


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names in a function's code and in the functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (isinstance(value, list | tuple) and is_numeric(cast("Any", value)))
