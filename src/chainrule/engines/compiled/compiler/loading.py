"""Load programs and kernels as functions that Python can call.

The machine code of a program is stored under the hash of its source. Loading requires LLVM's linker and the machine
code of the program's kernels.

A kernel called directly from Python (for single operations and tests) is wrapped in a program that calls only it.
"""

import ast
import ctypes
import hashlib
import inspect
import itertools
import struct
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial, update_wrapper
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.compiled.compiler import buffers, machine, object_files, threads
from chainrule.engines.compiled.compiler.intrinsics import DISABLED
from chainrule.engines.compiled.compiler.linking import compile_kernels, find_kernel, link, missing
from chainrule.engines.compiled.compiler.signatures import (
    NOT_FINITE,
    WRONG_ARRAY,
    Link,
    TupleType,
    argument_types,
    is_array,
)

DTYPES = {"f": "float32", "d": "float64", "i": "int32"}  # `dtype.char` → name; `str(dtype)` would take 3 µs
NUMBER_TYPES: list[tuple[Any, Any]] = [(bool, bool), (int | np.integer, int), (float | np.floating, float)]

_loaded: dict[str, "MachineFunction"] = {}
_kernel_numbers = itertools.count()  # distinguishes kernels of equal names outside this package


@cache
def _announce() -> None:
    """Print, once per process, that programs are being compiled."""
    print("chainrule: compiling for this machine; the programs are kept for the next time", file=sys.stderr)


class MachineFunction:
    """A compiled function. Its arguments are passed in a table of numbers and addresses of array objects.

    Errors of a call   TypeError if an array is not contiguous or does not have the declared type;
                       FloatingPointError if a kernel raises it; MemoryError
    """

    def __init__(self, address: int, types: Sequence[Any]) -> None:
        self._enter = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)(address)
        self._are_arrays = [is_array(argument_type) for argument_type in types]
        self._words = "".join("d" if argument_type is float else "q" for argument_type in types)

    def __call__(self, *arguments: Any) -> None:
        if error := self._enter(self._table(0, arguments)):
            _raise(error)

    def _table(self, first: int, arguments: Sequence[Any]) -> bytes:
        """Return the part of the table for consecutive arguments, starting at argument `first`."""
        last = first + len(arguments)
        pairs = zip(self._are_arrays[first:last], arguments, strict=True)
        entries = [id(argument) if by_address else argument for by_address, argument in pairs]
        return struct.pack(self._words[first:last], *entries)

    def bind(self, first: int, arguments: Sequence[Any]) -> Callable[..., None]:
        """Return a function with the middle arguments fixed.

        The arguments of the returned function are a tuple of the arrays before the fixed arguments, followed by the
        integers after them. The fixed part of the table is packed only once, here.

        first      number of arrays before the fixed arguments
        arguments  the fixed arguments
        """
        enter = self._enter
        middle = self._table(first, arguments)
        kept_alive = tuple(arguments)
        before = struct.Struct("q" * first).pack
        after = struct.Struct(self._words[first + len(kept_alive) :]).pack

        def run(arrays: tuple[NDArray[Any], ...], *rest: int) -> None:
            if error := enter(before(*map(id, arrays)) + middle + after(*rest)):
                _raise(error)

        run.__dict__["own"] = kept_alive  # keeps the arrays alive, because the table contains their addresses
        return run


def load(source: str) -> MachineFunction:
    """Return the function `run` of a program. The program is compiled at most once and stored on disk."""
    with object_files.COMPILER_LOCK:
        if source not in _loaded:
            _loaded[source] = _program(source)
        return _loaded[source]


def _program(source: str) -> MachineFunction:
    tree = ast.parse(source)
    links = links_of(tree)
    declarations = _statements(tree, "declare")
    function_types: dict[str, Sequence[Any]] = {}
    for arguments in declarations:
        name, arrays, numbers = map(ast.literal_eval, arguments)
        function_types[name] = argument_types(arrays, numbers)
    if missing(links):
        _announce()
        compile_kernels(links, source)
    return load_program(f"program_{hashlib.sha256(source.encode()).hexdigest()[:16]}", tree, links, function_types)


def links_of(tree: ast.Module) -> list[Link]:
    """Return the kernels named in a program's `link` statements."""
    statements = [
        (kernel, *map(ast.literal_eval, (symbol, *types))) for symbol, kernel, *types in _statements(tree, "link")
    ]
    return [
        Link(symbol, find_kernel(*ast.unparse(kernel).split(".")), argument_types(arrays, numbers))
        for kernel, symbol, arrays, numbers in statements
    ]


