"""Exponentials, eˣ − 1, log(1 + x), tanh, arctan, Mills' ratio and both forms of GELU of the compiled engine.

They are compared with NumPy in extended precision, or with SciPy. Arguments are drawn over all bit patterns, and
densely where functions bend. Errors are in units in the last place of the exact result, so that relative accuracy is
required of the smallest too.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as special
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from chainrule.engines import loader
from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.kernels import activations
from chainrule.layers.kinds import ELEMENTWISE
from chainrule.operations import elementwise, reference

Function = Callable[[Any], Any]
Array = NDArray[Any]

DTYPES = ("float32", "float64")
INTEGERS = {"float32": np.uint32, "float64": np.uint64}
LOWEST = {"float32": -87.0, "float64": -708.0}  # below, exponentials are 0

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def applied(function: Function, x: Array) -> Array:
    """Return a function of the toolchain at every element, in a loop as kernels have."""

    @compiler.kernel
    def run(x: Array, y: Array) -> None:
        for k in range(x.size):
            y[k] = function(x[k])

    y = np.empty_like(x)
    run(x, y)
    return y


def drawn(dtype: str) -> Array:
    """Draw finite numbers: of all bit patterns, around 0, and as large as functions bend; and some that are chosen.

    Programs take denormal ones as 0: they and their neighbours, whose results may be denormal, are left out.
    """
    rng, count = np.random.default_rng(0), 200_003
    patterns = rng.integers(0, 1 << (8 * np.dtype(dtype).itemsize), count, INTEGERS[dtype]).view(dtype)
    limits = np.finfo(dtype)
    chosen = np.array([0, 4 * limits.tiny, limits.max], dtype)
    near = [rng.standard_normal(count).astype(dtype) * scale for scale in (np.float32(0.3), np.float32(3))]
    x = np.concatenate([chosen, -chosen, patterns, *near])
    return x[np.isfinite(x) & ((x == 0) | (np.abs(x) >= 4 * limits.tiny))]


def units(found: Array, exact: Array) -> Any:
    """Return the error of each result in units of its last place."""
    unit = np.abs(np.spacing(exact.astype(found.dtype))).astype(np.longdouble)
    return np.abs(found - exact) / unit


def smooth_gelu(x: Array) -> Array:
    """Return x σ(2a) at extended precision, from its definition."""
    long = x.astype(np.longdouble)
    twice = 2 * np.sqrt(2 / (4 * np.arctan(np.longdouble(1)))) * (long + np.longdouble("0.044715") * long**3)
    return long / (1 + np.exp(-twice))


def mills_ratio(u: Array) -> Array:
    """Return SciPy's e^(z²) erfc(z) at z = u/√2, times √(π/2), in float64."""
    return special.erfcx(u.astype(np.float64) / np.sqrt(2)) * np.sqrt(np.pi / 2)


# name: (exact function, least and largest argument, error in units of the last place, special arguments)
FUNCTIONS: dict[str, tuple[Function, float, float, float, tuple[float, ...]]] = {
    "tanh": (np.tanh, -np.inf, np.inf, 2.7, (np.nan, np.inf, -np.inf)),
    "arctan": (np.arctan, -np.inf, np.inf, 2.7, (np.nan, np.inf, -np.inf)),
    "exponential": (np.exp, -np.inf, 0, 1.3, (-np.inf, np.nan, -1e30)),
    "expm1": (np.expm1, -np.inf, 0, 2, (-np.inf, np.nan, -0.0)),
    "log1p": (np.log1p, 0, 1, 3, (np.nan,)),
    "mills_ratio": (mills_ratio, 0, 1e30, 16, (np.nan,)),  # with SciPy's own error in float64
}


@each_dtype
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_to_the_last_places(dtype: str, name: str) -> None:
    exact, least, largest, bound, specials = FUNCTIONS[name]
    least = LOWEST[dtype] if name == "exponential" else least
    x = drawn(dtype)
    x = np.concatenate([x, -x, np.linspace(max(least, -100), min(largest, 100), 100_001).astype(dtype)])
    x = x[(x >= least) & (x <= largest)]
    actual = applied(getattr(compiler, name), x)
    bound = 7 if (name, dtype) == ("mills_ratio", "float32") else bound
    assert units(actual, exact(x.astype(np.longdouble))).max() < bound
    assert least != -largest or (np.signbit(actual) == np.signbit(x)).all()
    chosen = np.array(specials, dtype)
    assert_array_equal(applied(getattr(compiler, name), chosen), exact(chosen).astype(dtype))


@each_dtype
@pytest.mark.parametrize(
    ("kernel", "low", "high", "bound"),
    [
        *(("gelu", low, high, bound) for low, high, bound in ((-5, -3, 50), (-3, -1, 20), (-1, 0, 4), (0, 8, 3))),
        *(("exact_gelu", low, high, bound) for low, high, bound in ((-5, -3, 45), (-3, -1, 20), (-1, 0, 9), (0, 8, 7))),
    ],
)
def test_gelu_keeps_its_digits(dtype: str, kernel: str, low: float, high: float, bound: float) -> None:
    """A unit in the last place of σ's or Φ's argument alone is that argument in units of the result."""
    x = np.random.default_rng(1).uniform(low, high, 100_003).astype(dtype)
    y = np.empty_like(x)
    getattr(activations, kernel)(x, y)
    assert units(y, smooth_gelu(x) if kernel == "gelu" else x * special.ndtr(x.astype(np.float64))).max() < bound


@each_dtype
@pytest.mark.parametrize("name", elementwise.operations())
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_small_numbers_and_results_keep_their_digits(engine: str, dtype: str, name: str) -> None:
    """Compare results, and slopes near 0, with the loops in float64. Those of GELU are inaccurate far below 0."""
    x = np.outer((-1, 1), np.geomspace(1e-7, 1 if name == "gelu" else 80, 1000)).astype(dtype)
    layer, limits = ELEMENTWISE[name](**ELEMENTWISE[name].examples[0][1]), np.finfo(dtype)
    attributes = {option: getattr(layer, option) for option in elementwise.operations()[name].options}
    run, exact = loader.find(engine).run, x.astype("f8")
    with np.errstate(all="ignore"):  # the square roots and logarithms of negative numbers
        (y,), y_exact = run(name, (x,), attributes), getattr(reference, name)(exact, **attributes)
        normal = (abs(y_exact) > 10 * limits.tiny) & (abs(y_exact) < limits.max)
        error = abs(y - y_exact)[normal] / abs(y_exact)[normal] / np.maximum(1, abs(exact))[normal]
        assert error.max() < (8 if dtype == "float32" else 30) * limits.eps
        kept, kept_exact = (x, exact) if elementwise.operations()[name].keeps == "x" else (y, y_exact)
        (slopes,) = run(f"{name}_dx", (np.ones_like(x), kept), attributes)
        slopes_exact = getattr(reference, f"{name}_dx")(np.ones_like(exact), kept_exact, **attributes)
        near = abs(x) <= 1  # the slopes of GELU change their sign
        np.testing.assert_allclose(slopes[near], slopes_exact[near], rtol=8 * limits.eps, atol=limits.eps)
