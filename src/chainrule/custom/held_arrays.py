"""Access to the arrays and numbers in a learner's code, and matching of parameters with their gradients.

Arrays are found in an object's attributes, containers and nested objects, and have dotted names: w, params.W, conv.w,
layers.0.b, weight.grad. They can also be variables of a module or of an enclosing function.
"""

import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
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


class Holder:
    """A layer, or a parameter with its gradient, whose arrays have several usual names."""

    def __getattr__(self, name: str) -> Any:
        try:
            return vars(self)[CANONICAL[name]]
        except KeyError:
            raise AttributeError(name, name=name, obj=self) from None

    def __setattr__(self, name: str, value: Any) -> None:
        vars(self)[CANONICAL.get(name, name)] = value


def list_names(thing: Any) -> tuple[str, ...]:
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
    converted, old = cast("Any", value), find_part(thing, name)
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
    *holders, last = path
    owner = find_part(thing, ".".join(holders)) if holders else thing
    if isinstance(owner, dict):
        owner[_key(cast("dict[Any, Any]", owner), last)] = value
    elif isinstance(owner, list):
        owner[int(last)] = value
    elif isinstance(owner, tuple):
        entries = list(cast("tuple[Any, ...]", owner))
        entries[int(last)] = value
        _put(thing, holders, tuple(entries))
    else:
        setattr(owner, last, value)


def numbers(value: Any) -> Array | None:
    """Return a copy of an array, a tensor or a number; None for other values."""
    return np.array(to_arrays(value)) if is_numeric(value) else None


def squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape without its axes of length 1."""
    return tuple(size for size in shape if size > 1)


def _walk(thing: Any, prefix: str, depth: int, seen: set[int]) -> Iterator[str]:
    for key, value in _parts(thing):
        name = prefix + key
        is_leaf = is_numeric(value) and not _holds_arrays(value)
        if is_leaf:
            yield name
        if _is_nested_listed(value, depth) and id(value) not in seen and (not is_leaf or _has_attributes(value)):
            seen.add(id(value))
            yield from _walk(value, f"{name}.", depth + 1, seen)


def _is_nested_listed(value: Any, depth: int) -> bool:
    """Return whether to list the parts of a value at the given nesting depth."""
    if depth < MAX_DEPTH or isinstance(value, Mapping | list | tuple):
        return depth < MAX_USER_DEPTH
    return depth < MAX_USER_DEPTH and type(value).__module__.partition(".")[0] not in sys.stdlib_module_names


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
    """Return the names of an object's attributes and of its classes' data attributes."""
    if isinstance(thing, np.ndarray):
        return [*getattr(cast("Any", thing), "__dict__", {})]
    if is_tensor(thing):
        return ["grad"] * (thing.grad is not None)
    names = dict.fromkeys(getattr(thing, "__dict__", {}))
    for base in type(thing).__mro__:
        if getattr(base, "__module__", "") not in ("builtins", "numpy"):
            data = [name for name, value in vars(base).items() if not hasattr(value, "__get__")]
            names |= dict.fromkeys([*_slots(base), *data])
    return [name for name in names if not name.startswith("__") and hasattr(thing, name)]


def _slots(base: type) -> tuple[str, ...]:
    slots: Any = vars(base).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _has_attributes(value: Any) -> bool:
    return (isinstance(value, np.ndarray) or is_tensor(value)) and bool(_attributes(value))


def _holds_arrays(value: Any) -> bool:
    """Return whether a value is a list or tuple that contains arrays. Each of them then has its own name."""
    return isinstance(value, list | tuple) and any(isinstance(part, np.ndarray) for part in cast("list[Any]", value))


def _part(thing: Any, name: str) -> Any:
    if isinstance(thing, Mapping):
        return cast("Mapping[Any, Any]", thing)[_key(cast("Mapping[Any, Any]", thing), name)]
    if isinstance(thing, list | tuple):
        return cast("list[Any]", thing)[int(name)]
    return getattr(thing, name)


def _key(thing: Mapping[Any, Any], name: str) -> Any:
    """Return the mapping's key with the given string representation; the name itself if there is none."""
    return next((key for key in thing if str(key) == name), name)


