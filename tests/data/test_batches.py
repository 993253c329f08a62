"""The order of an epoch, its batches, and the validation split."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

from chainrule.data import batch_count, split_validation, validation_count
from chainrule.data.splits import validation_share
from chainrule.errors import OptionError


@pytest.mark.parametrize("size", [0, -3])
def test_batch_sizes_out_of_range(size: int) -> None:
    with pytest.raises(OptionError, match=f"batch size {size}: expected at least 1"):
        batch_count(5, size)
    assert [batch_count(5, number) for number in (1, 2, 5, 9)] == [5, 3, 1, 1]


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_shares_out_of_range_are_refused(share: float) -> None:
    for action in (lambda: split_validation(9, share, 0), lambda: validation_count(9, share)):
        with pytest.raises(OptionError, match=f"cannot split off a fraction of {share}; expected more than 0"):
            action()
    for count, words in ((1, "1 sample;"), (0, "0 samples;")):
        with pytest.raises(OptionError, match=f"cannot split {words} expected at least 2"):
            split_validation(count, 0.5, 0)


@settings(max_examples=draws(20))
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.floats(0.01, 0.99), st.integers(0, 5), st.randoms())
def test_every_class_gives_its_share(counts: list[int], share: float, seed: int, mix: random.Random) -> None:
    labels = [7 * k for k, count in enumerate(counts) for _ in range(count)]
    mix.shuffle(labels)
    if len(labels) < 2:
        return
    total = validation_count(len(labels), share)
    assert total == min(max(round(share * len(labels)), 1), len(labels) - 1)
    for classes in (None, np.array(labels)):
        kept, held = split_validation(len(labels), share, seed, classes)
        assert sorted([*kept.tolist(), *held.tolist()]) == [*range(len(labels))]
        assert (len(held), kept.dtype, held.dtype) == (total, np.int64, np.int64)
        assert all((np.diff(part) > 0).all() for part in (kept, held))
        np.testing.assert_array_equal(held, split_validation(len(labels), share, seed, classes)[1])
    gave = [sum(labels[at] == 7 * k for at in held.tolist()) for k in range(len(counts))]
    several = sum(count > 1 for count in counts)
    if several <= total <= sum(counts) - len(counts):
        assert all((gave[k] > 0) == (count > 1) and gave[k] <= max(count - 1, 0) for k, count in enumerate(counts))
    smaller = min(total, len(labels) - total)
    if min(counts) * smaller / len(labels) >= 1:  # each is exact or rounded to a neighbouring integer
        assert all(abs(gave[k] - count * total / len(labels)) < 1 for k, count in enumerate(counts))


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [
        *((60_000, 0.02, 1200), (50_000, 0.02, 1000), (5_000, 0.02, 1000), (320, 0.02, 64), (250, 0.02, 50)),
        *((249, 0.02, 0), (320, 0.0, 0), (1_000, 0.5, 500)),
    ],
)
def test_small_data_hold_back_a_larger_share(count: int, share: float, expected: int) -> None:
    """Hold back enough for a standard error of 1.6 points, √(¼/1000); at most a fifth of small data, none of tiny."""
    fraction = validation_share(count, share)
    assert (validation_count(count, fraction) if fraction else 0) == expected
