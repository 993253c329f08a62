"""Kernels as functions of Python: each call compiles, or finds, a program that only calls the kernel.

Within a compiled program kernels are called directly; this is for single operations and tests.
"""

import ast
import inspect
import itertools
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.compiled.compiler import buffers, storing
from chainrule.engines.compiled.compiler.intrinsics import DISABLED
from chainrule.engines.compiled.compiler.loading import MachineFunction, program_of
from chainrule.engines.compiled.compiler.signatures import Link, Several

DTYPES = {"f": "float32", "d": "float64", "i": "int32"}  # names of dtypes, which take NumPy 3 µs
NUMBERS: list[tuple[Any, Any]] = [(bool, bool), (int | np.integer, int), (float | np.floating, float)]

_numbers_of_kernels = itertools.count()  # kernels outside this package may share their names


class Kernel:
    """A kernel. One thread runs it; programs share its work among threads."""

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self.py_func = function
        self.number = next(_numbers_of_kernels)
        self.programs: dict[Any, Any] = {}  # by the types of their arguments: each calls the kernel
        self._defaults = [(each.name, each.default) for each in inspect.signature(function).parameters.values()]

    def __call__(self, *arguments: Any, **named: Any) -> None:
        rest = [named.pop(name, default) for name, default in self._defaults[len(arguments) :]]
        if named:
            raise TypeError(f"{self.py_func.__name__} has no argument {', '.join(named)} left to be given")
        _call_kernel(self, (*arguments, *rest))


def kernel(function: Callable[..., Any]) -> Any:
    """Make a function a kernel."""
    return function if DISABLED else Kernel(function)


def _call_kernel(kernel: Kernel, arguments: Sequence[Any]) -> None:
    """Run a kernel by itself, on contiguous arrays and numbers.

    Errors   TypeError for an array that is not contiguous
    """
    buffers.use_stack()
    kinds = tuple(map(_kind, arguments))
    if kinds not in kernel.programs:
        with storing.SETTING:
            kernel.programs[kinds] = kernel.programs.get(kinds) or _caller(kernel, kinds)
    kernel.programs[kinds](*[number for each in arguments for number in _numbers(each)])


def _kind(value: Any) -> Any:
    """Return the type of an argument, as in `Link`."""
    if isinstance(value, np.ndarray):
        array = cast("NDArray[Any]", value)
        if not array.flags.c_contiguous:
            raise TypeError("kernels need contiguous arrays")
        return DTYPES.get(array.dtype.char) or str(array.dtype), array.ndim
    if isinstance(value, tuple):
        return Several(map(_kind, cast("tuple[Any, ...]", value)))
    return None if value is None else next(kind for of, kind in NUMBERS if isinstance(value, of))


def _numbers(value: Any) -> Sequence[Any]:
    """Return the entries of a table for an argument."""
    if isinstance(value, tuple):
        return [number for each in cast("tuple[Any, ...]", value) for number in _numbers(each)]
    return () if value is None else (value,)


def _caller(kernel: Any, types: Sequence[Any]) -> MachineFunction:
    """Return a program that calls one kernel, given the numbers of all tuples one after the other."""
    name = Link("", kernel, types).name
    given, kinds, names = Link(f"{name} alone", kernel, types), list[Any](), list[str]()

    def passed(kind: Any) -> str:
        if isinstance(kind, Several):
            return f"({''.join(passed(each) + ', ' for each in kind)})"
        if kind is None:
            return "None"
        kinds.append(kind)
        names.append(f"a{len(names)}")
        return names[-1]

    arguments = passed(Several(types))
    tree = ast.parse(f"def run({', '.join(names)}):\n    call({given.symbol!r}, {arguments})\n")
    return program_of(f"call_{name}", tree, [given], {"run": kinds}, kept=given.own)
