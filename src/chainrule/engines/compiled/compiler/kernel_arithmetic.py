"""Arithmetic on the numbers of compiled kernels.

An operation on an integer and a float32 returns a float64, as NumPy does for arrays of int64 and float32. Operations on
compile-time constants are evaluated at compile time and emit no code.

Tried with llvmlite 0.50. Only llvmlite's `ir` is used.
"""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

import operator
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engines.compiled.compiler.kernel_code import KernelCode
from chainrule.engines.compiled.compiler.kernel_values import (
    BOOL,
    FLOAT64,
    INT32,
    INT64,
    UINT8,
    UINT64,
    DType,
    KernelArray,
    KernelNumber,
    Unsupported,
    Value,
    dtype_of,
    ir,
    is_constant,
    is_tuple,
    result_dtype,
)

# LLVM's fast-math flags. A sum that grows by `total += x` may be reordered, which is required for vectorization. Sums
# and differences in expressions may not: (x − m) − l would become x − (m + l), and t a + (1 − t) b would become
# b + t (a − b), which lose digits for large m and b. Nor may products: x (a + b) would become x a + x b, which may be
# nonzero although a + b = 0, and is ∞ − ∞ for large x.
FAST_MATH_FLAGS = ("contract", "nsz", "arcp")
SUM_FLAGS = ("reassoc", *FAST_MATH_FLAGS)

# Class name in `ast` → Python function, LLVM instruction for integers, LLVM instruction for floats; "" for none.
OPERATORS: dict[str, tuple[Callable[[Any, Any], Any], str, str]] = {
    "Add": (operator.add, "add", "fadd"),
    "Sub": (operator.sub, "sub", "fsub"),
    "Mult": (operator.mul, "mul", "fmul"),
    "Div": (operator.truediv, "", "fdiv"),
    "FloorDiv": (operator.floordiv, "", ""),
    "Mod": (operator.mod, "", ""),
    "BitAnd": (operator.and_, "and_", ""),
    "BitOr": (operator.or_, "or_", ""),
    "BitXor": (operator.xor, "xor", ""),
    "LShift": (operator.lshift, "shl", ""),
    "RShift": (operator.rshift, "", ""),
    "Pow": (operator.pow, "", ""),
}
# Class name in `ast` → Python function, LLVM comparison.
COMPARISONS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "Eq": (operator.eq, "=="),
    "NotEq": (operator.ne, "!="),
    "Lt": (operator.lt, "<"),
    "LtE": (operator.le, "<="),
    "Gt": (operator.gt, ">"),
    "GtE": (operator.ge, ">="),
}


def to_number(code: KernelCode, value: Value, dtype: DType | None = None) -> KernelNumber:
    """Return a value as a KernelNumber, converted to `dtype` unless it is None."""
    if is_constant(value):
        dtype = dtype or dtype_of(value)
        return KernelNumber(dtype, dtype.llvm(float(value) if dtype.real else int(value)))
    if not isinstance(value, KernelNumber):
        raise Unsupported(f"{value!r} is not a number")
    if dtype is None:
        return value
    return KernelNumber(dtype, convert(code.builder, value, dtype))


def convert(build: Any, number: KernelNumber, target: DType) -> Any:
    """Return a number as an LLVM value of another dtype.

    build  LLVM builder
    """
    source, value = number
    if target is source:
        return value
    if target is BOOL:
        if source.real:
            return build.fcmp_unordered("!=", value, source.llvm(0.0))
        return build.icmp_signed("!=", value, source.llvm(0))
    if source.real:
        if not target.real:
            return (build.fptoui if target in (UINT8, UINT64) else build.fptosi)(value, target.llvm)
        return (build.fpext if target is FLOAT64 else build.fptrunc)(value, target.llvm)
    if target.real:
        unsigned = source in (BOOL, UINT8, UINT64)
        return (build.uitofp if unsigned else build.sitofp)(value, target.llvm)
    if source in (BOOL, UINT8):
        return build.zext(value, target.llvm)
    if target.bitwidth > source.bitwidth:
        return build.sext(value, target.llvm)
    if target.bitwidth < source.bitwidth:
        return build.trunc(value, target.llvm)
    return value


def as_int64(code: KernelCode, value: Value) -> Any:
    """Return an integer as a 64-bit LLVM value."""
    return to_number(code, value, INT64).value


