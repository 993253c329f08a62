"""The order of an epoch, its batches, and the share that is held back."""

import numpy as np
import pytest

from chainrule.data import batch_count, held_back, held_back_count, order
from chainrule.errors import OptionError


def test_the_order_is_a_permutation_of_seed_and_epoch() -> None:
    first = order(100, seed=1, epoch=0)
    assert sorted(first.tolist()) == list(range(100))
    assert first.dtype == np.int64
    np.testing.assert_array_equal(order(100, seed=1, epoch=0), first)
    assert not np.array_equal(order(100, seed=1, epoch=1), first)
    assert not np.array_equal(order(100, seed=2, epoch=0), first)


@pytest.mark.parametrize(("count", "size", "expected"), [(10, 4, 3), (8, 4, 2), (3, 4, 1), (0, 4, 0), (2, 1, 2)])
def test_the_number_of_batches(count: int, size: int, expected: int) -> None:
    assert batch_count(count, size) == expected


@pytest.mark.parametrize("size", [0, -3])
def test_batch_sizes_out_of_range(size: int) -> None:
    with pytest.raises(OptionError, match=f"batch size {size}: expected at least 1"):
        batch_count(5, size)


@pytest.mark.parametrize(
    ("count", "share", "expected"), [(20, 0.25, 5), (24, 0.3, 7), (12, 0.001, 1), (12, 0.999, 11), (2, 0.5, 1)]
)
def test_a_share_is_held_back(count: int, share: float, expected: int) -> None:
    kept, held = held_back(count, share, seed=3)
    assert len(held) == held_back_count(count, share) == expected
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(count))
    for part in (kept, held):
        assert part.dtype == np.int64
        assert part.tolist() == sorted(part.tolist())
    np.testing.assert_array_equal(held_back(count, share, seed=3)[1], held)


def test_the_seed_decides_what_is_held_back() -> None:
    assert not np.array_equal(held_back(100, 0.5, seed=3)[1], held_back(100, 0.5, seed=4)[1])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_what_cannot_be_held_back(share: float) -> None:
    for action in (lambda: held_back(9, share, 0), lambda: held_back_count(9, share)):
        with pytest.raises(OptionError, match=f"cannot hold back a share of {share}; expected more than 0"):
            action()
    for count, words in ((1, "1 sample;"), (0, "0 samples;")):
        with pytest.raises(OptionError, match=f"cannot hold back a share of {words} expected at least 2"):
            held_back(count, 0.5, 0)
