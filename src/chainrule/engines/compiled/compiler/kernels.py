"""Kernels and the parts that they are made of, which are compiled when a program first needs one (`kernel_code`).

The decorators here only note what is to be compiled.
"""

import inspect
import itertools
import os
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

DISABLED = os.environ.get("CHAINRULE_UNCOMPILED", "0") not in ("", "0")  # functions stay plain Python

_numbers = itertools.count()  # of kernels: those outside this package may share their names
written_by_hand: list[Any] = []  # functions of `tiles` whose code is emitted by hand


class Kernel:
    """A kernel. One thread runs it; programs share its work among threads. Called from Python, it is compiled too."""

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self.py_func = function
        self.number = next(_numbers)
        self.programs: dict[Any, Any] = {}  # by the types of their arguments: each calls the kernel
        self._defaults = [(each.name, each.default) for each in inspect.signature(function).parameters.values()]

    def __call__(self, *arguments: Any, **named: Any) -> None:
        from chainrule.engines.compiled.compiler.loading import call_kernel

        rest = [named.pop(name, default) for name, default in self._defaults[len(arguments) :]]
        if named:
            raise TypeError(f"{self.py_func.__name__} has no argument {', '.join(named)} left to be given")
        call_kernel(self, (*arguments, *rest))


class Inlined:
    """A piece of a kernel, which is copied into it: a call costs 50 ns, as much as a short row of arithmetic."""

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self.py_func = function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.py_func(*arguments, **named)


def kernel(function: Callable[..., Any]) -> Any:
    """Make a function a kernel."""
    return function if DISABLED else Kernel(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Make a function a piece that is copied into the kernels that call it."""
    return function if DISABLED else Inlined(function)


def literally(value: Any) -> Any:
    """Return a value that must be known while a kernel is compiled."""
    return value


def compile_by_hand(function: Any) -> None:
    """Give a function of `tiles` the code of the same name that is emitted by hand."""
    written_by_hand.append(function)
