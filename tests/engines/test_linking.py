"""Views: the parts of a room that a program gives its kernels."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from chainrule.engines.numba.linking import view


@njit
def part(room, begin, many):
    return view(room, begin, (many, 2, 3))[1:].sum()


@njit
def marked(room, begin, many):
    view(room, begin, (many,))[0] = -1


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("begin", [0, 7])
def test_a_view_is_a_slice_in_another_shape(dtype: str, begin: int) -> None:
    room = np.arange(60, dtype=dtype)
    assert part(room, begin, 4) == room[begin : begin + 24].reshape(4, 2, 3)[1:].sum()


def test_a_view_is_no_copy_and_sees_all_axes_of_its_room() -> None:
    room = np.zeros((2, 5))
    marked(room, 6, 3)
    assert np.flatnonzero(room).tolist() == [6]


def test_a_view_of_every_second_number_is_refused() -> None:
    with pytest.raises(TypingError, match="contiguous"):
        part(np.arange(60.0)[::2], 0, 4)
