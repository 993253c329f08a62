"""In-place 1×1 convolutions, compared with matrix products for drawn sizes, bounds and chunks of threads."""

import numpy as np
import pytest

from chainrule.engines.compiled.kernels import one_by_one
from chainrule.engines.compiled.kernels.choice import POINT_TILE

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
