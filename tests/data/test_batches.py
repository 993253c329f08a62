"""The order of an epoch and its batches."""

import numpy as np
import pytest

from chainrule.data import batch_count, batches, order
from chainrule.errors import OptionError


def test_the_order_is_a_permutation_of_seed_and_epoch() -> None:
    first = order(100, seed=1, epoch=0)
    assert sorted(first.tolist()) == list(range(100))
    assert first.dtype == np.int64
    np.testing.assert_array_equal(order(100, seed=1, epoch=0), first)
    assert not np.array_equal(order(100, seed=1, epoch=1), first)
    assert not np.array_equal(order(100, seed=2, epoch=0), first)


@pytest.mark.parametrize(
    ("count", "size", "expected"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 4, [3]), (0, 4, []), (2, 1, [1, 1])]
)
def test_batches_cover_everything(count: int, size: int, expected: list[int]) -> None:
    found = list(batches(count, size))
    assert [batch.stop - batch.start for batch in found] == expected
    assert [index for batch in found for index in range(count)[batch]] == list(range(count))
    assert batch_count(count, size) == len(expected)


@pytest.mark.parametrize("size", [0, -3])
def test_batch_sizes_out_of_range(size: int) -> None:
    with pytest.raises(OptionError, match=f"batch size {size}: expected at least 1"):
        batches(5, size)
    with pytest.raises(OptionError, match=f"batch size {size}: expected at least 1"):
        batch_count(5, size)