def _statements(tree: ast.Module, name: str) -> list[list[ast.expr]]:
    """Return the arguments of each top-level call to the function `name` in a module."""
    calls = [node.value for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return [call.args for call in calls if ast.unparse(call.func) == name]


def load_program(
    name: str, tree: ast.Module, links: Sequence[Link], function_types: dict[str, Sequence[Any]], *, store: bool = True
) -> MachineFunction:
    """Compile or load a program, and return its function `run`.

    function_types  name of a function of the program → types of its arguments
    store           whether to store the machine code on disk
    """

    def compile_program() -> bytes:
        from chainrule.engines.compiled.compiler.program_code import emit  # slow to import, and rarely needed

        kernels = {link.symbol: link for link in links}
        return machine.compile_unoptimized(str(emit(name, tree, kernels, function_types, machine.processor_family())))

    for item in links:
        link(item)
    if any(isinstance(node, ast.Name) and node.id in ("prange", "turns") for node in ast.walk(tree)):
        threads.launch_threads()
    load = partial(machine.address_of, name)
    if store:
        address = object_files.load_or_compile(
            name, load, partial(object_files.compile_and_store, name, compile_program)
        )
    else:
        address = load(compile_program())
    return MachineFunction(address, function_types["run"])


def _raise(error: int) -> None:
    if error == WRONG_ARRAY:
        raise TypeError("an array is not contiguous, or its dtype or number of axes is not what the program declares")
    if error == NOT_FINITE:
        raise FloatingPointError("a result is not finite")
    raise MemoryError("allocation of a kernel's buffer failed; it is probably too large")


class Kernel:
    """A kernel that can be called from Python. It runs in a single thread; only programs divide work among threads."""

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self.py_func = function
        self.number = next(_kernel_numbers)
        self.programs: dict[Any, Any] = {}  # argument types → program that calls the kernel
        self._defaults = [
            (parameter.name, parameter.default) for parameter in inspect.signature(function).parameters.values()
        ]

    def __call__(self, *arguments: Any, **named: Any) -> None:
        remaining = [named.pop(name, default) for name, default in self._defaults[len(arguments) :]]
        if named:
            raise TypeError(f"{self.py_func.__name__}: unexpected keyword arguments {', '.join(named)}")
        program, entries = _prepared_call(self, (*arguments, *remaining))
        program(*entries)

    def bind(self, *arguments: Any) -> Callable[[], None]:
        """Return a function that calls the kernel with these arguments, which are converted only once."""
        program, entries = _prepared_call(self, arguments)
        return partial(program.bind(0, entries), ())


def kernel(function: Callable[..., Any]) -> Any:
    """Decorate a function to be compiled as a kernel."""
    if DISABLED:
        return function
    return Kernel(function)


def _prepared_call(kernel: Kernel, arguments: Sequence[Any]) -> tuple[MachineFunction, list[Any]]:
    """Return the program that calls a kernel with arguments of these types, and the entries of its table.

    Errors   TypeError if an array is not contiguous
    """
    buffers.use_stack()
    types = tuple(map(_argument_type, arguments))
    if types not in kernel.programs:
        with object_files.COMPILER_LOCK:
            kernel.programs[types] = kernel.programs.get(types) or _calling_program(kernel, types)
    return kernel.programs[types], list(_table_entries(arguments))


def _argument_type(value: Any) -> Any:
    """Return the type of an argument; see `signatures`."""
    if isinstance(value, np.ndarray):
        array = cast("NDArray[Any]", value)
        if not array.flags.c_contiguous:
            raise TypeError("kernels need contiguous arrays")
        return DTYPES.get(array.dtype.char) or str(array.dtype), array.ndim
    if isinstance(value, tuple):
        return TupleType(map(_argument_type, cast("tuple[Any, ...]", value)))
    if value is None:
        return None
    return next(number_type for python_type, number_type in NUMBER_TYPES if isinstance(value, python_type))


def _table_entries(value: Any) -> Sequence[Any]:
    """Return the table entries for an argument. Tuples are flattened."""
    if isinstance(value, tuple):
        entries = list[Any]()
        for item in cast("tuple[Any, ...]", value):
            entries += _table_entries(item)
        return entries
    if value is None:
        return ()
    return (value,)


def _calling_program(kernel: Any, types: Sequence[Any]) -> MachineFunction:
    """Return a program that calls one kernel.

    The program has the kernel's arguments, but tuples are flattened, and arguments that are None are omitted, because
    the table of a call contains only numbers and arrays. For an array, a pair and None:

        def run(a0, a1, a2):
            call('average_pool_… alone', (a0, (a1, a2, ), None, ))

    The symbol contains the name of the compiled kernel, which depends on the types: a symbol can be linked with one
    list of types only. The word "alone" distinguishes it from the symbols of other programs.
    """
    name = Link("", kernel, types).name  # the name does not depend on the symbol
    link = Link(f"{name} alone", kernel, types)
    entry_types = list[Any]()
    names = list[str]()

    def expression(argument_type: Any) -> str:
        """Return the code of an argument, and declare the arguments of `run` that it contains."""
        if isinstance(argument_type, TupleType):
            return f"({''.join(expression(item) + ', ' for item in argument_type)})"
        if argument_type is None:
            return "None"
        entry_types.append(argument_type)
        names.append(f"a{len(names)}")
        return names[-1]

    arguments = expression(TupleType(types))
    tree = ast.parse(f"def run({', '.join(names)}):\n    call({link.symbol!r}, {arguments})\n")
    return load_program(f"call_{name}", tree, [link], {"run": entry_types}, store=link.own)
