"""Compiled code for windows agrees with its NumPy definition and reads or writes nothing else."""

import numpy as np
import pytest

from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.compiler import WIDTH, add_cells, keep_larger, no_cells, store_larger
from chainrule.engines.compiled.kernels import tiles


def calls(step: int):
    """Return a function to compile, in which the step is a constant."""

    def run(x, limits, total, most, winner):
        tile, kept = tiles.zeros(x, 1, 1), no_cells(x, 5, -3, step)
        for k in range(limits.shape[0]):
            first, last, place = limits[k]
            tile = add_cells(tile, x, place, step, first, last)
            kept = keep_larger(kept, x, place, step, first, last, 7 + k)
        tiles.store_part(tile, total, 2, total.size - 4)
        store_larger(kept, most, winner, 1, most.size - 3, -4, step)

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("special", [False, True])
def test_compiled_cells_are_their_definitions(dtype: str, step: int, special: bool) -> None:
    width, rng = WIDTH // np.dtype(dtype).itemsize, np.random.default_rng(step)
    x = rng.integers(-4, 5, 5 * width).astype(dtype)  # with ties, and sums that are exact
    if special:
        x[rng.permutation(x.size)[: x.size // 3]] = np.nan
        x[rng.permutation(x.size)[: x.size // 2]] = -np.inf
    limits = [(0, width, 3), (1, width, 0), (0, width - 1, 9), (width // 2, width // 2, -99), (width - 1, width, 2)]
    limits += [(2, width, -2 * step), (0, 1, x.size - 1)]  # the first and the last cell: none outside is read
    found = []
    for function in (calls(step), compiler.kernel(calls(step))):
        results = np.full(width + 4, 7, dtype), np.full(width + 3, 7, dtype), np.full(width + 3, 7, np.int32)
        with np.errstate(invalid="ignore"):
            function(x, np.array(limits), *results)
        found.append(results)
    for expected, result in zip(*found, strict=True):
        np.testing.assert_array_equal(result, expected)


def test_a_step_that_is_no_constant_does_not_compile() -> None:
    """Only the strides that kernels name are compiled."""

    def run(x, step):
        return tiles.store_part(add_cells(tiles.zeros(x, 1, 1), x, 0, step, 0, 1), x, 0, 1)

    with pytest.raises(Exception, match="add_cells"):
        compiler.kernel(run)(np.ones(WIDTH), 2)