class ModuleVariables:
    """Variables of a module and of enclosing functions that functions read, directly or through other functions.

    readers   functions or classes; a class includes all its methods
    """

    def __init__(self, *readers: Any) -> None:
        self._readers = readers
        methods = [_methods_of(reader) if isinstance(reader, type) else [reader] for reader in readers]
        own = [function for method in chain(*methods) if (function := _function(method)) is not None]
        self._globals: dict[str, Any] = own[0].__globals__ if own else {}
        self._cells = {name: cell for function in own for name, cell in _enclosing(function)}
        self._names_read = (*_variables(own, self._globals), *self._cells)

    def __reduce__(self) -> tuple[Any, ...]:
        return ModuleVariables, self._readers  # omit the module: it is imported again with the functions

    def names(self) -> tuple[str, ...]:
        """Return the names of the arrays, with the prefix "globals.". Numbers are regarded as constants."""
        variables = self.values()
        held = {name: variables[name] for name in self._names_read if name in variables}
        return tuple(f"{PREFIX}{name}" for name in list_names(held) if _is_array(find_part(held, name)))

    def set(self, name: str, value: Array) -> None:
        """Replace the value with the given name, which includes the prefix."""
        path, variables = name.removeprefix(PREFIX), self.values()
        put_part(variables, path, value)
        first = path.partition(".")[0]
        if first in self._cells:
            self._cells[first].cell_contents = variables[first]
        else:
            self._globals[first] = variables[first]

    def values(self) -> dict[str, Any]:
        """Return all variables of the module and the enclosing functions, by name."""
        return {**self._globals, **{name: cell.cell_contents for name, cell in self._cells.items() if _is_set(cell)}}


def _methods_of(kind: type[Any]) -> list[Any]:
    """Return all attribute values defined in a class and its base classes."""
    return [value for base in kind.__mro__ for value in vars(base).values()]


def _function(value: Any) -> FunctionType | None:
    inner: Any = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
    return inner if isinstance(inner, FunctionType) else None


def _enclosing(function: FunctionType) -> Iterator[tuple[str, CellType]]:
    """Yield the enclosing functions' variables that a function reads, directly or through nested functions."""
    pending, seen = [function], set[int]()
    while pending:
        current = pending.pop()
        seen.add(id(current))
        for name, cell in zip(current.__code__.co_freevars, current.__closure__ or (), strict=True):
            held = cell.cell_contents if _is_set(cell) else None
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
    pending, seen = list(functions), set[int]()
    while pending:
        function = pending.pop()
        if id(function) in seen or function.__globals__ is not space:
            continue
        seen.add(id(function))
        for name in _names_in_code(function.__code__):
            value = space.get(name)
            if isinstance(value, type):
                pending += [inner for method in _methods_of(cast("type[Any]", value)) if (inner := _function(method))]
            elif (called := _function(value)) is not None:
                pending.append(called)
            elif isinstance(value, np.ndarray | list | tuple | dict):
                yield name


def _names_in_code(code: CodeType) -> Iterator[str]:
    """Yield the names used in a function's code, including the functions defined in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in_code(constant)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (isinstance(value, list | tuple) and is_numeric(cast("Any", value)))


Stem = tuple[tuple[str, ...], str]  # containers, and the last part of a name, without a gradient's prefix or suffix


def owners(gradients: Iterable[str], held: Collection[str]) -> dict[str, str]:
    """Return name of an array → name of its gradient. Arrays without a gradient are omitted.

    If the names of several gradients match an array, the gradient with the most usual naming scheme is chosen. For
    example, "dW" and "grad_b" belong to "W" and "b".

    gradients   names of candidate gradients
    held        names of the arrays
    """
    best = dict[str, tuple[int, str]]()
    by_stem = dict[Stem, list[str]]()
    for owner in held:
        by_stem.setdefault(_canonical(_own(owner)), []).append(owner)
    for name in gradients:
        for rank, owner in _possible_owners(name, held, by_stem):
            if owner != name and (owner not in best or rank < best[owner][0]):
                best[owner] = (rank, name)
    claimed = {gradient for _, gradient in best.values()}
    free = [name for name in held if name not in best and name not in claimed]
    related = _related([name for name in gradients if name not in claimed and name not in best], free)
    return {owner: gradient for owner, (_, gradient) in best.items()} | related


def family(name: str) -> str | None:
    """Return a parameter's role (w, b, gamma, beta or slope), inferred from its name; None for an unusual name."""
    last = _plain(_own(name)[1])
    return next((role for role, words in NAMES.families.items() if last in words), None)


