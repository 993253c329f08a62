"""The arrays and numbers that a learner's code holds, any of which may be a parameter.

An object holds them in attributes, containers and nested objects. A name is a dotted path: w, params.W, conv.w,
layers.0.b, weight.grad. Other arrays are variables of a module, or of a function that encloses the code.
"""

import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, cast

import numpy as np

from chainrule.custom.calls import Array, is_numeric
from chainrule.errors import StudentError

DEPTH, DEEPEST = 4, 32  # levels of nesting: in any object; in objects that are not of the standard library
MOST = 5000  # most names
OPAQUE = (ModuleType, FunctionType, MethodType, BuiltinFunctionType, type, str, bytes, np.random.Generator)
PREFIX = "globals."  # in front of the names of variables


def list_names(thing: Any) -> tuple[str, ...]:
    """Return the names of all numbers and arrays in an object, in the order of its attributes.

    StudentError if there are too many: a parameter among those left out would never be checked.
    """
    found: list[str] = []
    for name in _walk(thing, "", 1, {id(thing)}):
        found.append(name)
        if len(found) > MOST:
            raise StudentError(
                f"{type(thing).__name__} holds more than {MOST:,} arrays and numbers, among which parameters cannot be "
                "found: keep logs and data elsewhere"
            )
    return tuple(found)


def has_name(thing: Any, name: str) -> bool:
    """Return whether an object has an attribute or entry of that name."""
    try:
        find_part(thing, name)
    except (AttributeError, KeyError, IndexError, ValueError, TypeError):
        return False
    return True


def find_part(thing: Any, name: str) -> Any:
    """Return the attribute or entry of an object under a name."""
    for part in name.split("."):
        thing = _part(thing, part)
    return thing


def put_part(thing: Any, name: str, value: Array) -> None:
    """Replace the value under a name, keeping its type: array, number, list or tuple."""
    *path, last = name.split(".")
    owner = find_part(thing, ".".join(path)) if path else thing
    kept: Any = value
    old = _part(owner, last)
    if isinstance(old, list | tuple):
        kept = type(cast("list[Any]", old))(value.tolist())
    elif value.ndim == 0 and not isinstance(old, np.ndarray):
        kept = value.item()
    if isinstance(owner, dict):
        owner[_key(cast("dict[Any, Any]", owner), last)] = kept
    elif isinstance(owner, list):
        owner[int(last)] = kept
    elif isinstance(owner, tuple):
        raise StudentError(f"{name} is an entry of a tuple, which cannot be changed: use a list")
    else:
        setattr(owner, last, kept)


def _walk(thing: Any, prefix: str, depth: int, seen: set[int]) -> Iterator[str]:
    for key, value in _parts(thing):
        name = prefix + key
        whole = is_numeric(value) and not _holds_arrays(value)
        if whole:
            yield name
        if _is_entered(value, depth) and id(value) not in seen and (not whole or _has_attributes(value)):
            seen.add(id(value))
            yield from _walk(value, f"{name}.", depth + 1, seen)


def _is_entered(value: Any, depth: int) -> bool:
    """Return whether the parts of a value at this level of nesting are listed too."""
    if depth < DEPTH or isinstance(value, Mapping | list | tuple):
        return depth < DEEPEST
    return depth < DEEPEST and type(value).__module__.partition(".")[0] not in sys.stdlib_module_names


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
    """Return the names of an object's own attributes and of its classes' data."""
    if isinstance(thing, np.ndarray):
        return [*getattr(cast("Any", thing), "__dict__", {})]
    found = dict.fromkeys(getattr(thing, "__dict__", {}))
    for base in type(thing).__mro__:
        if getattr(base, "__module__", "") not in ("builtins", "numpy"):
            data = [name for name, value in vars(base).items() if not hasattr(value, "__get__")]
            found |= dict.fromkeys([*_slots(base), *data])
    return [name for name in found if not name.startswith("__") and hasattr(thing, name)]


