"""Code of eˣ, eˣ − 1, log(1 + x), tanh x, arctan x and Mills' ratio that LLVM can vectorize, unlike library calls.

eˣ and eˣ − 1 are computed only for x ≤ 0, and log(1 + x) only for 0 ≤ x ≤ 1.

With k = round(x / ln 2) and r = x − k ln 2, eˣ = 2ᵏ eʳ. 2ᵏ is formed by writing k to the exponent bits of a float. For
|r| ≤ ½ ln 2, eʳ = 1 + r + r² Q(r) with a short polynomial Q. In float32, Q minimizes the largest relative error of
eʳ − 1 (1.7·10⁻⁸); in float64, Q interpolates (eʳ − 1 − r)/r² at Chebyshev nodes (5.5·10⁻¹⁹). Results that would be
denormal are 0.

With p = eʳ − 1, eˣ − 1 = 2ᵏ p + (2ᵏ − 1), which has no cancellation. With m = e^−2|x| − 1, tanh |x| = −m/(2 + m), which
has full relative accuracy even for tiny x.

With z = x/(2 + x), log(1 + x) = 2 artanh z = 2 z (1 + z²/3 + z⁴/5 + …), and z ≤ ⅓.

arctan |x| = base + arctan z, with base and z chosen so that |z| ≤ tan(π/8). For small |x|, they are 0 and |x|; for
medium |x|, π/4 and (|x| − 1)/(|x| + 1); for large |x|, π/2 and −1/|x|. arctan z = z + z³ P(z²), where P interpolates
(arctan z / z − 1)/z² at the Chebyshev nodes of 0 ≤ z² ≤ 0.1716, computed with 60 digits; the relative error of
z + z³ P is below 0.04 units in the last place.

The polynomial of Mills' ratio is in `chainrule.operations.normal`.

The largest errors over 20 million random arguments in each format are 1.1 (eˣ), 1.2 (eˣ − 1), 2.9 (log(1 + x)),
2.6 (tanh) and 2.6 (arctan) units in the last place. NaN propagates, and tanh and arctan preserve the sign of zero.

Tried with llvmlite 0.50: LLVM's intrinsics `fmuladd`, `fabs` and `copysign`, declared with `declare_intrinsic`. Without
an FMA instruction, LLVM does not vectorize `fma` in float64.
"""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from chainrule.engines.compiled.compiler.intrinsics import arctan, expm1, exponential, log1p, mills_ratio, tanh
from chainrule.engines.compiled.compiler.kernel_arithmetic import to_number
from chainrule.engines.compiled.compiler.kernel_code import KernelCode
from chainrule.engines.compiled.compiler.kernel_values import DType, KernelNumber, LlvmValue, Value, ir
from chainrule.engines.compiled.compiler.processor import COUNT, WIDTH
from chainrule.operations.normal import MILLS_CENTER, MILLS_COEFFICIENTS

HAS_FMA = COUNT == 32 or WIDTH == 32  # whether the processor has a fused multiply-add instruction (SSE does not)
# Bits of the format → coefficients of Q, in ascending order.
EXP_COEFFICIENTS = {
    32: (0.49999997, 0.166665435, 0.0416672006, 0.00836652052, 0.00138825225),
    64: (
        *(0.5, 0.1666666666666667099, 0.04166666666666666975, 0.008333333333326140884, 0.001388888888888375242),
        *(1.984126987480049198e-4, 2.480158732553336382e-5, 2.755725542574643428e-6, 2.755727366134863622e-7),
        *(2.510520637395701112e-8, 2.09146793765839351e-9),
    ),
}
LOGARITHM_TERMS = {32: 9, 64: 18}
# Bits of the fraction, largest exponent, and ln 2 split into a sum of two numbers. k times the first is exact.
FLOAT_FORMATS = {
    32: (23, 127, 0.693359375, -2.121944400546905827679e-4),
    64: (52, 1023, 0.693147180369123816490, 1.90821492927058770002e-10),
}
# Coefficients of P, in ascending order.
ARCTAN_COEFFICIENTS = {
    32: (-0.3333333176, 0.1999954022, -0.1426394636, 0.1074363163, -0.06451597259),
    64: (
        *(-0.333333333333333302, 0.199999999999955141, -0.142857142846651796, 0.111111110151467146),
        *(-0.0909090457366905996, 0.0769218308734202595, -0.0666450998981804447, 0.0585813625190614628),
        *(-0.0508538348884283141, 0.0392297445366122309, -0.0191745435720213323),
    ),
}
# Difference between π/4 and the nearest float.
QUARTER_PI_RESIDUAL = {32: -2.1855695000931214e-08, 64: 3.061616997868383e-17}


