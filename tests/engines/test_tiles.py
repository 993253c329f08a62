"""Compiled tiles compute the same as their NumPy definitions: same sums, same offsets, nothing else modified."""

import numpy as np
import pytest
from numerical import assert_close

from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.compiler import COUNT, WIDTH
from chainrule.engines.compiled.kernels import tiles

SHAPES = [(3, 8), (6, 4), (4, 6), (1, 8), (8, 1), (2, 3)]


def calls(rows: int, columns: int):
    """Call every function of `tiles` once, in a function to compile: the compiler must see the shape as constants."""

    def run(y, g, places, outer, products, picked, turned, separate, sums):
        tile = tiles.load(y, 3, 101, rows, columns)
        for k in range(3):
            tile = tiles.add_outer(tile, g, 5 + 7 * k, y, 2 + k, 11)
        tiles.store(tile, outer, 4, 130)
        tile = tiles.zeros(y, rows, columns)
        for k in range(2):
            tile = tiles.add_products(tile, g, 6 + k, 31, y, 9 + k, tiles.load_offsets(places, 2, columns))
        tiles.store(tile, products, 1, 129)
        tiles.store_sums(tile, sums, 8)
        tile = tiles.load_at(y, 2, places, 1, rows, columns)
        for k in range(2):
            tile = tiles.add_outer_at(tile, g, 3 + k, y, 4 + k, tiles.load_offsets(places, 2, columns))
        times = tiles.load_at(g, 5, places, 0, rows, columns)
        tile = tiles.multiply_add(tile, times, tiles.load(y, 3, 17, rows, columns))
        tiles.store(tiles.clamp_tile(tile, -0.25, 0.5), picked, 7, 128)
        tiles.transpose(g, 5, 31, turned, 3, 29)
        tile = tiles.spread_columns(y, 3, rows, columns)
        for k in range(2):
            tile = tiles.add_vectors_at(tile, g, 5 + k, tiles.load_offsets(places, 1, rows), y, 6 + k * columns)
        tiles.store_vectors_at(tile, separate, places, 0, places, 2)

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_compiled_tiles_are_their_definitions(shape: tuple[int, int], dtype: str) -> None:
    rng = np.random.default_rng(1)
    y, g = (rng.standard_normal(1200).astype(dtype) for _ in range(2))
    places = rng.permutation(400)[:12]
    run = calls(*shape)
    results = []
    for function in (run, compiler.kernel(run)):
        given = [np.full(1200, 7, dtype) for _ in range(6)]
        function(y, g, places, *given)
        results.append(given)
    used = shape[0] * shape[1]
    for expected, found in zip(*results, strict=True):
        assert_close(found[: 8 + used], expected[: 8 + used])
    for expected, found in zip(results[0][:-1], results[1][:-1], strict=True):
        assert_close(found, expected)
        assert ((found == 7) == (expected == 7)).all()  # a tile modifies its own cells only
    whole = 8 + -(-used // tiles.lanes(y.itemsize)) * tiles.lanes(y.itemsize)
    assert (results[1][-1][whole:] == 7).all()
    assert (results[1][-1][:8] == 7).all()


def test_a_vector_is_as_wide_as_a_register() -> None:
    assert tiles.lanes(4) == 2 * tiles.lanes(8) == WIDTH // 4
    assert COUNT in (16, 32)