def truth(code: KernelCode, value: Value) -> Any:
    """Return the truth value of a value: a Python bool for a constant, else an LLVM value."""
    if isinstance(value, KernelNumber):
        return to_number(code, value, BOOL).value
    if isinstance(value, KernelArray):
        raise Unsupported("the truth value of an array")
    return bool(value)


def add(code: KernelCode, a: Value, b: Value) -> Value:
    """Return a + b."""
    return binary(code, "Add", a, b)


def subtract(code: KernelCode, a: Value, b: Value) -> Value:
    """Return a − b."""
    return binary(code, "Sub", a, b)


def multiply(code: KernelCode, a: Value, b: Value) -> Value:
    """Return a · b."""
    return binary(code, "Mult", a, b)


def product(code: KernelCode, numbers: Sequence[Value]) -> Value:
    """Return the product of integers."""
    result: Value = 1
    for number in numbers:
        result = multiply(code, result, number)
    return result


def accumulate(code: KernelCode, name: str, total: Value, value: Value) -> Value:
    """Return the result of an operator on a variable and a value, such as that of `total += value`."""
    result = binary(code, name, total, value)
    if isinstance(result, KernelNumber) and result.dtype.real and name in ("Add", "Sub"):
        result.value.flags.append("reassoc")
    return result


def binary(code: KernelCode, name: str, a: Value, b: Value) -> Value:
    """Return the result of a binary operator on two values.

    name  class name of the operator in `ast`, such as "Add"
    """
    if name not in OPERATORS:
        raise Unsupported(f"the operator {name}")
    function, integer_instruction, _ = OPERATORS[name]
    if is_tuple(a) or (is_constant(a) and is_constant(b)):
        return function(a, b)
    if name == "Pow":
        return _power(code, a, b)
    simplified = None
    if integer_instruction:
        simplified = _simplified(name, a, b)
    if simplified is None:
        return _emitted(code, name, a, b)
    return simplified


def _emitted(code: KernelCode, name: str, a: Value, b: Value) -> KernelNumber:
    """Emit the instruction of a binary operator, and return its result."""
    build = code.builder
    dtype = _dtype_of_operation(name, a, b)
    _, integer_instruction, float_instruction = OPERATORS[name]
    x = to_number(code, a, dtype).value
    y = to_number(code, b, dtype).value
    if dtype.real:
        if not float_instruction:
            raise Unsupported(f"{name} of floats")
        return KernelNumber(dtype, getattr(build, float_instruction)(x, y, flags=FAST_MATH_FLAGS))
    if name in ("FloorDiv", "Mod"):
        return KernelNumber(dtype, _divide(code, name, x, y, b, dtype))
    if name == "RShift":
        return KernelNumber(dtype, (build.lshr if dtype is UINT64 else build.ashr)(x, y))
    flags = {}
    if dtype is INT64 and name in ("Add", "Sub", "Mult"):
        flags = {"flags": ("nsw",)}
    return KernelNumber(dtype, getattr(build, integer_instruction)(x, y, **flags))


def _dtype_of_operation(name: str, a: Value, b: Value) -> DType:
    """Return the dtype in which an operator computes: quotients are floats, and small integers become int64."""
    dtype = result_dtype(dtype_of(a), dtype_of(b))
    if name == "Div" and not dtype.real:
        return FLOAT64
    is_logical = dtype is BOOL and name in ("BitAnd", "BitOr", "BitXor")
    if dtype in (UINT8, INT32, BOOL) and not is_logical:
        return INT64
    return dtype


def _simplified(name: str, a: Value, b: Value) -> Value | None:
    """Return the result of adding or subtracting 0, or multiplying by 0 or 1. For any other operation, return None.

    No code is emitted.
    """
    for operand, constant, is_left in ((a, b, True), (b, a, False)):
        if type(constant) is int and isinstance(operand, KernelNumber) and operand.dtype is INT64:
            if constant == 0 and (name == "Add" or (name == "Sub" and is_left)):
                return operand
            if name == "Mult" and constant in (0, 1):
                if constant:
                    return operand
                return 0
    return None


