"""Output sizes against counted windows."""

from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chainrule.core import shapes
from chainrule.errors import OptionError, ShapeError


class Axis(NamedTuple):
    """An axis of an image, and a window that slides along it."""

    size: int
    window: int
    stride: int
    dilation: int


AXES = st.builds(Axis, st.integers(1, 30), st.integers(1, 6), st.integers(1, 5), st.integers(1, 4))
ENDS = st.integers(0, 6)


def windows(axis: Axis, before: int, after: int) -> int:
    """Count the windows on the padded axis by trying every starting cell."""
    padded = before + axis.size + after
    taps = [axis.dilation * tap for tap in range(axis.window)]
    return sum(all(start + tap < padded for tap in taps) for start in range(0, padded, axis.stride))


@given(AXES, ENDS, ENDS)
def test_output_size_counts_the_windows(axis: Axis, before: int, after: int) -> None:
    outputs = shapes.output_size(*axis[:3], (before, after), axis.dilation)
    assert max(outputs, 0) == windows(axis, before, after)


@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 5), st.integers(0, 5), st.integers(0, 5))
def test_ceil_padding_takes_in_a_last_window_that_begins_before_the_end(
    size: int, window: int, stride: int, before: int, after: int
) -> None:
    """Count windows until one covers the end; of padding, no more is added than the last window reaches over."""
    before, after = min(before, window - 1), min(after, window - 1)
    assume(window < size + before + after + stride)  # otherwise there is none
    starts = [0]
    while starts[-1] + window < size + before + after and starts[-1] + stride < size + before:
        starts.append(starts[-1] + stride)
    padding = shapes.ceil_padding(size, window, stride, (before, after))
    assert padding == (before, max(after, starts[-1] + window - size - before))
    assert shapes.output_size(size, window, stride, padding) == len(starts)


@given(st.integers(1, 30), ENDS, ENDS)
def test_the_largest_window_covers_the_padded_image(size: int, before: int, after: int) -> None:
    shapes.check_fits("conv1", "kernel", (size + before + after,), (size,), ((before, after),))
    with pytest.raises(ShapeError):
        shapes.check_fits("conv1", "kernel", (size + before + after + 1,), (size,), ((before, after),))


@given(AXES)
def test_same_gives_size_over_stride_with_the_odd_zero_at_the_end(axis: Axis) -> None:
    before, after = shapes.axis_padding("same", *axis)
    assert windows(axis, before, after) == -(-axis.size // axis.stride)
    assert after - before in (0, 1)
    if before + after:  # no unnecessary zero
        assert windows(axis, before, after - 1) < -(-axis.size // axis.stride)


@given(AXES)
def test_full_lets_every_cell_meet_every_tap(axis: Axis) -> None:
    before, after = shapes.axis_padding("full", *axis)
    taps = [axis.dilation * tap for tap in range(axis.window)]
    starts = range(axis.size + before + after - taps[-1])
    assert all({*range(axis.size)} <= {start + tap - before for start in starts} for tap in taps)
    assert all(any(0 <= start + tap - before < axis.size for tap in taps) for start in (starts[0], starts[-1]))


@given(AXES, ENDS, ENDS)
def test_transposed_size_is_the_smallest_input_of_that_output(axis: Axis, before: int, after: int) -> None:
    size = shapes.transposed_size(*axis[:3], (before, after), axis.dilation)
    if size >= 1:
        assert windows(axis._replace(size=size), before, after) == axis.size
        assert windows(axis._replace(size=size - 1), before, after) == axis.size - 1


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("valid", ((0, 0), (0, 0))),
        ("full", ((2, 2), (8, 8))),
        ("same", ((1, 1), (3, 4))),
        (2, ((2, 2), (2, 2))),
        ([1, 3], ((1, 1), (3, 3))),
        ([[1, 2], [0, 3]], ((1, 2), (0, 3))),
        ((1, (0, 2)), ((1, 1), (0, 2))),
    ],
)
def test_padding_in_all_its_forms(padding: shapes.PaddingLike, expected: shapes.Padding) -> None:
    # kernel 3×5 with dilation (1, 2) on 7×9, stride (1, 2): extents 3 and 9, so "same" gives 7 and 5 outputs
    assert shapes.resolve_padding(padding, (7, 8), (3, 5), (1, 2), (1, 2)) == expected


@pytest.mark.parametrize("value", [0, -1, (1,), (1, 2, 3), (1, 0), 1.5, (1, 1.5), None, "22"])
def test_per_axis_refuses_the_rest(value: int) -> None:
    with pytest.raises(OptionError, match=r"^stride .*: expected a whole number of at least 1, or 2 of them$"):
        shapes.per_axis("stride", value, 2)
