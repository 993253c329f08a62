"""The division of a batch into chunks: all samples, evenly among threads, in chunks of decreasing size."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chainrule.engines.compiled.codegen.updates import bounds_of
from chainrule.engines.compiled.codegen.workspaces import MAX_CHUNKS, MIN_CHUNK, ParameterPart, chunk_bounds


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


@given(st.integers(0, 99), st.integers(1, 5000), st.integers(1, 900), st.integers(1, 64))
def test_the_turns_at_parameters_are_all_of_them_in_whole_rows(first: int, size: int, width: int, parts: int) -> None:
    part = ParameterPart(first, size, width)
    known: dict[str, Any] = {"parts": parts}
    edges = [eval(bounds_of(part), {**known, "k": k}) for k in range(parts)]
    assert (edges[0][0], edges[-1][1]) == (first, first + size)
    assert all(one[1] == other[0] for one, other in pairwise(edges))
    assert all((begin - first) % width == 0 or begin == first + size for begin, _ in edges)
    rows = [-(-(end - begin) // width) for begin, end in edges]
    assert max(rows) - min(rows) <= 1
