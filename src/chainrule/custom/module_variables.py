"""The arrays outside an object or a function that its code reads, which may be parameters.

They are variables of its module, and of a function that encloses it.
"""

from collections.abc import Iterable, Iterator
from types import CellType, CodeType, FunctionType
from typing import Any, cast

import numpy as np

from chainrule.custom import attributes
from chainrule.custom.calls import Array, is_numeric

PREFIX = "globals."  # in front of the names of variables


class ModuleVariables:
    """The variables that some functions of a module read, directly or through other functions of that module.

    readers   functions, or classes: the methods of a class and of those it is derived from
    """

    def __init__(self, *readers: Any) -> None:
        self._readers = readers
        functions = [one for each in readers for one in (_methods_of(each) if isinstance(each, type) else [each])]
        own = [found for one in functions if (found := _function(one)) is not None]
        self._space: dict[str, Any] = own[0].__globals__ if own else {}
        self._cells = {name: cell for one in own for name, cell in _enclosing(one)}
        self._read = (*_variables(own, self._space), *self._cells)

    def __reduce__(self) -> tuple[Any, ...]:
        return ModuleVariables, self._readers  # a module is not pickled: it is imported where the functions are

    def names(self) -> tuple[str, ...]:
        """Return the names of their arrays, each with the prefix "globals."; numbers count as constants."""
        every = self._every()
        held = {name: every[name] for name in self._read if name in every}
        return tuple(f"{PREFIX}{name}" for name in attributes.names(held) if _is_array(attributes.find(held, name)))

    def has(self, name: str) -> bool:
        """Return whether there is a variable of that name, given with its prefix."""
        return name.startswith(PREFIX) and attributes.has(self._every(), name.removeprefix(PREFIX))

    def get(self, name: str) -> Array | None:
        """Return a copy of the array under a name, given with its prefix; None if there is none."""
        value = attributes.find(self._every(), name.removeprefix(PREFIX)) if self.has(name) else None
        return np.array(value) if is_numeric(value) else None

    def set(self, name: str, value: Array) -> None:
        """Replace the value under a name, given with its prefix."""
        path, every = name.removeprefix(PREFIX), self._every()
        attributes.put(every, path, value)
        first = path.partition(".")[0]
        if first in self._cells:
            self._cells[first].cell_contents = every[first]
        else:
            self._space[first] = every[first]

    def _every(self) -> dict[str, Any]:
        """Return the variables of the module and of enclosing functions, by name."""
        return {**self._space, **{name: cell.cell_contents for name, cell in self._cells.items() if _is_set(cell)}}


def _methods_of(kind: type[Any]) -> list[Any]:
    """Return the functions in the body of a class and of the classes that it is derived from."""
    return [value for base in kind.__mro__ for value in vars(base).values()]


def _function(found: Any) -> FunctionType | None:
    inner: Any = getattr(found, "__func__", None) or getattr(found, "fget", None) or found
    return inner if isinstance(inner, FunctionType) else None


def _enclosing(function: FunctionType) -> Iterator[tuple[str, CellType]]:
    """Yield the variables of enclosing functions that a function reads, and that functions read there do."""
    waiting, seen = [function], set[int]()
    while waiting:
        found = waiting.pop()
        seen.add(id(found))
        for name, cell in zip(found.__code__.co_freevars, found.__closure__ or (), strict=True):
            held = cell.cell_contents if _is_set(cell) else None
            if isinstance(held, FunctionType) and id(held) not in seen:
                waiting.append(held)
            elif name != "__class__":
                yield name, cell


def _is_set(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # of a variable that was never assigned
        return False


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
