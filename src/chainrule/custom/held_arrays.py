"""Access to the arrays and numbers in a learner's code.

Arrays are found in an object's attributes, containers and nested objects, and have dotted names: w, params.W, conv.w,
layers.0.b, weight.grad. They can also be variables of a module or of an enclosing function.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, cast

import numpy as np

from chainrule.custom.calls import Array, is_numeric
from chainrule.custom.names import NAMES
from chainrule.custom.tensors import is_tensor, to_arrays, to_tensor
from chainrule.errors import StudentError

MAX_DEPTH, MAX_USER_DEPTH = 4, 32  # maximum nesting depth: standard-library objects, other objects
MAX_NAMES = 5000
OPAQUE = (ModuleType, FunctionType, MethodType, BuiltinFunctionType, type, str, bytes, np.random.Generator)
PREFIX = "globals."  # prefix for the names of variables
CANONICAL = {spelling: name for name, spellings in NAMES.stored.items() for spelling in spellings}


class Namespace:
    """A layer, or a parameter with its gradient, whose arrays have several usual names."""

    def __getattr__(self, name: str) -> Any:
        try:
            return vars(self)[CANONICAL[name]]
        except KeyError:
            raise AttributeError(name, name=name, obj=self) from None

    def __setattr__(self, name: str, value: object) -> None:
        vars(self)[CANONICAL.get(name, name)] = value


def list_names(thing: object) -> tuple[str, ...]:
    """Return the names of all numbers and arrays in an object, in the order of its attributes.

    Errors   StudentError if there are more than `MAX_NAMES`: in a truncated list, parameters would remain unchecked
    """
    names = list[str]()
    for name in _walk(thing, "", 1, {id(thing)}):
        names.append(name)
        if len(names) > MAX_NAMES:
            raise StudentError(
                f"{type(thing).__name__} contains more than {MAX_NAMES:,} arrays and numbers, too many to search for "
                "parameters: store logs and data elsewhere"
            )
    return tuple(names)


def part_of(thing: Any, name: str, default: Any = None) -> Any:
    """Return an object's attribute or entry by name; by default None if there is none."""
    try:
        return find_part(thing, name)
    except (AttributeError, KeyError, IndexError, ValueError, TypeError):
        return default


def find_part(thing: Any, name: str) -> Any:
    """Return an object's attribute or entry by name. If there is none, a lookup error is raised."""
    for part in name.split("."):
        thing = _part(thing, part)
    return thing


def put_part(thing: Any, name: str, value: Array) -> None:
    """Replace the value with the given name, keeping its type: array, number, list or tuple."""
    converted = cast("Any", value)
    old = find_part(thing, name)
    if is_tensor(old):
        old.data = to_tensor(value.copy())  # the tensor may be a parameter that other objects hold
        return
    if isinstance(old, list | tuple):
        converted = type(cast("list[Any]", old))(value.tolist())
    elif value.ndim == 0 and not isinstance(old, np.ndarray):
        converted = value.item()
    _put(thing, name.split("."), converted)


def _put(thing: Any, path: Sequence[str], value: Any) -> None:
    """Replace a part of an object. A tuple is replaced by another one."""
    *outer, last = path
    if outer:
        owner = find_part(thing, ".".join(outer))
    else:
        owner = thing
    if isinstance(owner, dict):
        owner[_key(cast("dict[Any, Any]", owner), last)] = value
    elif isinstance(owner, list):
        owner[int(last)] = value
    elif isinstance(owner, tuple):
        entries = list(cast("tuple[Any, ...]", owner))
        entries[int(last)] = value
        _put(thing, outer, tuple(entries))
    else:
        setattr(owner, last, value)


def numbers(value: object) -> Array | None:
    """Return a copy of an array, a tensor or a number; None for other values."""
    if is_numeric(value):
        return np.array(to_arrays(value))
    return None


def squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape without its axes of length 1."""
    return tuple(size for size in shape if size > 1)


def _walk(thing: object, prefix: str, depth: int, seen: set[int]) -> Iterator[str]:
    for key, value in _parts(thing):
        name = prefix + key
        is_leaf = is_numeric(value) and not _holds_arrays(value)
        if is_leaf:
            yield name
        has_parts = not is_leaf or _has_attributes(value)
        if has_parts and _is_nested_listed(value, depth) and id(value) not in seen:
            seen.add(id(value))
            yield from _walk(value, f"{name}.", depth + 1, seen)


def _is_nested_listed(value: object, depth: int) -> bool:
    """Return whether to list the parts of a value at the given nesting depth."""
    if depth < MAX_DEPTH or isinstance(value, Mapping | list | tuple):
        return depth < MAX_USER_DEPTH
    return depth < MAX_USER_DEPTH and type(value).__module__.partition(".")[0] not in sys.stdlib_module_names


def _parts(thing: object) -> Iterator[tuple[str, object]]:
    """Yield the parts of an object, a dictionary or a list, with their names."""
    if isinstance(thing, Mapping):
        for key, value in list(cast("Mapping[Any, Any]", thing).items()):
            yield str(key), value
    elif isinstance(thing, list | tuple):
        for place, value in enumerate(cast("list[Any]", thing)):
            yield str(place), value
    elif not isinstance(thing, OPAQUE):
        for name in _attributes(thing):
            value = getattr(thing, name, None)
            if not isinstance(value, OPAQUE):
                yield name, value


def _attributes(thing: Any) -> list[str]:
    """Return the names of an object's attributes and of its classes' data attributes."""
    if isinstance(thing, np.ndarray):
        return [*getattr(cast("Any", thing), "__dict__", {})]
    if is_tensor(thing):
        if thing.grad is None:
            return []
        return ["grad"]
    names = dict.fromkeys(getattr(thing, "__dict__", {}))
    for base in type(thing).__mro__:
        if getattr(base, "__module__", "") in ("builtins", "numpy"):
            continue
        names |= dict.fromkeys(_slots(base))
        for name, value in vars(base).items():
            if not hasattr(value, "__get__"):
                names[name] = None
    return [name for name in names if not name.startswith("__") and hasattr(thing, name)]


def _slots(base: type) -> tuple[str, ...]:
    slots: Any = vars(base).get("__slots__", ())
    if isinstance(slots, str):
        return (slots,)
    return tuple(slots)


def _has_attributes(value: object) -> bool:
    return (isinstance(value, np.ndarray) or is_tensor(value)) and bool(_attributes(value))


def _holds_arrays(value: object) -> bool:
    """Return whether a value is a list or tuple that contains arrays. Each of them then has its own name."""
    return isinstance(value, list | tuple) and any(isinstance(part, np.ndarray) for part in cast("list[Any]", value))


def _part(thing: Any, name: str) -> Any:
    if isinstance(thing, Mapping):
        return cast("Mapping[Any, Any]", thing)[_key(cast("Mapping[Any, Any]", thing), name)]
    if isinstance(thing, list | tuple):
        return cast("list[Any]", thing)[int(name)]
    return getattr(thing, name)


def _key(thing: Mapping[object, object], name: str) -> Any:
    """Return the mapping's key with the given string representation; the name itself if there is none."""
    for key in thing:
        if str(key) == name:
            return key
    return name


class ModuleVariables:
    """Variables of a module and of enclosing functions that functions read, directly or through other functions.

    readers   functions or classes; a class includes all its methods
    """

    def __init__(self, *readers: object) -> None:
        self._readers = readers
        self._globals = dict[str, Any]()
        self._cells = dict[str, CellType]()
        functions = list[FunctionType]()
        for reader in readers:
            functions += _functions_of(reader)
        if functions:
            self._globals = functions[0].__globals__
        for function in functions:
            self._cells |= dict(_enclosing(function))
        self._names_read = (*_variables(functions, self._globals), *self._cells)

    def __reduce__(self) -> tuple[Any, ...]:
        return ModuleVariables, self._readers  # omit the module: it is imported again with the functions

    def names(self) -> tuple[str, ...]:
        """Return the names of the arrays, with the prefix "globals.". Numbers are regarded as constants."""
        variables = self.values()
        held = dict[str, Any]()
        for name in self._names_read:
            if name in variables:
                held[name] = variables[name]
        return tuple(f"{PREFIX}{name}" for name in list_names(held) if _is_array(find_part(held, name)))

    def set(self, name: str, value: Array) -> None:
        """Replace the value with the given name, which includes the prefix."""
        path = name.removeprefix(PREFIX)
        variables = self.values()
        put_part(variables, path, value)
        first = path.partition(".")[0]
        if first in self._cells:
            self._cells[first].cell_contents = variables[first]
        else:
            self._globals[first] = variables[first]

    def values(self) -> dict[str, Any]:
        """Return all variables of the module and the enclosing functions, by name."""
        values = dict(self._globals)
        for name, cell in self._cells.items():
            if _is_set(cell):
                values[name] = cell.cell_contents
        return values


def _functions_of(reader: object) -> list[FunctionType]:
    """Return the functions of a class and its base classes, or a function itself; empty for other values."""
    if not isinstance(reader, type):
        function = _function(reader)
        return [] if function is None else [function]
    functions = list[FunctionType]()
    for base in cast("type[Any]", reader).__mro__:
        for value in vars(base).values():
            function = _function(value)
            if function is not None:
                functions.append(function)
    return functions


def _function(value: object) -> FunctionType | None:
    inner: Any = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
    if isinstance(inner, FunctionType):
        return inner
    return None


def _enclosing(function: FunctionType) -> Iterator[tuple[str, CellType]]:
    """Yield the enclosing functions' variables that a function reads, directly or through nested functions."""
    pending = [function]
    seen = set[int]()
    while pending:
        current = pending.pop()
        seen.add(id(current))
        for name, cell in zip(current.__code__.co_freevars, current.__closure__ or (), strict=True):
            if _is_set(cell):
                held = cell.cell_contents
            else:
                held = None
            if isinstance(held, FunctionType) and id(held) not in seen:
                pending.append(held)
            elif name != "__class__":
                yield name, cell


def _is_set(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # the variable was never assigned
        return False


def _variables(functions: Iterable[FunctionType], space: dict[str, Any]) -> Iterator[str]:
    """Yield the names of module variables that the functions read, directly or through functions they call."""
    pending = list(functions)
    seen = set[int]()
    while pending:
        function = pending.pop()
        if id(function) in seen or function.__globals__ is not space:
            continue
        seen.add(id(function))
        for name in _names_in_code(function.__code__):
            value = space.get(name)
            called = _functions_of(value)
            if called or isinstance(value, type):
                pending += called
            elif isinstance(value, np.ndarray | list | tuple | dict):
                yield name


def _names_in_code(code: CodeType) -> Iterator[str]:
    """Yield the names used in a function's code, including the functions defined in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in_code(constant)


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray) or (isinstance(value, list | tuple) and is_numeric(cast("Any", value)))