def _slots(base: type) -> tuple[str, ...]:
    slots: Any = vars(base).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _has_attributes(value: Any) -> bool:
    return isinstance(value, np.ndarray) and bool(getattr(cast("Any", value), "__dict__", None))


def _holds_arrays(value: Any) -> bool:
    """Return whether a list holds arrays, each of which is a part of its own."""
    return isinstance(value, list | tuple) and any(isinstance(part, np.ndarray) for part in cast("list[Any]", value))


def _part(thing: Any, name: str) -> Any:
    if isinstance(thing, Mapping):
        return cast("Mapping[Any, Any]", thing)[_key(cast("Mapping[Any, Any]", thing), name)]
    if isinstance(thing, list | tuple):
        return cast("list[Any]", thing)[int(name)]
    return getattr(thing, name)


def _key(thing: Mapping[Any, Any], name: str) -> Any:
    """Return the key whose text is this name."""
    return next((key for key in thing if str(key) == name), name)


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
        return tuple(f"{PREFIX}{name}" for name in list_names(held) if _is_array(find_part(held, name)))

    def has(self, name: str) -> bool:
        """Return whether there is a variable of that name, given with its prefix."""
        return name.startswith(PREFIX) and has_name(self._every(), name.removeprefix(PREFIX))

    def get(self, name: str) -> Array | None:
        """Return a copy of the array under a name, given with its prefix; None if there is none."""
        value = find_part(self._every(), name.removeprefix(PREFIX)) if self.has(name) else None
        return np.array(value) if is_numeric(value) else None

    def set(self, name: str, value: Array) -> None:
        """Replace the value under a name, given with its prefix."""
        path, every = name.removeprefix(PREFIX), self._every()
        put_part(every, path, value)
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
        for name in _names_in_code(function.__code__):
            value = space.get(name)
            if isinstance(value, type):
                waiting += [one for each in _methods_of(cast("type[Any]", value)) if (one := _function(each))]
            elif (called := _function(value)) is not None:
                waiting.append(called)
            elif isinstance(value, np.ndarray | list | tuple | dict):
                yield name


