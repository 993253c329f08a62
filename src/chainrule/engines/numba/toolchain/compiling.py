"""Kernels compiled by numba, which is imported here only.

- `fastmath=True` would delete NaN checks; the four flags below let sums be reordered and multiply-adds be fused, and
  keep NaN and infinity what they are.
- `a[i:j] = b` between arrays costs 1.4 s of compiling, for an error message about shapes: kernels loop instead.
- numba makes machine code of every function that a kernel is made of, and a form of each that Python can call. Nobody
  calls them: the machine code of whole kernels is made here, the rest is left out.

Tried with numba 0.61 and 0.68; private to numba:
- `no_cfunc_wrapper` and `no_cpython_wrapper` among the options of `njit`;
- `numba.core.config.CACHE_DIR`, read when a function is decorated, and `CPU_FEATURES`, when it first compiles;
- a dispatcher's `compile`, which is replaced by one that holds a lock (`_once`), and the `flush` and `disable` of its
  `_cache`;
- the methods of `JITCodeLibrary`, `JITCPUCodegen` and `CPUContext` that make machine code of a function and give it to
  Python, for which any built-in function that is equal to no other will do (`_without_machine_code`);
- `_get_module_for_linking`, the optimised code of a function with all that it calls.
"""

import contextlib
import os
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numba as _numba_module
from numba.core import codegen as _codegen
from numba.core import config as _numba_config
from numba.core import types as _types
from numba.core.compiler_lock import global_compiler_lock as _compiler_lock
from numba.core.errors import NumbaError as _NumbaError
from numba.core.registry import cpu_target as _cpu_target
from numba.core.runtime import nrt as _nrt

from chainrule.engines.numba.toolchain import kernels, machine, processor, storing
from chainrule.engines.numba.toolchain.linking import Several, is_array

# numba has no type annotations.
numba: Any = _numba_module
CONFIG: Any = _numba_config
types: Any = _types
codegen: Any = _codegen
NumbaError: Any = _NumbaError
compiler_lock: Any = _compiler_lock
cpu_target: Any = _cpu_target
nrt: Any = _nrt

OPTIONS: dict[str, Any] = {
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
    "error_model": "numpy",
    "nogil": True,
    "no_cfunc_wrapper": True,
    "no_cpython_wrapper": True,
}

if os.environ.get(processor.VARIABLE):
    CONFIG.CPU_FEATURES = processor.FEATURES
nrt.rtsys.initialize(cpu_target.target_context)


def machine_code(kernel: Any, kinds: Sequence[Any], name: str) -> bytes:
    """Return the object file of a kernel for arguments of such types, in which its function has that name."""
    _tell_handwritten()
    dispatcher, given = kernel.dispatcher, tuple(map(_type, kinds))
    with compiler_lock, _without_machine_code():
        dispatcher.compile(given)
        compiled = dispatcher.overloads[given]
        module = compiled.library._get_module_for_linking().clone()
        for function in module.functions:
            if function.name == compiled.fndesc.llvm_func_name:
                function.linkage, function.name = "external", name
            elif not function.is_declaration:
                function.linkage = "internal"
            elif function.name in machine.RUNTIME:
                function.name = machine.RUNTIME[function.name]
            elif function.name.startswith(("numba", "NRT", "Py", "_Py")):
                raise ImportError(f"{kernel.__name__} needs {function.name} of numba's runtime")
        return bytes(compiled.library._codegen._tm.emit_object(module))


def _type(kind: Any) -> Any:
    """Return numba's type of an argument."""
    if is_array(kind):
        return types.Array(getattr(types, kind[0]), kind[1], "C")
    if isinstance(kind, Several):
        return types.BaseTuple.from_types(tuple(map(_type, kind)))
    return {None: types.none, bool: types.boolean, int: types.int64, float: types.float64}[kind]


@contextlib.contextmanager
def _without_machine_code() -> Generator[None]:
    """Have numba optimise functions without making machine code of them, and keep them on disk in that form."""
    library = codegen.JITCodeLibrary
    replaced: list[tuple[Any, str, Any]] = [
        (library, "_finalize_specific", _nothing),
        (library, "serialize_using_object_code", library.serialize_using_bitcode),
        (codegen.JITCPUCodegen, "_add_module", _nothing),
        (codegen.JITCPUCodegen, "set_env", _nothing),
        (type(cpu_target.target_context), "get_executable", _something),
    ]
    with contextlib.ExitStack() as stack:
        for owner, name, instead in replaced:
            stack.enter_context(mock.patch.object(owner, name, instead))
        yield


def _nothing(*_: Any) -> None:
    """Do nothing."""


def _something(*_: Any) -> Any:
    """Return a built-in function that is equal to no other."""
    return list[Any]().append


def dispatcher_of(function: Callable[..., Any]) -> Any:
    """Return a kernel as numba compiles it, for a program or into another kernel that calls it.

    A kernel that another one calls is copied into it (`forceinline`). Left a function, it would be compiled twice, by
    itself and beside its caller, in different ways; which of the two ran would depend on which was loaded first.
    """
    _know_literally(function)
    in_file = Path(function.__code__.co_filename).is_file()
    with storing.SETTING, _cached() as writable:
        return _once(numba.njit(cache=writable and in_file, forceinline=True, **OPTIONS)(function))


def piece_of(function: Callable[..., Any]) -> Any:
    """Return a piece of a kernel, which numba copies into the kernel's source."""
    _know_literally(function)
    return numba.njit(inline="always", **OPTIONS)(function)


def _know_literally(function: Callable[..., Any]) -> None:
    """Let a function call numba's `literally`, which numba knows by its identity."""
    if function.__globals__.get("literally") is kernels.literally:
        function.__globals__["literally"] = numba.literally


def _tell_handwritten() -> None:
    """Tell numba the functions whose code is emitted by hand."""
    from chainrule.engines.numba.toolchain import elementary_code, registers, windows_code

    _ = elementary_code, windows_code
    while kernels.by_hand:
        registers.compile_by_hand(kernels.by_hand.pop())


@contextlib.contextmanager
def _cached() -> Generator[bool]:
    """Have numba cache what is decorated meanwhile in `compiled_folder`; yield False where nothing can be cached."""
    folder, before = storing.compiled_folder(), CONFIG.CACHE_DIR
    CONFIG.CACHE_DIR = str(folder or before)
    try:
        yield folder is not None
    finally:
        CONFIG.CACHE_DIR = before


def _once(dispatcher: Any) -> Any:
    """Have a function of numba compiled by one process at a time; processes that waited find it on disk.

    Compiled code that cannot be read is compiled anew; where none can be written, none is kept.
    """
    folder, compile_ = storing.compiled_folder(), dispatcher.compile
    if folder is None:
        return dispatcher
    name = f"{dispatcher.py_func.__module__}.{dispatcher.py_func.__qualname__}"

    def compile_once(signature: Any) -> Any:
        with storing.locks(folder).hold(name):
            try:
                return compile_(signature)
            except NumbaError:
                raise
            except OSError:
                dispatcher._cache.disable()
            except Exception:  # whatever unpickling a damaged file ends in
                with contextlib.suppress(OSError):
                    dispatcher._cache.flush()
            return compile_(signature)

    dispatcher.compile = compile_once
    return dispatcher
