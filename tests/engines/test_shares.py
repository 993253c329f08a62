"""The division of a batch into chunks: all samples, evenly among threads, in chunks of decreasing size."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chainrule.engines.native.passes.memory import MAX_CHUNKS, MIN_CHUNK, chunk_bounds


@given(
    count=st.integers(0, 5000),
    threads=st.integers(1, 64),
    most=st.integers(1, MAX_CHUNKS),
    fewest=st.integers(0, 1000),
)
def test_shares_are_all_of_the_batch_and_become_smaller(count: int, threads: int, most: int, fewest: int) -> None:
    edges = chunk_bounds(count, threads, most, fewest).tolist()
    sizes = [last - first for first, last in pairwise(edges)]
    assert (edges[0], edges[-1]) == (0, count)
    assert len(sizes) % threads == 0
    each = len(sizes) // threads
    assert each <= most
    of_threads = [sizes[first : first + each] for first in range(0, len(sizes), each)]
    assert max(map(sum, of_threads)) - min(map(sum, of_threads)) <= 1
    for own in of_threads:
        assert all(one >= other - 1 for one, other in pairwise(own))  # a half may be rounded up
        assert each == 1 or own[-1] >= max(MIN_CHUNK, fewest)
        assert each == most or sum(own) < 2**each * max(MIN_CHUNK, fewest) + threads