def _names_in_code(code: CodeType) -> Iterator[str]:
    """Yield the names in a function's code and in the functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in_code(constant)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (isinstance(value, list | tuple) and is_numeric(cast("Any", value)))


FAMILIES: dict[str, tuple[str, ...]] = {
    "w": ("w", "weight", "weights", "kernel", "kernels", "k", "filter", "filters", "f", "theta"),
    "b": ("b", "bias", "biases", "intercept"),
    "gamma": ("gamma", "g", "scale", "bw"),
    "beta": ("beta", "shift", "offset", "b", "bias", "bb"),
    "slope": ("slope", "slopes", "alpha"),
}
HOLDERS = ("params", "parameters", "param", "trainable", "learnable")  # containers of parameters
VALUES = ("data", "value", "values", "array", "val")  # attributes with the array of a parameter object
CONTAINERS = ("grads", "gradients", "grad", "gradient", "dparams", "derivatives", "derivs", "gradparams", "paramgrads")
PREFIXES = (
    *("d", "dld", "dlossd", "djd", "ded", "dcd", "dcostd", "dlby", "derrord"),
    *("grad", "gradient", "gradof", "gradientof", "gradients", "grads", "deriv", "derivative", "nabla", "partial"),
    *("del", "g", "delta", "δ"),
)
SUFFIXES = ("grad", "gradient", "gradients", "grads", "deriv", "derivative", "bar", "adjoint", "delta")

Stem = tuple[tuple[str, ...], str]  # the containers, and the last part without prefix or suffix


def owners(gradients: Iterable[str], held: Collection[str]) -> dict[str, str]:
    """Return the name of the gradient of each array that has one; the plainest name if there are several."""
    found: dict[str, tuple[int, str]] = {}
    by_stem: dict[Stem, list[str]] = {}
    for owner in held:
        by_stem.setdefault(_canonical(_own(owner)), []).append(owner)
    for name in gradients:
        for rank, owner in _possible_owners(name, held, by_stem):
            if owner != name and (owner not in found or rank < found[owner][0]):
                found[owner] = (rank, name)
    claimed = {gradient for _, gradient in found.values()}
    free = [name for name in held if name not in found and name not in claimed]
    related = _related([name for name in gradients if name not in claimed and name not in found], free)
    return {owner: gradient for owner, (_, gradient) in found.items()} | related


def family(name: str) -> str | None:
    """Return the usual role of a parameter of that name: w, b, gamma or beta."""
    last = _plain(_own(name)[1])
    return next((ours for ours, words in FAMILIES.items() if last in words), None)


def arrays_named(ours: str, held: Iterable[str]) -> list[str]:
    """Return the arrays that have a usual name of a parameter, the most usual first."""
    words = FAMILIES.get(ours, (ours,))
    ranked = [(words.index(word), name) for name in held if (word := _plain(_own(name)[1])) in words]
    return [name for _, name in sorted(ranked, key=lambda one: one[0])]


def _possible_owners(
    name: str, held: Collection[str], by_stem: Mapping[Stem, Sequence[str]]
) -> Iterable[tuple[int, str]]:
    """Yield the arrays whose gradient an array may be by its name, with the rank of that naming scheme."""
    exact = name.removeprefix("d")
    if exact != name and exact in held:
        yield -1, exact
    stems = dict[Stem, int]()
    for rank, stem in enumerate(_stems(name)):
        stems.setdefault(stem, rank)
    for stem, rank in stems.items():
        yield from ((rank, owner) for owner in by_stem.get(stem, ()))


def _stems(name: str) -> Iterable[Stem]:
    """Yield the names of parameters whose gradient an array may be, the likeliest first."""
    *path, last = name.split(".")
    plain = tuple(_plain(part) for part in path)
    inside = next((place for place, part in enumerate(plain) if part in CONTAINERS), None)
    if _plain(last) in CONTAINERS and path:  # W.grad
        yield _canonical((tuple(path[:-1]), path[-1]))
        return
    if inside is not None:
        outside = tuple(part for place, part in enumerate(path) if place != inside)
        yield _canonical((outside, last))
        path = list(outside)
    own = _plain(last)
    holders = tuple(path)
    yield from (_canonical((holders, own.removeprefix(word))) for word in PREFIXES if own.startswith(word))
    yield from (_canonical((holders, own.removesuffix(word))) for word in SUFFIXES if own.endswith(word))


def _own(name: str) -> Stem:
    """Return the containers and the name of a parameter, without generic containers and attributes."""
    *path, last = name.split(".")
    if _plain(last) in VALUES and path:
        *path, last = path
    return tuple(part for part in path if _plain(part) not in HOLDERS), last


def _canonical(stem: Stem) -> Stem:
    path, last = stem
    return tuple(_plain(part) for part in path if _plain(part) not in HOLDERS), _plain(last)


def _plain(part: str) -> str:
    """Return a part of a name without underscores, in lower case."""
    return re.sub(r"_+", "", part).casefold()


def _related(gradients: Iterable[str], free: Iterable[str]) -> dict[str, str]:
    """Pair arrays that are the only ones of their family with the only gradient of it: weights with dw."""
    wanted: Mapping[str, list[str]] = {ours: [] for ours in FAMILIES}
    given: Mapping[str, list[str]] = {ours: [] for ours in FAMILIES}
    for name in free:
        if (ours := family(name)) is not None:
            wanted[ours].append(name)
    for name in gradients:
        of = {ours for stem in _stems(name) for ours, words in FAMILIES.items() if stem[1] in words}
        for ours in of:
            given[ours].append(name)
    return {wanted[ours][0]: given[ours][0] for ours in FAMILIES if len(wanted[ours]) == 1 and len(given[ours]) == 1}
