"""The page's random numbers equal Python's, bit for bit."""

import numpy as np
import pytest
from web.bridge import call
from web.pages import Page

from chainrule.core.randomness import stream_key, uniform

COORDINATES = [
    (0, 0, 0, 0),
    (1, 2, 3, 4),
    (2**63 - 1, 2**32 - 1, 2**31, 2**20),
    (123456789012345678, stream_key("dropout1"), 3676, 31),
]


@pytest.mark.parametrize("coordinates", COORDINATES)
def test_the_same_numbers_bit_for_bit(modules: Page, coordinates: tuple[int, int, int, int]) -> None:
    seed, stream, step, sample = coordinates
    found = call(modules, "uniform", str(seed), stream, step, sample, 3000)
    np.testing.assert_array_equal(found, uniform(seed, stream, step, np.array([sample]), 3000)[0])


@pytest.mark.parametrize("purpose", ["", "shuffle", "dropout1", "größe"])
def test_the_same_streams(modules: Page, purpose: str) -> None:
    assert call(modules, "streamNumber", purpose) == stream_key(purpose)
