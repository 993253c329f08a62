"""Code of eˣ for x ≤ 0 in a form that LLVM turns into vectors, unlike a library call for each element.

With k = round(x / ln 2) and r = x − k ln 2, eˣ = 2ᵏ eʳ. The series of eʳ is short where |r| ≤ ½ ln 2, and 2ᵏ is k
written into the exponent of a float. Results that would be denormal are 0; NaN stays NaN.

Tried with numba 0.61 (llvmlite 0.44) and numba 0.68 (llvmlite 0.50): LLVM's intrinsics `fma` and `floor`, declared with
`declare_intrinsic`.
"""

import math
from typing import Any

import numpy as np

from chainrule.engines.numba.toolchain.registers import compile_as, ir

TERMS = {32: 7, 64: 13}
# Bits of the fraction, largest exponent, and ln 2 in two parts, of which k times the first is exact.
FORMATS = {
    32: (23, 127, 0.693359375, -2.121944400546905827679e-4),
    64: (52, 1023, 0.693147180369123816490, 1.90821492927058770002e-10),
}


def exponential(x: Any) -> Any:
    """Return eˣ for x ≤ 0."""
    return np.exp(x)


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    bits = signature.return_type.bitwidth
    fraction, largest, high, low = FORMATS[bits]
    kind = ir.FloatType() if bits == 32 else ir.DoubleType()
    whole = ir.IntType(bits)

    def number(value: float) -> Any:
        return ir.Constant(kind, value)

    def multiply_add(a: Any, b: Any, c: Any) -> Any:
        shape = ir.FunctionType(kind, [kind] * 3)
        return builder.call(builder.module.declare_intrinsic("llvm.fma", [kind], shape), [a, b, c])

    lowest = number(-largest * math.log(2))
    x = builder.select(builder.fcmp_ordered("<", arguments[0], lowest), lowest, arguments[0])
    halves = multiply_add(x, number(1 / math.log(2)), number(0.5))
    k = builder.call(builder.module.declare_intrinsic("llvm.floor", [kind]), [halves])
    k = builder.select(builder.fcmp_ordered(">", k, number(-largest)), k, number(-largest))  # NaN has no whole number
    r = multiply_add(k, number(-high), x)
    r = multiply_add(k, number(-low), r)
    total = number(1 / math.factorial(TERMS[bits]))
    for term in range(TERMS[bits] - 1, -1, -1):
        total = multiply_add(total, r, number(1 / math.factorial(term)))
    exponent = builder.shl(builder.add(builder.fptosi(k, whole), whole(largest)), whole(fraction))
    return builder.fmul(total, builder.bitcast(exponent, kind))


compile_as(exponential, lambda arguments: arguments[0], _generate)