class _FunctionCall(NamedTuple):
    """A call of a function: the builder of the kernel's code, and the arguments, numbers of one dtype."""

    builder: Any
    dtype: DType
    arguments: Sequence[LlvmValue]


class _FloatCode:
    """Emits arithmetic on floats of one format."""

    def __init__(self, call: _FunctionCall) -> None:
        self.builder = call.builder
        self.bits = call.dtype.bitwidth
        if self.bits == 32:
            self.float_type = ir.FloatType()
        else:
            self.float_type = ir.DoubleType()

    def number(self, value: float) -> LlvmValue:
        """Return a constant."""
        return ir.Constant(self.float_type, value)

    def call(self, name: str, *arguments: LlvmValue) -> LlvmValue:
        """Return the result of an LLVM intrinsic."""
        shape = ir.FunctionType(self.float_type, [self.float_type] * len(arguments))
        return self.builder.call(
            self.builder.module.declare_intrinsic(f"llvm.{name}", [self.float_type], shape), arguments
        )

    def multiply_add(self, a: LlvmValue, b: LlvmValue, c: LlvmValue) -> LlvmValue:
        """Return a · b + c, with a single rounding if the processor has FMA."""
        return self.call("fmuladd", a, b, c)

    def where(
        self, value: LlvmValue, comparison: str, bound: float, then: LlvmValue, otherwise: LlvmValue
    ) -> LlvmValue:
        """Return `then` where the comparison is true and `otherwise` elsewhere. Comparisons with NaN are false."""
        return self.builder.select(self.builder.fcmp_ordered(comparison, value, self.number(bound)), then, otherwise)

    def polynomial(self, coefficients: Sequence[float], x: LlvmValue) -> LlvmValue:
        """Evaluate a polynomial at x by Horner's scheme. The coefficients are in ascending order."""
        total = self.number(coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            total = self.multiply_add(total, x, self.number(coefficient))
        return total

    def polynomial_in_pairs(self, coefficients: Sequence[float], x: LlvmValue, square: LlvmValue) -> LlvmValue:
        """Evaluate a polynomial at x, given x², by Horner's scheme on pairs of coefficients.

        The chain of dependent operations is half as long, but the last sum is slightly less accurate.
        """
        *pairs, total = (
            self.polynomial(coefficients[first : first + 2], x) for first in range(0, len(coefficients), 2)
        )
        for pair in reversed(pairs):
            total = self.multiply_add(total, square, pair)
        return total

    def reduce_argument(self, x: LlvmValue) -> tuple[LlvmValue, LlvmValue]:
        """Return 2ᵏ and r for x ≤ 0, where x = k ln 2 + r."""
        fraction, largest, high, low = FLOAT_FORMATS[self.bits]
        integer = ir.IntType(self.bits)
        lowest = -largest * math.log(2)
        x = self.where(x, "<", lowest, self.number(lowest), x)
        # Floats near this number are integers, so the addition rounds, and the low bits of the sum are k. SSE and AVX2
        # cannot convert vectors of float64 to int64.
        large = self.number(1.5 * 2.0**fraction + largest)
        shifted = self.multiply_add(x, self.number(1 / math.log(2)), large)
        k = self.builder.fsub(shifted, large, flags=("nsz",))  # explicit flags: sums without any may be reordered
        r = self.multiply_add(k, self.number(-low), self.multiply_add(k, self.number(-high), x))
        exponent = self.builder.shl(self.builder.bitcast(shifted, integer), integer(fraction))
        return self.builder.bitcast(exponent, self.float_type), r

    def power_and_expm1(self, x: LlvmValue) -> tuple[LlvmValue, LlvmValue]:
        """Return 2ᵏ and p for x ≤ 0, where eˣ = 2ᵏ (1 + p)."""
        power, r = self.reduce_argument(x)
        square = self.builder.fmul(r, r)
        return power, self.multiply_add(square, self.polynomial_in_pairs(EXP_COEFFICIENTS[self.bits], r, square), r)

    def expm1(self, x: LlvmValue) -> LlvmValue:
        """Return eˣ − 1 for x ≤ 0."""
        power, p = self.power_and_expm1(x)
        return self.multiply_add(power, p, self.builder.fsub(power, self.number(1.0)))


def _exponential(call: _FunctionCall) -> LlvmValue:
    code = _FloatCode(call)
    power, p = code.power_and_expm1(call.arguments[0])
    if not HAS_FMA:  # not 2ᵏ p + 2ᵏ: 2ᵏ p may be denormal and would be flushed to 0
        return call.builder.fmul(power, call.builder.fadd(p, code.number(1.0), flags=("nsz",)))
    return code.multiply_add(power, p, power)


def _expm1(call: _FunctionCall) -> LlvmValue:
    return _FloatCode(call).expm1(call.arguments[0])


def _log1p(call: _FunctionCall) -> LlvmValue:
    [x] = call.arguments
    code = _FloatCode(call)
    builder = call.builder
    z = builder.fdiv(x, builder.fadd(x, code.number(2.0)))
    series = [2 / (2 * term + 1) for term in range(LOGARITHM_TERMS[code.bits])]
    return builder.fmul(z, code.polynomial(series, builder.fmul(z, z)))


def _tanh(call: _FunctionCall) -> LlvmValue:
    [x] = call.arguments
    code = _FloatCode(call)
    builder = call.builder
    m = code.expm1(builder.fmul(code.number(-2.0), code.call("fabs", x)))
    magnitude = builder.fdiv(m, builder.fadd(m, code.number(2.0)))
    return code.call("copysign", magnitude, x)


def _arctan(call: _FunctionCall) -> LlvmValue:
    """Emit arctan x = sign(x) · (constant + arctan z), with |z| ≤ tan(π/8), where a polynomial is accurate.

        |x| ≤ tan(π/8)      z = |x|                        constant 0
        |x| ≤ tan(3π/8)     z = (|x| − 1) / (|x| + 1)      constant π/4
        larger |x|          z = −1 / |x|                   constant π/2

    The constant is the sum of a rounded number, `high`, and the rest, `low`. The smallest terms are added first.
    """
    [x] = call.arguments
    code = _FloatCode(call)
    builder = call.builder
    unit = code.number(1.0)
    magnitude = code.call("fabs", x)
    # The flag `arcp` allows approximate reciprocals. The reciprocal of ∞ may be NaN, so the argument is clamped.
    magnitude = code.where(magnitude, ">", 2.0**60, code.number(2.0**60), magnitude)

    def select_range(small: LlvmValue, middle: LlvmValue, large: LlvmValue) -> LlvmValue:
        inner = code.where(magnitude, ">", math.tan(math.pi / 8), middle, small)
        return code.where(magnitude, ">", math.tan(3 * math.pi / 8), large, inner)

    numerator = select_range(magnitude, builder.fsub(magnitude, unit), code.number(-1.0))
    z = builder.fdiv(numerator, select_range(unit, builder.fadd(magnitude, unit), magnitude))
    square = builder.fmul(z, z)
    correction = builder.fmul(builder.fmul(z, square), code.polynomial(ARCTAN_COEFFICIENTS[code.bits], square))
    quarter = math.pi / 4
    residual = QUARTER_PI_RESIDUAL[code.bits]
    low = select_range(code.number(0.0), code.number(residual), code.number(2 * residual))
    high = select_range(code.number(0.0), code.number(quarter), code.number(2 * quarter))
    return code.call("copysign", builder.fadd(high, builder.fadd(z, builder.fadd(correction, low))), x)


def _mills_ratio(call: _FunctionCall) -> LlvmValue:
    code = _FloatCode(call)
    builder = call.builder
    reciprocal = builder.fdiv(code.number(1.0), builder.fadd(call.arguments[0], code.number(MILLS_CENTER)))
    s = code.multiply_add(reciprocal, code.number(-2 * MILLS_CENTER), code.number(1.0))
    return builder.fmul(reciprocal, code.polynomial(MILLS_COEFFICIENTS[code.bits], s))


_FUNCTION_EMITTERS = {
    exponential: _exponential,
    expm1: _expm1,
    log1p: _log1p,
    tanh: _tanh,
    arctan: _arctan,
    mills_ratio: _mills_ratio,
}


def emitter_of(callee: Any) -> Callable[[KernelCode, list[Value]], Value] | None:
    """Return a function that emits a call of `callee`, or None if `callee` is not an elementary function."""
    try:
        emit_code = _FUNCTION_EMITTERS.get(callee)
    except TypeError:  # not hashable
        return None
    if emit_code is None:
        return None

    def emit(code: KernelCode, arguments: list[Value]) -> Value:
        numbers = [to_number(code, argument) for argument in arguments]
        dtype = numbers[0].dtype
        return KernelNumber(dtype, emit_code(_FunctionCall(code.builder, dtype, [number.value for number in numbers])))

    return emit
