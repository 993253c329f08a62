"""Values of compiled kernels: numbers, arrays and tiles.

Compile-time constants are Python objects (numbers, None, tuples, functions, classes).

Tried with llvmlite 0.50. Only llvmlite's `ir` is used, and the type of an element is never read from its pointer.
"""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from llvmlite import ir as _ir

ir: Any = _ir  # llvmlite has no type annotations
LlvmValue: TypeAlias = _ir.Value


class Unsupported(NotImplementedError):
    """A kernel uses something outside the supported subset of Python."""


@dataclass(frozen=True)
class DType:
    """The type of a number.

    llvm    LLVM type of a number
    stored  LLVM type of an array element; differs from `llvm` only for bool
    """

    name: str
    bitwidth: int
    llvm: Any
    stored: Any

    @property
    def real(self) -> bool:
        """Whether numbers of this type are floats."""
        return self.name.startswith("float")

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name


I8, I32, I64, DOUBLE = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.DoubleType()
DTYPES = {
    dtype.name: dtype
    for dtype in (
        DType("bool", 8, ir.IntType(1), I8),
        DType("uint8", 8, I8, I8),
        DType("int32", 32, I32, I32),
        DType("int64", 64, I64, I64),
        DType("uint64", 64, I64, I64),
        DType("float32", 32, ir.FloatType(), ir.FloatType()),
        DType("float64", 64, DOUBLE, DOUBLE),
    )
}
BOOL, UINT8, INT32, INT64, UINT64, FLOAT32, FLOAT64 = DTYPES.values()


class KernelNumber(NamedTuple):
    """A number computed when the kernel runs."""

    dtype: DType
    value: Any


class KernelArray(NamedTuple):
    """An array: the address of its first element, its shape, and its strides in elements."""

    dtype: DType
    pointer: Any
    shape: tuple[Any, ...]
    strides: tuple[Any, ...]
    contiguous: bool


Value: TypeAlias = Any  # an instance of one of these classes, or a Python object

_PYTHON_DTYPES: list[tuple[Any, DType]] = [(bool, BOOL), (int, INT64), (float, FLOAT64)]
_NUMPY_DTYPES = {np.dtype(dtype.name).type: dtype for dtype in DTYPES.values()}


def pointer_to(element: Any) -> Any:
    """Return the LLVM type of pointers to an LLVM type. With opaque pointers, there is only one pointer type."""
    if hasattr(element, "as_pointer"):
        return element.as_pointer()
    return ir.PointerType()


def is_constant(value: Value) -> bool:
    """Return whether a value is a Python number, which is a compile-time constant."""
    return isinstance(value, bool | int | float)


def is_tuple(value: Value) -> bool:
    """Return whether a value is a tuple of values."""
    return isinstance(value, tuple) and not isinstance(value, KernelNumber | KernelArray)


def from_python(value: Any) -> Value:
    """Convert a Python object to a value. NumPy scalars keep their dtype."""
    if isinstance(value, np.generic) and type(value) in _NUMPY_DTYPES:
        dtype = _NUMPY_DTYPES[type(value)]
        return KernelNumber(dtype, dtype.llvm(value.item()))
    if isinstance(value, np.dtype):
        return DTYPES[value.name]
    return value


def dtype_of(value: Value) -> DType:
    """Return the dtype of a number."""
    if isinstance(value, KernelNumber):
        return value.dtype
    for python_type, dtype in _PYTHON_DTYPES:
        if isinstance(value, python_type):
            return dtype
    raise Unsupported(f"{value!r} is not a number")


def result_dtype(a: DType, b: DType) -> DType:
    """Return the result dtype of an operator on numbers of two dtypes."""
    if a is b:
        return a
    dtypes = {a, b}
    if UINT64 in dtypes:
        raise Unsupported("arithmetic on uint64 and another type")
    if not a.real and not b.real:
        return INT64
    return FLOAT64


def llvm_values(value: Value) -> list[Any]:
    """Return the LLVM values that make up a value, in order."""
    if isinstance(value, KernelNumber):
        return [value.value]
    if isinstance(value, KernelArray):
        return [value.pointer, *llvm_values((*value.shape, *value.strides))]
    numbers = []
    if isinstance(value, tuple):
        for part in value:
            numbers += llvm_values(part)
    return numbers


def rebuild(template: Value, numbers: Any) -> Value:
    """Return a value of the same type as `template`, built from the next LLVM values of an iterator."""
    if isinstance(template, KernelNumber):
        return KernelNumber(template.dtype, next(numbers))
    if isinstance(template, KernelArray):
        pointer = next(numbers)
        shape = tuple(rebuild(size, numbers) for size in template.shape)
        strides = tuple(rebuild(size, numbers) for size in template.strides)
        return KernelArray(template.dtype, pointer, shape, strides, template.contiguous)
    if isinstance(template, tuple):
        parts = [rebuild(size, numbers) for size in template]
        if hasattr(template, "_fields"):
            return type(template)(*parts)
        return tuple(parts)
    return template


def slot_type(value: Value) -> Any:
    """Return a key for the type of a value. Values with equal keys fit into the same `kernel_variables.Slot`."""
    if isinstance(value, KernelNumber):
        return value.dtype.name
    if isinstance(value, KernelArray):
        return ("array", value.dtype.name, len(value.shape), value.contiguous)
    if isinstance(value, tuple):
        return (type(value).__name__, *map(slot_type, value))
    return value
