"""Compiled programs run as plain Python around compiled kernels: the same source, without the time to compile it.

A program itself only calls kernels in an order on parts of workspaces. In Python, thousands of programs can
be tried where compiling each takes seconds, and Python can check what compiled code does not: whether a part lies
within its workspace, and whether a kernel is passed arrays of the types it was linked with.
"""

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from chainrule.engines.compiled import programs
from chainrule.engines.compiled.codegen import generator, gradient_lines, workspaces
from chainrule.engines.compiled.kernels.selection import KERNELS
from chainrule.engines.compiled.passes import segments, sharing

SMALL = (  # sizes above which layers are shared by threads, gradients deferred and updates shared: of any layer
    (gradient_lines, {"DEFERRED_WEIGHTS": 8, "ROWS": 16}),
    (sharing, {"LARGE_GRADIENT": 16, "SHARED_FROM": 64}),
    (programs, {"MIN_THREADED_UPDATE": 8, "MIN_THREADED_UPDATE_ALONE": 8}),
    (workspaces, {"MIN_PART": 8, "MIN_THREADS": 2, "MIN_CHUNK": 1}),
    (
        segments,
        {"CACHE_BYTES": 1 << 12, "INFERENCE_BYTES": 1 << 11, "BLOCKS": (1, 5), "WIDE_BLOCK": 3, "SMALL_BYTES": 1 << 8},
    ),
    (generator, {"WIDE_BLOCK": 3}),
)
SHARED_FROM = {"cross_correlate": 512, "dense": 8}  # 64 for any other kernel
_linked: dict[str, tuple[Callable[..., None], list[Any]]] = {}
_programs: dict[str, Any] = {}


@contextlib.contextmanager
def running(*, small: bool) -> Generator[None]:
    """Interpret programs in this context; `small`: and treat small layers like large ones."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(programs, "load", load))
        if small:
            known = {name: entry for name, entry in KERNELS.items() if entry.shared_from is not None}
            shared = {name: replace(entry, shared_from=SHARED_FROM.get(name, 64)) for name, entry in known.items()}
            stack.enter_context(mock.patch.dict(KERNELS, shared))
        for module, sizes in SMALL if small else ():
            stack.enter_context(mock.patch.multiple(module, **sizes))
        yield


class Interpreted(NamedTuple):
    """A program as Python's lines, called like `compiler.loading.MachineFunction`."""

    run: Callable[..., None]

    def __call__(self, *arguments: Any) -> None:
        self.run(*arguments)

    def bind(self, first: int, own: Sequence[Any]) -> Callable[..., None]:
        """Return the program with all arguments from the first on but the last."""
        return lambda given, *rest: self.run(*given[:first], *own, *rest)


def load(source: str) -> Any:
    """Return the function `run` of a program, like `chainrule.engines.compiled.programs.load`."""
    if source not in _programs:
        known: dict[str, Any] = {entry.family: entry.module for entry in KERNELS.values()}
        known |= {"call": call, "declare": declare, "link": link, "number": number, "view": view}
        known |= {"prange": range, "turns": turns}
        exec(source, known)
        _programs[source] = Interpreted(known["run"])
    return _programs[source]


def turns(count: int, threads: int) -> Iterator[tuple[int, int]]:
    """Yield the turns of a loop, from the last to the first, and which of so many threads does each."""
    for turn in reversed(range(count)):
        yield turn, (turn * 7 + 1) % threads


def declare(name: str, arrays: Sequence[Any], numbers: Sequence[Any]) -> None:
    """Do nothing: Python does not ask for the types of a function's arguments."""


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


def number(array: np.ndarray, place: int) -> float | int:
    """Return a number at a flat index."""
    return array.reshape(-1)[place].item()


def view(room: np.ndarray, begin: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return the part of a workspace that starts at `begin`, which must lie within it."""
    size = int(np.prod(shape))
    flat = room.reshape(-1)
    if begin < 0 or begin + size > flat.size:
        raise IndexError(f"{size} numbers from place {begin} on of a room of {flat.size}")
    return flat[begin : begin + size].reshape(shape)
