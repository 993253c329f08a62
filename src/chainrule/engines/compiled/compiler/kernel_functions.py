"""Python and NumPy functions that kernels may call."""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler.kernel_arithmetic import binary, compare, intrinsic, negate, product, to_number
from chainrule.engines.compiled.compiler.kernel_arrays import address_at, allocate, contiguous, load, locate, store
from chainrule.engines.compiled.compiler.kernel_code import KernelCode
from chainrule.engines.compiled.compiler.kernel_loops import emit_range
from chainrule.engines.compiled.compiler.kernel_values import (
    BOOL,
    DTYPES,
    FLOAT64,
    INT64,
    UINT64,
    DType,
    KernelArray,
    KernelNumber,
    Unsupported,
    Value,
    dtype_of,
    is_constant,
    is_tuple,
    result_dtype,
)
from chainrule.engines.compiled.compiler.kernel_variables import new_slot, read_slot, write_slot

INTRINSICS = {np.sqrt: "sqrt", np.log: "log", np.exp: "exp", np.ceil: "ceil", np.floor: "floor", np.rint: "rint"}


class Method(NamedTuple):
    """A bound method of an array."""

    array: KernelArray
    name: str


def call_builtin(code: KernelCode, callee: Any, arguments: list[Value], named: dict[str, Value]) -> Value:
    """Return the result of a Python or NumPy function, or NotImplemented if the function is not supported.

    `literally` marks a compile-time constant. A number is finite if |x| < ∞, which is false for NaN.
    """
    if getattr(callee, "__name__", "") == "literally":
        return arguments[0]
    if callee in (min, max):
        return _extremum(code, "Lt" if callee is min else "Gt", arguments)
    if callee in (abs, np.abs):
        return _absolute(code, arguments[0])
    if callee is len:
        if isinstance(arguments[0], KernelArray):
            return arguments[0].shape[0]
        return len(arguments[0])
    if callee in (int, float, bool):
        return to_number(code, arguments[0], {int: INT64, float: FLOAT64, bool: BOOL}[callee])
    if inspect.isclass(callee) and issubclass(callee, np.generic) and callee.__name__.rstrip("_") in DTYPES:
        return to_number(code, arguments[0], DTYPES[callee.__name__.rstrip("_")])
    if callee in INTRINSICS:
        return _float_function(code, INTRINSICS[callee], arguments[0])
    if callee is np.isfinite:
        dtype = dtype_of(arguments[0])
        magnitude = _absolute(code, arguments[0])
        return compare(code, "Lt", magnitude, KernelNumber(dtype, dtype.llvm(float("inf"))))
    if callee is np.finfo and isinstance(arguments[0], DType):
        return np.finfo(np.dtype(arguments[0].name))
    return _array_function(code, callee, arguments, named)


def _float_function(code: KernelCode, name: str, value: Value) -> Value:
    dtype = dtype_of(value)
    if not dtype.real:
        dtype = FLOAT64
    return KernelNumber(dtype, intrinsic(code, name, dtype, to_number(code, value, dtype).value))


def _absolute(code: KernelCode, value: Value) -> Value:
    if is_constant(value):
        return abs(value)
    if dtype_of(value).real:
        return _float_function(code, "fabs", value)
    if dtype_of(value) is UINT64:
        return value
    return select_number(code, compare(code, "Lt", value, 0), negate(code, value), value)


def select_number(code: KernelCode, test: KernelNumber, first: Value, second: Value) -> KernelNumber:
    """Return `first` if `test` is true, else `second`, without a branch."""
    dtype = result_dtype(dtype_of(first), dtype_of(second))
    return KernelNumber(
        dtype,
        code.builder.select(test.value, to_number(code, first, dtype).value, to_number(code, second, dtype).value),
    )


def _extremum(code: KernelCode, name: str, values: Sequence[Value]) -> Value:
    if len(values) == 1 and is_tuple(values[0]):
        best, *others = values[0]
    else:
        best, *others = values
    for value in others:
        if is_constant(best) and is_constant(value):
            best = (min if name == "Lt" else max)(best, value)
            continue
        best = select_number(code, compare(code, name, value, best), value, best)
    return best


