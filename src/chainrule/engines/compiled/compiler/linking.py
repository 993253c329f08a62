"""Kernels in memory, each under a symbol by which programs call it.

Linked by name, a kernel is compiled once for the types of its arguments and kept on disk; a new program costs only its
own lines. The process that compiles it runs the same machine code as those that load it later.
"""

import gc
import importlib
from functools import partial
from typing import Any

from chainrule.engines.compiled.compiler import machine, storing
from chainrule.engines.compiled.compiler.signatures import PACKAGE, Link

_types: dict[str, Any] = {}  # types of the kernels that are linked, by symbol
_addresses: dict[str, int] = {}  # of their machine code, by name


def found(module: str, name: str) -> Any:
    """Return a kernel of this package."""
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)


def link(given: Link) -> None:
    """Have code that is loaded from now on find a kernel by its symbol; it is compiled where it never was."""
    if _types.setdefault(given.symbol, given.kinds) != given.kinds:
        raise TypeError(f"{given.symbol} is linked with {_types[given.symbol]}, not {given.kinds}")
    machine.start()
    if given.name not in _addresses:
        load, compile_code = partial(machine.address_of, given.name), partial(compiled, given)
        address = storing.loaded(given.name, load, compile_code) if given.own else load(compile_code())
        _addresses[given.name] = address
    machine.name_address(given.symbol, _addresses[given.name])


def compiled(given: Link, *, patience: float | None = None) -> bytes:
    """Return the machine code of a kernel, compiled by one process at a time; the others find it on disk.

    patience  seconds to wait for another process that compiles it; b"" is returned where that is too short
    """
    folder = storing.compiled_folder()
    if folder is None or not given.own:
        return _compiled_here(given)
    waiting = {} if patience is None else {"patience": patience}
    with storing.locks(folder).hold(given.name, **waiting) as alone:
        if not alone and patience is not None:
            return b""
        content = storing.stored(given.name)
        if content is None:
            content = _compiled_here(given)
            storing.store(given.name, content)
        return content


def _compiled_here(given: Link) -> bytes:
    """Return the machine code of a kernel, compiled here, without collecting garbage meanwhile, which takes a while."""
    from chainrule.engines.compiled.compiler import kernel_entry  # slow to import, and seldom needed

    collecting = gc.isenabled()
    gc.disable()
    try:
        return machine.optimised(str(kernel_entry.emit_kernel(given.kernel.py_func, given.kinds, given.name)))
    finally:
        if collecting:
            gc.enable()
