"""Kernels in memory, each under a symbol by which programs call it.

Linked by name, a kernel is compiled once for the types of its arguments and kept on disk; a new program costs only its
own lines. The process that compiles it runs the same machine code as those that load it later.
"""

import gc
import hashlib
import importlib
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

from chainrule.engines.compiled.compiler import machine, storing

PACKAGE = "chainrule.engines.compiled.kernels"
# What a kernel returns that could not allocate a buffer, and one that finds that a result is not finite; else 0. A
# program returns what its kernels do, or that an array that it is given is of another type than it declares.
NO_MEMORY, UNFIT, NOT_FINITE = 1, 2, 3

_types: dict[str, Any] = {}  # types of the kernels that are linked, by symbol
_addresses: dict[str, int] = {}  # of their machine code, by name


class Several(tuple[Any, ...]):
    """Types of the entries of a tuple."""


class Link(NamedTuple):
    """A kernel for arguments of such types, under a symbol.

    kinds  for each argument (dtype, axes) of an array, None, the type of a number, or `Several` of these
    """

    symbol: str
    kernel: Any
    kinds: Sequence[Any]

    @property
    def own(self) -> bool:
        """Whether the kernel is one of this package: others may change without being noticed, and are not kept."""
        return self.kernel.__module__.startswith(f"{PACKAGE}.") and "<locals>" not in self.kernel.__qualname__

    @property
    def name(self) -> str:
        """The name of the function in its machine code, and of its file."""
        given = f"{self.kernel.__module__}.{self.kernel.__qualname__} {self.kinds}"
        given += "" if self.own else f" {self.kernel.number}"
        return f"{self.kernel.__name__}_{hashlib.sha256(given.encode()).hexdigest()[:16]}"


def kind_of(value: Any) -> Any:
    """Return the type of a number, or of a tuple of numbers."""
    if isinstance(value, tuple | list):
        return Several(map(kind_of, cast("Iterable[Any]", value)))
    return cast("Any", type(value))


def is_array(kind: Any) -> bool:
    """Return whether a type is that of an array: (dtype, axes)."""
    return isinstance(kind, tuple) and not isinstance(kind, Several)


def kinds_of(arrays: Sequence[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
    """Return the types of arguments: of arrays (dtype, axes), and of numbers like others."""
    return *(None if array is None else tuple(array) for array in arrays), *map(kind_of, numbers)


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
    from chainrule.engines.compiled.compiler import kernel_entry

    collecting = gc.isenabled()
    gc.disable()
    try:
        return machine.optimised(str(kernel_entry.emit_kernel(given.kernel.py_func, given.kinds, given.name)))
    finally:
        if collecting:
            gc.enable()
