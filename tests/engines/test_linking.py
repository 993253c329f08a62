"""Views, the parts of a workspace that a program passes to its kernels, and other assumptions of programs."""

import numpy as np
import pytest
from numba import njit, prange
from numba.core.errors import TypingError

from chainrule.engines.numba.layout import CACHE_LINE, aligned_zeros
from chainrule.engines.numba.toolchain import OPTIONS, PARALLEL, view


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


def test_two_parallel_loops_stay_two() -> None:
    @njit(parallel=PARALLEL, **OPTIONS)
    def run(parts, sums):
        for k in prange(4):
            view(parts, k, (1,))[0] = k + 1
        for k in prange(4):
            sums[k] = parts.sum()

    parts, sums = np.zeros(4), np.zeros(4)
    run(parts, sums)
    assert sums.tolist() == [10.0] * 4
    assert run.get_metadata(run.signatures[0])["parfor_diagnostics"].count_parfors() == 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_aligned_zeros_begin_with_a_line_of_the_cache(dtype: str) -> None:
    @njit
    def made(size, like):
        return aligned_zeros(size, like)

    for size in (1, 17, 1000):
        found = made(size, np.zeros(1, dtype))
        assert found.size >= size
        assert found.ctypes.data % CACHE_LINE == 0
        assert not found.any()
