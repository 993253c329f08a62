"""Kernels in C as Python functions.

A kernel is declared by a Python function without a body: first its arrays, which have no defaults, then its numbers,
whose defaults have the types that C expects. A tuple or a record of numbers is passed as its entries, one by one.
"""

import ctypes
import inspect
import struct
from collections.abc import Callable, Sequence
from functools import cache, update_wrapper
from typing import Any, cast

import numpy as np

from chainrule.engines.native.library import LIBRARY, address_of

AXES = 6  # of an array; as in kernels/kernel.h
NO_MEMORY, NOT_FINITE = 1, 3
_ARRAY = struct.Struct(f"{2 + AXES}q")  # address, number of axes, shape
_ABSENT = _ARRAY.pack(0, 0, *[1] * AXES)


def flat(value: Any) -> list[Any]:
    """Return the numbers in nested tuples, in order."""
    if isinstance(value, tuple | list):
        return [number for item in cast("Sequence[Any]", value) for number in flat(item)]
    return [value]


class CKernel:
    """A kernel in C that can be called from Python, in a single thread.

    arrays   number of its arrays
    """

    __name__: str

    def __init__(self, declaration: Callable[..., Any]) -> None:
        update_wrapper(self, declaration)
        parameters = inspect.signature(declaration).parameters.values()
        self.arrays = sum(parameter.default is parameter.empty for parameter in parameters)
        self._defaults = [parameter.default for parameter in parameters][self.arrays :]

    def symbol(self, dtype: str) -> str:
        """Return the name of the function in C."""
        return f"{self.__name__}_{dtype}"

    def words(self, numbers: Sequence[Any]) -> list[tuple[bool, Any]]:
        """Return the numbers after the arrays, each with whether C expects a double."""
        result = list[tuple[bool, Any]]()
        for default, value in zip(self._defaults, numbers, strict=True):
            kinds = flat(default)
            for k, number in enumerate(flat(value)):
                result.append((isinstance(kinds[k % len(kinds)], float), number))
        return result

    def pack(self, numbers: Sequence[Any]) -> bytes:
        """Return the numbers after the arrays as C reads them."""
        words = self.words(numbers)
        packing = "".join("d" if is_float else "q" for is_float, _ in words)
        return struct.pack(packing, *(0 if number is None else number for _, number in words))

    def __call__(self, *arguments: Any) -> None:
        """Call the kernel with arrays and numbers, by position.

        Errors   TypeError if an array is not contiguous; MemoryError, FloatingPointError
        """
        arrays, numbers = arguments[: self.arrays], arguments[self.arrays :]
        packed = self.pack([*numbers, *self._defaults[len(numbers) :]])
        dtype = next(str(array.dtype) for array in arrays if array is not None and array.dtype.kind == "f")
        checked(_function()(address_of(self.symbol(dtype)), b"".join(map(_array, arrays)), packed))


def checked(status: int) -> None:
    """Raise the error of a status. Errors: MemoryError, FloatingPointError."""
    if status == NOT_FINITE:
        raise FloatingPointError("a result is not finite")
    if status:
        raise MemoryError("allocation of a kernel's buffer failed; it is probably too large")


def address_in_memory(array: Any) -> int:
    """Return the address of a contiguous array. For most arrays, this is four times as fast as `array.ctypes.data`."""
    if array.flags.writeable and array.size:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    return array.ctypes.data


def _array(array: "np.ndarray[Any, Any] | None") -> bytes:
    if array is None:
        return _ABSENT
    if not array.flags.c_contiguous:
        raise TypeError("kernels need contiguous arrays")
    return _ARRAY.pack(address_in_memory(array), array.ndim, *array.shape, *[1] * (AXES - array.ndim))


@cache
def _function() -> Any:
    function = LIBRARY.chainrule_call_alone
    function.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
    return function


in_c = CKernel  # decorator of declarations


def declaration(name: str, module: str, arrays: Sequence[str], **numbers: Any) -> CKernel:
    """Return a kernel that is declared by the names of its arrays, and of its numbers with their defaults."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(array, kind) for array in arrays]
    parameters += [inspect.Parameter(number, kind, default=default) for number, default in numbers.items()]

    def declared() -> None:
        pass

    declared.__name__ = declared.__qualname__ = name
    declared.__module__ = module
    declared.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    return CKernel(declared)
