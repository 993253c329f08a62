"""Compiled programs run as plain Python around compiled kernels: the same source, without the seconds of compiling it.

What a program does itself is to call kernels in an order, on parts of rooms. Done by Python, thousands of programs can
be tried where compiling each takes seconds; and Python sees what compiled code does not look at: whether a part lies in
its room, and whether a kernel is given arrays of the types that it was linked with.
"""

import contextlib
from collections.abc import Callable, Generator, Sequence
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np

from chainrule.engines.numba import generator, programs, rewriting

IMPORT = ("from chainrule.engines.numba.toolchain import", "from networks.interpreted import")
SMALL = (  # sizes from which on layers are shared by threads, gradients held back, and updates shared: of any layer
    (rewriting, {"LARGE": {"cross_correlate": 64, "dense": 8}}),
    (generator, {"HELD": 8}),
    (programs, {"SHARED": 8, "ROWS": 16, "CACHE_BYTES": 1 << 12, "BLOCKS": (1, 5)}),
)
OPTIONS: dict[str, Any] = {}
PARALLEL = True
prange = range
_linked: dict[str, tuple[Callable[..., None], list[Any]]] = {}
_programs: dict[str, Any] = {}


@contextlib.contextmanager
def running(*, small: bool) -> Generator[None]:
    """While it lasts, programs are interpreted; `small`: and treat small layers as they do large ones."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(programs, "load", load))
        for module, sizes in SMALL if small else ():
            stack.enter_context(mock.patch.multiple(module, **sizes))
        yield


def load(source: str) -> Any:
    """The function `run` of a program, as `chainrule.engines.numba.programs.load` returns it."""
    if source not in _programs:
        module = ModuleType(f"interpreted_{len(_programs)}")
        exec(source.replace(*IMPORT), module.__dict__)
        _programs[source] = module.run
    return _programs[source]


def njit(**options: Any) -> Callable[[Any], Any]:
    """The function as it is."""
    return lambda function: function


def link(symbol: str, kernel: Any, arrays: Sequence[Any], attributes: Sequence[Any]) -> None:
    """Make `call(symbol, …)` mean a kernel for arrays (numpy dtype, axes; None: no array)."""
    _linked[symbol] = kernel, list(arrays)


def call(symbol: str, arguments: tuple[Any, ...]) -> None:
    """Call what was linked, with arrays of the types it was linked with."""
    kernel, arrays = _linked[symbol]
    for expected, given in zip(arrays, arguments, strict=False):
        found = None if given is None else (str(given.dtype), given.ndim)
        if found != (expected and tuple(expected)):
            raise TypeError(f"{symbol}: expected {expected}, found {found}")
    kernel(*arguments)


def view(room: np.ndarray, begin: int, shape: tuple[int, ...]) -> np.ndarray:
    """The numbers of a room from place `begin` on, which must lie in it."""
    size = int(np.prod(shape))
    flat = room.reshape(-1)
    if begin < 0 or begin + size > flat.size:
        raise IndexError(f"{size} numbers from place {begin} on of a room of {flat.size}")
    return flat[begin : begin + size].reshape(shape)
