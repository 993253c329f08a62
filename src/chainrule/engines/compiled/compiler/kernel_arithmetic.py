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
    TileValue,
    Unsupported,
    Value,
    dtype_of,
    ir,
    is_constant,
    result_dtype,
)

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


class Arithmetic:
    """Emits arithmetic on numbers at a builder's current position."""

    builder: Any

    def number(self, value: Value, dtype: DType | None = None) -> KernelNumber:
        """Return a value as a KernelNumber, converted to `dtype` unless it is None."""
        if is_constant(value):
            dtype = dtype or dtype_of(value)
            return KernelNumber(dtype, dtype.llvm(float(value) if dtype.real else int(value)))
        if not isinstance(value, KernelNumber):
            raise Unsupported(f"{value!r} is not a number")
        return value if dtype is None or dtype is value.dtype else KernelNumber(dtype, self._cast(value, dtype))

    def _cast(self, number: KernelNumber, target: DType) -> Any:
        source, value = number
        if target is BOOL:
            if source.real:
                return self.builder.fcmp_unordered("!=", value, source.llvm(0.0))
            return self.builder.icmp_signed("!=", value, source.llvm(0))
        if source.real:
            if not target.real:
                return (self.builder.fptoui if target in (UINT8, UINT64) else self.builder.fptosi)(value, target.llvm)
            return (self.builder.fpext if target is FLOAT64 else self.builder.fptrunc)(value, target.llvm)
        if target.real:
            unsigned = source in (BOOL, UINT8, UINT64)
            return (self.builder.uitofp if unsigned else self.builder.sitofp)(value, target.llvm)
        if source in (BOOL, UINT8):
            return self.builder.zext(value, target.llvm)
        if target.bitwidth > source.bitwidth:
            return self.builder.sext(value, target.llvm)
        return self.builder.trunc(value, target.llvm) if target.bitwidth < source.bitwidth else value

    def as_int64(self, value: Value) -> Any:
        """Return an integer as a 64-bit LLVM value."""
        return self.number(value, INT64).value

    def truth(self, value: Value) -> Any:
        """Return the truth value of a value: a Python bool for a constant, else an LLVM value."""
        if isinstance(value, KernelNumber):
            return self.number(value, BOOL).value
        if isinstance(value, KernelArray | TileValue):
            raise Unsupported("the truth value of an array")
        return bool(value)

    def add(self, a: Value, b: Value) -> Value:
        """Return a + b."""
        return self.binary("Add", a, b)

    def subtract(self, a: Value, b: Value) -> Value:
        """Return a − b."""
        return self.binary("Sub", a, b)

    def multiply(self, a: Value, b: Value) -> Value:
        """Return a · b."""
        return self.binary("Mult", a, b)

    def product(self, numbers: Sequence[Value]) -> Value:
        """Return the product of integers."""
        result: Value = 1
        for number in numbers:
            result = self.multiply(result, number)
        return result

    def binary(self, name: str, a: Value, b: Value) -> Value:
        """Return the result of a binary operator on two values.

        name  class name of the operator in `ast`, such as "Add"
        """
        if name not in OPERATORS:
            raise Unsupported(f"the operator {name}")
        function, integer_instruction, float_instruction = OPERATORS[name]
        if is_constant(a) and is_constant(b):
            return function(a, b)
        if isinstance(a, tuple) and not isinstance(a, KernelNumber | KernelArray):
            return function(a, b)
        if name == "Pow":
            return self._power(a, b)
        if integer_instruction and (simplified := self._simplified(name, a, b)) is not None:
            return simplified
        dtype = result_dtype(dtype_of(a), dtype_of(b))
        if dtype in (UINT8, INT32) or (dtype is BOOL and name not in ("BitAnd", "BitOr", "BitXor")):
            dtype = INT64
        if name == "Div" and not dtype.real:
            dtype = FLOAT64
        x, y = self.number(a, dtype).value, self.number(b, dtype).value
        if dtype.real:
            if name in ("FloorDiv", "Mod") or not float_instruction:
                raise Unsupported(f"{name} of floats")
            return KernelNumber(dtype, getattr(self.builder, float_instruction)(x, y))
        if name in ("FloorDiv", "Mod"):
            return KernelNumber(dtype, self._divide(name, x, y, b, dtype))
        if name == "RShift":
            return KernelNumber(dtype, (self.builder.lshr if dtype is UINT64 else self.builder.ashr)(x, y))
        flags = ("nsw",) if dtype is INT64 and name in ("Add", "Sub", "Mult") else ()
        return KernelNumber(
            dtype, getattr(self.builder, integer_instruction)(x, y, **({"flags": flags} if flags else {}))
        )

    def _simplified(self, name: str, a: Value, b: Value) -> Value | None:
        """Return the result of adding or subtracting 0, or multiplying by 0 or 1. For any other operation, return None.

        No code is emitted.
        """
        for operand, constant, is_left in ((a, b, True), (b, a, False)):
            if type(constant) is int and isinstance(operand, KernelNumber) and operand.dtype is INT64:
                if constant == 0 and (name == "Add" or (name == "Sub" and is_left)):
                    return operand
                if name == "Mult" and constant in (0, 1):
                    return operand if constant else 0
        return None

    def _divide(self, name: str, a: Any, b: Any, divisor: Value, dtype: DType) -> Any:
        """Return a // b or a % b with division rounded down, or 0 if b is 0.

        a, b     LLVM values
        divisor  b as a `Value`; less code is emitted if it is a positive constant
        """
        build = self.builder
        if dtype is UINT64:
            raise Unsupported("division of uint64")
        if is_constant(divisor) and divisor > 0:
            if divisor & (divisor - 1) == 0:
                if name == "Mod":
                    return build.and_(a, dtype.llvm(divisor - 1))
                return build.ashr(a, dtype.llvm(divisor.bit_length() - 1))
            remainder = build.srem(a, b)
            is_negative = build.icmp_signed("<", remainder, dtype.llvm(0))
            if name == "Mod":
                return build.select(is_negative, build.add(remainder, b), remainder)
            return build.sub(build.sdiv(a, b), build.zext(is_negative, dtype.llvm))
        zero = build.icmp_signed("==", b, dtype.llvm(0))
        safe = build.select(zero, dtype.llvm(1), b)
        quotient, remainder = build.sdiv(a, safe), build.srem(a, safe)
        signs_differ = build.icmp_signed("<", build.xor(a, safe), dtype.llvm(0))
        round_down = build.and_(signs_differ, build.icmp_signed("!=", remainder, dtype.llvm(0)))
        result = build.select(round_down, build.add(remainder, safe), remainder) if name == "Mod" else None
        if result is None:
            result = build.sub(quotient, build.zext(round_down, dtype.llvm))
        return build.select(zero, dtype.llvm(0), result)

    def _power(self, a: Value, b: Value) -> Value:
        """Return aᵇ, computed by repeated squaring if b is a constant integer from 1 to 64."""
        if type(b) is int and 0 < b < 65:
            result, square = None, a
            while b:
                if b & 1:
                    result = square if result is None else self.multiply(result, square)
                b >>= 1
                square = self.multiply(square, square) if b else square
            return result
        dtype = result_dtype(dtype_of(a), dtype_of(b))
        if not dtype.real:
            raise Unsupported("powers of integers, except with a constant exponent from 1 to 64")
        return KernelNumber(
            dtype, self.intrinsic("pow", dtype, self.number(a, dtype).value, self.number(b, dtype).value)
        )

    def intrinsic(self, name: str, dtype: DType, *arguments: Any) -> Any:
        """Return the result of an LLVM intrinsic on floats."""
        shape = ir.FunctionType(dtype.llvm, [dtype.llvm] * len(arguments))
        function = self.builder.module.declare_intrinsic(f"llvm.{name}", [dtype.llvm], shape)
        return self.builder.call(function, arguments)

    def compare(self, name: str, a: Value, b: Value) -> Value:
        """Return the result of a comparison of two values.

        name  class name of the comparison in `ast`, such as "Lt"
        """
        if name in ("Is", "IsNot"):
            same = a is b if a is None or b is None or isinstance(a, bool) else None
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
        x, y = self.number(a, dtype).value, self.number(b, dtype).value
        if dtype.real:
            compare = self.builder.fcmp_unordered if comparison == "!=" else self.builder.fcmp_ordered
        else:
            compare = self.builder.icmp_unsigned if dtype in (UINT64, UINT8, BOOL) else self.builder.icmp_signed
        return KernelNumber(BOOL, compare(comparison, x, y))

    def negate(self, value: Value) -> Value:
        """Return −value."""
        if is_constant(value):
            return -value
        dtype = dtype_of(value)
        if dtype.real:
            return KernelNumber(dtype, self.builder.fsub(dtype.llvm(-0.0), value.value))
        return self.subtract(0, value)