def arrays_named(role: str, held: Iterable[str]) -> list[str]:
    """Return the names in ``held`` that are usual for a role, beginning with the most usual name."""
    words = NAMES.families.get(role, (role,))
    ranked = [(words.index(word), name) for name in held if (word := _plain(_own(name)[1])) in words]
    return [name for _, name in sorted(ranked, key=lambda entry: entry[0])]


def _possible_owners(
    name: str, held: Collection[str], by_stem: Mapping[Stem, Sequence[str]]
) -> Iterable[tuple[int, str]]:
    """Yield (rank, array) for each array to which a gradient's name may refer.

    The rank is that of the naming scheme; a lower rank is more usual.
    """
    exact = name.removeprefix("d")
    if exact != name and exact in held:
        yield -1, exact
    stems = dict[Stem, int]()
    *path, holder, last = ("", *name.split("."))
    others = (_canonical(((*path[1:], plain), last)) for plain in _plain_names(holder))  # grad_theta.W
    for rank, stem in enumerate((*_stems(name), *others)):
        stems.setdefault(stem, rank)
    for stem, rank in stems.items():
        yield from ((rank, owner) for owner in by_stem.get(stem, ()))


def _stems(name: str) -> Iterable[Stem]:
    """Yield the parameter stems that a gradient's name may refer to, beginning with the most usual naming scheme."""
    *path, last = name.split(".")
    plain = tuple(_plain(part) for part in path)
    position = next((place for place, part in enumerate(plain) if part in NAMES.containers), None)
    if _plain(last) in NAMES.containers and path:  # W.grad
        yield _canonical((tuple(path[:-1]), path[-1]))
        return
    if position is not None:
        outside = tuple(part for place, part in enumerate(path) if place != position)
        yield _canonical((outside, last))
        path = list(outside)
    holders = tuple(path)
    yield from (_canonical((holders, plain)) for plain in _plain_names(last))


def _plain_names(name: str) -> Iterator[str]:
    """Yield a name without the prefixes and suffixes of gradients."""
    plain = _plain(name).removesuffix("current")  # _grad_W_current
    yield from (plain.removeprefix(word) for word in NAMES.prefixes if plain.startswith(word))
    yield from (plain.removesuffix(word) for word in NAMES.suffixes if plain.endswith(word))


def _own(name: str) -> Stem:
    """Return the stem of a parameter's name, without generic containers and attributes."""
    *path, last = name.split(".")
    if _plain(last) in NAMES.values and path:
        *path, last = path
    return tuple(part for part in path if _plain(part) not in NAMES.holders), last


def _canonical(stem: Stem) -> Stem:
    path, last = stem
    return tuple(_plain(part) for part in path if _plain(part) not in NAMES.holders), _plain(last)


def _plain(part: str) -> str:
    """Convert a part of a name to lower case and remove its underscores."""
    return re.sub(r"_+", "", part).casefold()


def _related(gradients: Iterable[str], free: Iterable[str]) -> dict[str, str]:
    """Return array → gradient with the same role, such as weights → dw.

    A role is skipped unless exactly one array and exactly one gradient have it.

    free   arrays without a gradient so far
    """
    related, names, arrays = dict[str, str](), list(gradients), list(free)
    for role, words in NAMES.families.items():
        owners_of_role = [name for name in arrays if family(name) == role]
        candidates = [name for name in names if any(stem[1] in words for stem in _stems(name))]
        if len(owners_of_role) == len(candidates) == 1:
            related[owners_of_role[0]] = candidates[0]
    return related
