"""The standard normal distribution, and polynomials for the ratio between its tail and its density.

Φ is the distribution function, φ the density. The ratio m(u) = Φ(−u)/φ(u) decreases from √(π/2) at u = 0 and approaches
1/u. For s = (u − 4)/(u + 4), which ranges from −1 to 1, (u + 4) m(u) is a smooth function of s. The polynomials
interpolate this function at Chebyshev nodes; they were computed with 40 digits. The largest relative errors found are
3.1 ε in float32 and 3.3 ε in float64, where ε is the machine epsilon.
"""

from math import erf, erfc, pi, sqrt
from typing import Any

import numpy as np

from chainrule.core.arrays import Array


def normal_distribution(x: Any) -> Any:
    """Return Φ(x) of a real or complex number."""
    if np.isrealobj(x):
        return 0.5 * erfc(-x / sqrt(2))
    return 0.5 + _probability_from_0(x)


def error_function(x: Any) -> Any:
    """Return erf(x) = 2 Φ(√2 x) − 1 of a real or complex number."""
    if np.isrealobj(x):
        return erf(x)
    return 2 * _probability_from_0(sqrt(2) * x)


def _probability_from_0(x: complex) -> complex:
    """Return Φ(x) − ½ by the series φ(x) (x + x³/3 + x⁵/(3·5) + …)."""
    if abs(x.real) > 12:
        return complex(0.5 if x.real > 0 else -0.5)
    total = x
    term = x
    k = 1
    while abs(term) > 1e-17 * abs(total):
        k += 2
        term = term * x * x / k
        total = total + term
    return complex(np.exp(-x * x / 2)) / sqrt(2 * pi) * total


MILLS_CENTER = 4.0
# Bits of the float type → coefficients, beginning with the constant term.
MILLS_COEFFICIENTS = {
    32: (
        *(1.89321906, -1.5237703, 0.970409551, -0.467553366, 0.151391837, -0.0188295208),
        *(-0.00872264247, 0.00391870494, 0.000334660548, -0.000393845332, -4.19437962e-06),
    ),
    64: (
        *(1.8932190633084853, -1.5237709108199855, 0.9704095548675924, -0.4675409629981585, 0.15139176231205376),
        *(-0.018900450866100364, -0.008722295263838522, 0.004087855732516909, 0.0003342444896278021),
        *(-0.0005792696390945318, -4.7824148557878045e-06, 8.8097066448958e-05, 1.7929254081847195e-06),
        *(-1.4846708706118606e-05, -1.5696678628944616e-06, 2.5745450687200353e-06, 6.673466387680481e-07),
        *(-4.068738380935788e-07, -2.0027585806454338e-07, 4.915081730923273e-08, 4.144971738484859e-08),
        *(-3.2199692790143122e-09, -4.446108100174536e-09),
    ),
}


def mills_ratio(u: Array) -> Array:
    """Return Φ(−u)/φ(u) for u ≥ 0, where Φ and φ are the standard normal distribution function and density."""
    bits = 64 if u.dtype == np.float64 else 32
    *coefficients, last = MILLS_COEFFICIENTS[bits]
    part = 1 / (u + u.dtype.type(MILLS_CENTER))
    s = 1 - 2 * MILLS_CENTER * part
    total = np.full_like(s, last)
    for coefficient in reversed(coefficients):
        total *= s
        total += coefficient
    total *= part
    return total
