"""Tiles in compiled code compute what their definitions in NumPy say: same sums, same places, nothing else touched."""

import numpy as np
import pytest

from chainrule.engines.numba import compiling, exponential, tiles
from chainrule.engines.numba.registers import COUNT, WIDTH

SHAPES = [(3, 8), (6, 4), (4, 6), (1, 8), (8, 1), (2, 3)]


def calls(rows: int, columns: int):
    """Every function of `tiles`, once, in a function to compile: numba must see the shape as constants."""

    def run(y, g, places, outer, products, sums):
        tile = tiles.load(y, 3, 101, rows, columns)
        for k in range(3):
            tile = tiles.add_outer(tile, g, 5 + 7 * k, y, 2 + k, 11)
        tiles.store(tile, outer, 4, 130)
        tile = tiles.zeros(y, rows, columns)
        for k in range(2):
            tile = tiles.add_products(tile, g, 6 + k, 31, y, 9 + k, places, 2)
        tiles.store(tile, products, 1, 129)
        tiles.store_sums(tile, sums, 8)

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_compiled_tiles_are_their_definitions(shape: tuple[int, int], dtype: str) -> None:
    rng = np.random.default_rng(1)
    y, g = (rng.standard_normal(1200).astype(dtype) for _ in range(2))
    places = rng.permutation(400)[:12]
    run = calls(*shape)
    results = []
    for function in (run, compiling.kernel(run)):
        given = [np.full(1200, 7, dtype) for _ in range(3)]
        function(y, g, places, *given)
        results.append(given)
    used = shape[0] * shape[1]
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found[: 8 + used], expected[: 8 + used], rtol=1e-5 if dtype == "float32" else 1e-13)
    for expected, found in zip(results[0][:2], results[1][:2], strict=True):
        assert ((found == 7) == (expected == 7)).all()  # a tile touches its own places only
    whole = 8 + -(-used // tiles.lanes(y.itemsize)) * tiles.lanes(y.itemsize)
    assert (results[1][2][whole:] == 7).all()
    assert (results[1][2][:8] == 7).all()


def test_a_vector_is_as_wide_as_a_register() -> None:
    assert tiles.lanes(4) == 2 * tiles.lanes(8) == WIDTH // 4
    assert COUNT in (16, 32)


@pytest.mark.parametrize(("dtype", "lowest"), [("float32", -87.0), ("float64", -708.0)])
def test_exponentials_are_right_to_the_last_place(dtype: str, lowest: float) -> None:
    @compiling.kernel
    def run(x, y):
        for k in range(x.size):
            y[k] = exponential.exponential(x[k])

    x = np.concatenate([[0.0, -0.0], -np.logspace(-9, np.log10(-lowest), 20001)]).astype(dtype)
    y = np.empty_like(x)
    run(x, y)
    expected = np.exp(x.astype(np.longdouble))
    assert float(np.abs((y - expected) / expected).max()) < 0.7 * np.finfo(dtype).eps
    special = np.array([-np.inf, np.nan, -1e30, 3 * lowest], dtype)
    y = np.empty_like(special)
    run(special, y)
    np.testing.assert_array_equal(y, np.array([0, np.nan, 0, 0], dtype))
