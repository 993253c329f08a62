"""tanh, arctan, eˣ − 1 and both forms of GELU of the compiled engine.

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
from chainrule.engines.native.kernels import activations
from chainrule.layers.kinds import ELEMENTWISE
from chainrule.operations import elementwise, reference

Function = Callable[[Any], Any]
Array = NDArray[Any]

DTYPES = ("float32", "float64")
INTEGERS = {"float32": np.uint32, "float64": np.uint64}

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


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


# kernel: (exact function, largest argument, error in units of the last place)
FUNCTIONS: dict[str, tuple[Function, float, float]] = {
    "tanh": (np.tanh, np.inf, 2.7),
    "arctan": (np.arctan, np.inf, 2.7),
    "elu": (np.expm1, 0, 2),
}


@each_dtype
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_to_the_last_places(dtype: str, name: str) -> None:
    exact, largest, bound = FUNCTIONS[name]
    x = drawn(dtype)
    x = np.concatenate([x, -x, np.linspace(-100, min(largest, 100), 100_001).astype(dtype)])
    x = x[x <= largest]
    run = loader.find("compiled").run
    (actual,) = run(name, (x,), {})
    assert units(actual, exact(x.astype(np.longdouble))).max() < bound
    assert (np.signbit(actual) == np.signbit(x))[x != 0].all()
    chosen = np.array([np.nan, -np.inf, largest], dtype)
    assert_array_equal(run(name, (chosen,), {})[0], exact(chosen).astype(dtype))


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
