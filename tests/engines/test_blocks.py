"""The NumPy engine's convolutions in blocks of samples: equal to the reference for any split of the batch."""

from collections.abc import Iterator

import numpy as np
import pytest
from numerical import assert_close

from chainrule.engines.numpy import convolution
from chainrule.operations import reference

OPTIONS = {"stride": (2, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 2), "groups": 2, "flip": True}


@pytest.mark.parametrize("room", [1, 3000, 1 << 21])
def test_blocks_of_any_size_equal_the_reference(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[int] = []

    def watched(x: np.ndarray, copied: int) -> Iterator[slice]:
        actual = list(plain(x, copied))
        cut.append(len(actual))
        return iter(actual)

    plain = convolution._blocks
    monkeypatch.setattr(convolution, "BLOCK_BYTES", room)
    monkeypatch.setattr(convolution, "_blocks", watched)
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((5, 4, 7, 8)), rng.standard_normal((6, 2, 3, 2)), rng.standard_normal(6)
    dy = rng.standard_normal(reference.cross_correlate(x, w, b, **OPTIONS).shape)
    cases = {
        "cross_correlate": ((x, w, b), {}),
        "cross_correlate_dx": ((dy, w), {"size": (7, 8)}),
        "cross_correlate_dw": ((x, dy), {"kernel": (3, 2)}),
    }
    for name, (arrays, more) in cases.items():
        actual, expected = (getattr(place, name)(*arrays, **more, **OPTIONS) for place in (convolution, reference))
        assert_close(actual, expected)
    assert cut == {1: [5] * 3, 1 << 21: [1] * 3}.get(room, cut)
    assert room != 3000 or all(1 < count < 6 for count in cut)
