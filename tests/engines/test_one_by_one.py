"""In-place 1×1 convolutions, compared with matrix products for drawn sizes, bounds and chunks of threads."""

import numpy as np
import pytest

from chainrule.engines.compiled.kernels import one_by_one, selection
from chainrule.engines.compiled.kernels.choice import POINT_TILE
from chainrule.engines.compiled.kernels.registry import Conditions

TILE_ROWS, REST_ROWS, TILE_COLUMNS = POINT_TILE


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
