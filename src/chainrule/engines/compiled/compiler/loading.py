"""Programs from their source, ready to be called.

A program is kept under the hash of its source as the machine code that `emitting` made of it. Loading it takes LLVM's
linker and the machine code of its kernels.
"""

import ast
import ctypes
import hashlib
import struct
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from numpy.typing import NDArray

from chainrule.engines.compiled.compiler import ahead, machine, storing, threads
from chainrule.engines.compiled.compiler.linking import found, link
from chainrule.engines.compiled.compiler.signatures import NOT_FINITE, UNFIT, Link, is_array, kinds_of

_loaded: dict[str, "MachineFunction"] = {}


@cache
def _announce() -> None:
    """Say, once in a process, that compiling takes its time."""
    print("chainrule: compiling for this machine; the programs are kept for the next time", file=sys.stderr)


class MachineFunction:
    """A function in machine code that reads its arguments from a table: addresses of arrays, and numbers.

    Errors   of a call: TypeError for an array that is not contiguous, or not of the type that the function declares;
             FloatingPointError when one of its kernels raises it
    """

    def __init__(self, address: int, kinds: Sequence[Any]) -> None:
        self._enter = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)(address)
        self._are_arrays = [is_array(kind) for kind in kinds]
        self._words = "".join("d" if kind is float else "q" for kind in kinds)

    def __call__(self, *arguments: Any) -> None:
        if failed := self._enter(self._table(0, arguments)):
            _raise(failed)

    def _table(self, first: int, arguments: Sequence[Any]) -> bytes:
        """Return the part of the table that holds these arguments, from the first on."""
        last = first + len(arguments)
        given = zip(self._are_arrays[first:last], arguments, strict=True)
        return struct.pack(self._words[first:last], *[id(each) if array else each for array, each in given])

    def bound(self, first: int, own: Sequence[Any]) -> Callable[..., None]:
        """Return the function of a tuple of arrays, all before the first of its own, and of the whole numbers after.

        What does not change from call to call is put into the table here, once.
        """
        enter, between, kept = self._enter, self._table(first, own), tuple(own)
        before, after = struct.Struct("q" * first).pack, struct.Struct(self._words[first + len(kept) :]).pack

        def run(given: tuple[NDArray[Any], ...], *rest: int) -> None:
            if failed := enter(before(*map(id, given)) + between + after(*rest)):
                _raise(failed)

        run.__dict__["own"] = kept  # alive, since the table has their addresses
        return run


def load(source: str) -> MachineFunction:
    """Return the function `run` of a program, whose machine code is kept on disk."""
    with storing.SETTING:
        if source not in _loaded:
            _loaded[source] = _program(source)
        return _loaded[source]


def _program(source: str) -> MachineFunction:
    tree = ast.parse(source)
    links, declared = links_of(tree), _statements(tree, "declare")
    own: dict[str, Sequence[Any]] = {}
    for given in declared:
        name, arrays, numbers = map(ast.literal_eval, given)
        own[name] = kinds_of(arrays, numbers)
    if ahead.missing(links):
        _announce()
        ahead.compile_kernels(links, source)
    return program_of(f"program_{hashlib.sha256(source.encode()).hexdigest()[:16]}", tree, links, own)


def links_of(tree: ast.Module) -> list[Link]:
    """Return the kernels that a program links."""
    statements = [(each, *map(ast.literal_eval, (symbol, *rest))) for symbol, each, *rest in _statements(tree, "link")]
    return [
        Link(symbol, found(*ast.unparse(each).split(".")), kinds_of(arrays, numbers))
        for each, symbol, arrays, numbers in statements
    ]


def _statements(tree: ast.Module, name: str) -> list[list[ast.expr]]:
    """Return the arguments of each call of a function among the statements of a module."""
    calls = [node.value for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return [call.args for call in calls if ast.unparse(call.func) == name]


def program_of(
    name: str, tree: ast.Module, links: Sequence[Link], own: dict[str, Sequence[Any]], *, kept: bool = True
) -> MachineFunction:
    """Return a program as a function of Python's, given the types of its own functions."""

    def compile_program() -> bytes:
        from chainrule.engines.compiled.compiler.emitting import emit  # slow to import, and seldom needed

        kernels = {each.symbol: each.kinds for each in links}
        return machine.assembled(str(emit(name, tree, kernels, own, machine.processor_family())))

    for each in links:
        link(each)
    if any(isinstance(node, ast.Name) and node.id in ("prange", "turns") for node in ast.walk(tree)):
        threads.launch_threads()
    load = partial(machine.address_of, name)
    if kept:
        address = storing.loaded(name, load, partial(storing.keep, name, compile_program))
    else:
        address = load(compile_program())
    return MachineFunction(address, own["run"])


def _raise(failed: int) -> None:
    if failed == UNFIT:
        raise TypeError("an array is not contiguous, or of another type than the program declares")
    if failed == NOT_FINITE:
        raise FloatingPointError("a result is not finite")
    raise MemoryError("Allocation failed (probably too large).")