def _array_function(code: KernelCode, callee: Any, arguments: list[Value], named: dict[str, Value]) -> Value:
    """Return the result of a NumPy function that operates on or creates an array.

    NotImplemented if the function, or this form of its arguments, is not part of the subset. np.minimum is enough for
    the lists of offsets in kernels; other element-wise operations are loops.
    """
    dtypes = [named.get("dtype", arguments[1] if len(arguments) > 1 else FLOAT64)]
    if callee in (np.zeros, np.empty, np.ones):
        if is_tuple(arguments[0]):
            shape = arguments[0]
        else:
            shape = (arguments[0],)
        array = allocate(code, shape, _dtype(dtypes[0]), zeros=callee is np.zeros)
        if callee is np.ones:
            fill_array(code, array, 1)
        return array
    if callee is np.empty_like and isinstance(arguments[0], KernelArray):
        return allocate(code, arguments[0].shape, arguments[0].dtype)
    if callee is np.arange and len(arguments) == 1:
        array = allocate(code, (arguments[0],), INT64)
        emit_range(code, 0, arguments[0], 1, lambda index: store(code, array, address_at(code, array, index), index))
        return array
    if callee is np.argmax and isinstance(arguments[0], KernelArray) and len(arguments[0].shape) == 1:
        return _argmax(code, arguments[0])
    if callee is np.minimum:
        return elementwise(code, lambda x, y: _extremum(code, "Lt", [x, y]), *arguments)
    return NotImplemented


def _argmax(code: KernelCode, array: KernelArray) -> Value:
    """Return the index of the first NaN in an array or, without NaN, of the first maximum."""
    build = code.builder
    winner = new_slot(code, to_number(code, 0))
    largest = new_slot(code, load(code, array, array.pointer))
    write_slot(code, winner, to_number(code, 0))
    write_slot(code, largest, load(code, array, array.pointer))

    def emit_iteration(index: Value) -> None:
        best = read_slot(code, largest)
        value = load(code, array, locate(code, array, [index])[0])
        not_nan = build.fcmp_ordered("ord", best.value, best.value)
        wins = build.and_(not_nan, build.fcmp_unordered(">", value.value, best.value))
        write_slot(code, largest, KernelNumber(array.dtype, build.select(wins, value.value, best.value)))
        write_slot(code, winner, KernelNumber(INT64, build.select(wins, index.value, read_slot(code, winner).value)))

    emit_range(code, 0, array.shape[0], 1, emit_iteration)
    return read_slot(code, winner)


def _dtype(dtype: Value) -> DType:
    if isinstance(dtype, DType):
        return dtype
    name = getattr(dtype, "__name__", "").rstrip("_")
    if name not in DTYPES:
        raise Unsupported(f"arrays of {dtype!r}")
    return DTYPES[name]


def fill_array(code: KernelCode, array: KernelArray, value: Value) -> None:
    """Set every element of a contiguous array to a number."""
    if not (is_constant(value) or isinstance(value, KernelNumber)) or not array.contiguous:
        raise Unsupported("assigning an array to a slice, or a number to a view that is not contiguous")
    number = to_number(code, value, array.dtype)
    flat = contiguous(code, array.dtype, array.pointer, (product(code, array.shape),))
    emit_range(code, 0, flat.shape[0], 1, lambda index: store(code, flat, address_at(code, flat, index), number))


def call_method(code: KernelCode, method: Method, arguments: list[Value]) -> Value:
    """Return the result of a method of an array."""
    array = method.array
    if method.name == "reshape" and array.contiguous:
        if is_tuple(arguments[0]):
            shape = arguments[0]
        else:
            shape = tuple(arguments)
        if any(is_constant(size) and size < 0 for size in shape):
            raise Unsupported("reshape to a negative size")
        return contiguous(code, array.dtype, array.pointer, shape)
    if method.name == "sum" and not arguments and len(array.shape) == 1:
        return _sum_of_elements(code, array)
    raise Unsupported(f"the method {method.name} of an array, or its arguments")


def _sum_of_elements(code: KernelCode, array: KernelArray) -> Value:
    """Return the sum of a one-dimensional array."""
    zero = to_number(code, 0, array.dtype)
    total = new_slot(code, zero)
    write_slot(code, total, zero)

    def emit_iteration(index: Value) -> None:
        entry = load(code, array, locate(code, array, [index])[0])
        write_slot(code, total, binary(code, "Add", read_slot(code, total), entry))

    emit_range(code, 0, array.shape[0], 1, emit_iteration)
    return read_slot(code, total)


def elementwise(code: KernelCode, function: Callable[[Value, Value], Value], a: Value, b: Value) -> KernelArray:
    """Apply a function elementwise, and return a new array.

    The operands are two one-dimensional int64 arrays of equal length, or one such array and a number.
    """
    arrays = [operand for operand in (a, b) if isinstance(operand, KernelArray)]
    if not arrays or len(arrays[0].shape) != 1 or any(array.dtype is not INT64 for array in arrays):
        raise Unsupported("arithmetic on arrays other than one-dimensional ones of int64")
    template = arrays[0]
    result = allocate(code, template.shape, template.dtype)

    def emit_iteration(index: Value) -> None:
        operands = [a, b]
        for place, operand in enumerate(operands):
            if isinstance(operand, KernelArray):
                address, _ = locate(code, operand, [index])
                operands[place] = load(code, operand, address)
        store(code, result, address_at(code, result, index), function(*operands))

    emit_range(code, 0, template.shape[0], 1, emit_iteration)
    return result
