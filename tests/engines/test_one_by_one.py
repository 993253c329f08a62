"""In-place 1×1 convolutions, compared with matrix products for drawn sizes, bounds and chunks of threads."""

import itertools

import numpy as np
import pytest
from engines.kernel_calls import run
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.engines.compiled.kernels import one_by_one, selection
from chainrule.engines.compiled.kernels.choice import POINT_TILE
from chainrule.engines.compiled.kernels.one_by_one import correlate_points
from chainrule.engines.compiled.kernels.registry import Conditions

TILE_ROWS, REST_ROWS, TILE_COLUMNS = POINT_TILE


@settings(max_examples=60, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 70), st.integers(1, 60), st.integers(1, 30), st.integers(1, 40)),
    dtype=st.sampled_from(["float32", "float64"]),
    step=st.sampled_from([{}, {"rectify": True}, {"capped": 0.75}]),
    threads=st.integers(1, 5),
)
def test_shares_of_threads_make_the_product(seed, sizes, dtype, step, threads):
    count, ins, outs, height, width = sizes
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((count, ins, height, width)).astype(dtype)
    w, b = draw.standard_normal((outs, ins, 1, 1)).astype(dtype), draw.standard_normal(outs).astype(dtype)
    expected = np.einsum("oc,ncij->noij", w[:, :, 0, 0].astype("float64"), x.astype("float64")) + b[:, None, None]
    if step:
        expected = np.clip(expected, 0, step.get("capped", np.inf))
    tolerance = {"rtol": 0, "atol": 40 * ins * np.finfo(dtype).eps}
    for names, entries in ((("first", "last"), height), (("lowest", "highest"), outs)):
        found = np.full((count, outs, height, width), np.nan, dtype)
        edges = [k * entries // threads for k in range(threads + 1)]
        for ends in itertools.pairwise(edges):
            if ends[0] < ends[1]:
                before = found.copy()
                run(correlate_points, x, w, b, found, **step, **dict(zip(names, ends, strict=True)))
                axis = 2 if names[0] == "first" else 1
                others = np.delete(np.arange(entries), np.arange(*ends))
                np.testing.assert_array_equal(found.take(others, axis), before.take(others, axis))
        np.testing.assert_allclose(found, expected, **tolerance)


@pytest.mark.parametrize("vector", [4, 8, 16])
def test_tiles_cover_every_position_and_none_beyond(vector):
    for length in range(REST_ROWS * vector, 6 * TILE_ROWS * vector):
        tall, low = one_by_one._tiles(length, vector)
        covered = np.zeros(length, int)
        for places, vectors in ((tall, TILE_ROWS), (low, REST_ROWS)):
            for place in places:
                assert 0 <= place <= length - vectors * vector
                covered[place : place + vectors * vector] += 1
        assert covered.min() == 1
        assert covered.sum() < length + (2 + TILE_ROWS) * vector


def test_it_is_chosen_where_it_can_be_and_nowhere_else():
    x, w = np.zeros((1, 32, 8, 8), "float32"), np.zeros((24, 32, 1, 1), "float32")
    tied, untied = np.zeros(24, "float32"), np.zeros((24, 8, 8), "float32")
    single = Conditions(single=True)
    plain = {"stride": (1, 1), "padding": ((0, 0), (0, 0))}
    assert selection.select_kernel("cross_correlate", (x, w, tied), plain, 4, single) == "correlate_points"
    for change in ({"stride": (2, 1)}, {"padding": ((0, 1), (0, 0))}):
        assert selection.select_kernel("cross_correlate", (x, w, tied), plain | change, 4, single) != "correlate_points"
    assert selection.select_kernel("cross_correlate", (x, w, untied), plain, 4, single) != "correlate_points"
