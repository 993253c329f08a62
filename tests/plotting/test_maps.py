"""Arrays as small images."""

from io import BytesIO

import numpy as np
from PIL import Image

from chainrule.plotting.notebook import HIGH, LOW, map_png


def pixels(values) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(map_png(np.asarray(values, float)))))


def test_signs_have_colours_and_sizes_have_strength():
    found = pixels([[-2.0, -1.0], [0.0, 2.0]])
    assert found.shape == (2, 2, 4)
    assert tuple(found[0, 0]) == (*LOW, 255)
    assert tuple(found[0, 1]) == (*LOW, 128)
    assert found[1, 0, 3] == 0
    assert tuple(found[1, 1]) == (*HIGH, 255)


def test_maps_side_by_side_on_one_scale():
    found = pixels(np.stack([np.full((3, 2), 4.0), np.full((3, 2), -1.0), np.full((3, 2), 2.0)]))
    assert found.shape == (7, 5, 4)
    assert found[0, 0, 3] == 255
    assert found[0, 3, 3] == 64
    assert found[4, 0, 3] == 128
    assert found[3].max() == found[:, 2].max() == found[4:, 3:].max() == 0
    assert pixels(np.zeros((40, 2, 2))).shape == (11, 11, 4)


def test_vectors_numbers_and_what_is_not_finite():
    assert pixels(np.arange(10.0)).shape == (3, 4, 4)
    assert pixels(np.arange(10.0))[2, 2, 3] == 0
    assert pixels(3.0).shape == (1, 1, 4)
    found = pixels([[np.nan, np.inf], [-np.inf, 1.0]])
    assert found[0, 0, 3] == 0
    assert tuple(found[0, 1]) == (*HIGH, 255)
    assert tuple(found[1, 0]) == (*LOW, 255)
    assert pixels([[np.nan]])[0, 0, 3] == 0