def _divide(code: KernelCode, name: str, a: Any, b: Any, divisor: Value, dtype: DType) -> Any:
    """Return a // b or a % b with division rounded down, or 0 if b is 0.

    a, b     LLVM values
    divisor  b as a `Value`; less code is emitted if it is a positive constant
    """
    build = code.builder
    if dtype is UINT64:
        raise Unsupported("division of uint64")
    if is_constant(divisor) and divisor > 0:
        return _divide_by_constant(build, name, a, divisor, dtype)
    zero = build.icmp_signed("==", b, dtype.llvm(0))
    safe = build.select(zero, dtype.llvm(1), b)
    quotient = build.sdiv(a, safe)
    remainder = build.srem(a, safe)
    signs_differ = build.icmp_signed("<", build.xor(a, safe), dtype.llvm(0))
    round_down = build.and_(signs_differ, build.icmp_signed("!=", remainder, dtype.llvm(0)))
    if name == "Mod":
        result = build.select(round_down, build.add(remainder, safe), remainder)
    else:
        result = build.sub(quotient, build.zext(round_down, dtype.llvm))
    return build.select(zero, dtype.llvm(0), result)


def _divide_by_constant(build: Any, name: str, a: Any, divisor: int, dtype: DType) -> Any:
    """Return a // divisor or a % divisor, rounded down, for a divisor above 0; powers of two need no division."""
    if divisor & (divisor - 1) == 0:
        shift = dtype.llvm(divisor.bit_length() - 1)
        mask = dtype.llvm(divisor - 1)
        if name == "Mod":
            return build.and_(a, mask)
        return build.ashr(a, shift)
    b = dtype.llvm(divisor)
    remainder = build.srem(a, b)
    is_negative = build.icmp_signed("<", remainder, dtype.llvm(0))
    if name == "Mod":
        return build.select(is_negative, build.add(remainder, b), remainder)
    return build.sub(build.sdiv(a, b), build.zext(is_negative, dtype.llvm))


def _power(code: KernelCode, a: Value, b: Value) -> Value:
    """Return aᵇ, computed by repeated squaring if b is a constant integer from 1 to 64."""
    if type(b) is int and 0 < b < 65:
        result = None
        square = a
        exponent = b
        while exponent:
            if exponent & 1:
                if result is None:
                    result = square
                else:
                    result = multiply(code, result, square)
            exponent >>= 1
            if exponent:
                square = multiply(code, square, square)
        return result
    dtype = result_dtype(dtype_of(a), dtype_of(b))
    if not dtype.real:
        raise Unsupported("powers of integers, except with a constant exponent from 1 to 64")
    x = to_number(code, a, dtype).value
    y = to_number(code, b, dtype).value
    return KernelNumber(dtype, intrinsic(code, "pow", dtype, x, y))


def intrinsic(code: KernelCode, name: str, dtype: DType, *arguments: Any) -> Any:
    """Return the result of an LLVM intrinsic on floats."""
    shape = ir.FunctionType(dtype.llvm, [dtype.llvm] * len(arguments))
    function = code.builder.module.declare_intrinsic(f"llvm.{name}", [dtype.llvm], shape)
    return code.builder.call(function, arguments)


def compare(code: KernelCode, name: str, a: Value, b: Value) -> Value:
    """Return the result of a comparison of two values.

    name  class name of the comparison in `ast`, such as "Lt"
    """
    build = code.builder
    if name in ("Is", "IsNot"):
        same = None
        if a is None or b is None or isinstance(a, bool):
            same = a is b
        if same is None:
            raise Unsupported("`is` with anything but None and constants")
        return same == (name == "Is")
    if name not in COMPARISONS:
        raise Unsupported(f"the comparison {name}")
    function, comparison = COMPARISONS[name]
    if not isinstance(a, KernelNumber) and not isinstance(b, KernelNumber):
        if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
            raise Unsupported("a comparison of tuples")
        return function(a, b)
    dtype = result_dtype(dtype_of(a), dtype_of(b))
    x = to_number(code, a, dtype).value
    y = to_number(code, b, dtype).value
    if dtype.real:
        instruction = build.fcmp_ordered
        if comparison == "!=":
            instruction = build.fcmp_unordered
    else:
        instruction = build.icmp_signed
        if dtype in (UINT64, UINT8, BOOL):
            instruction = build.icmp_unsigned
    return KernelNumber(BOOL, instruction(comparison, x, y))


def negate(code: KernelCode, value: Value) -> Value:
    """Return −value."""
    if is_constant(value):
        return -value
    dtype = dtype_of(value)
    if dtype.real:
        return KernelNumber(dtype, code.builder.fsub(dtype.llvm(-0.0), value.value))
    return subtract(code, 0, value)
