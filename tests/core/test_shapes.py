"""Output sizes against counted windows."""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numerical import assert_close

from chainrule.core import shapes
from chainrule.errors import ChainruleError, OptionError, ShapeError


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
    assert shapes.resolve_padding("padding", padding, (7, 8), (3, 5), (1, 2), (1, 2)) == expected


@pytest.mark.parametrize("value", [0, -1, (1,), (1, 2, 3), (1, 0), 1.5, (1, 1.5), None, "22"])
def test_per_axis_refuses_the_rest(value: int) -> None:
    with pytest.raises(OptionError, match=r"^stride .*: expected a whole number of at least 1, or 2 of them$"):
        shapes.per_axis("stride", value, 2)


@given(st.integers(1, 9), st.integers(1, 9))
def test_averages_weigh_the_cells_of_equal_parts(size: int, outputs: int) -> None:
    """Each window is what PyTorch's adaptive pooling reads: from ⌊i·size/outputs⌋ to ⌈(i + 1)·size/outputs⌉."""
    for i in range(outputs):
        start, stop = math.floor(i * size / outputs + 1e-9), math.ceil((i + 1) * size / outputs - 1e-9)
        weights = shapes.resampling_weights("average", size, outputs, i)
        assert weights == [(h, 1 / (stop - start)) for h in range(start, stop)]


LINES = st.one_of(st.just((0, 0, 0)), st.tuples(st.integers(-4, 9), st.integers(-9, 9), st.integers(1, 6)))


@given(st.integers(1, 9), st.integers(1, 9), LINES)
def test_resampled_values_lie_on_the_straight_lines_between_cells(
    size: int, outputs: int, line: tuple[int, int, int]
) -> None:
    """Bilinear weights interpolate any values as NumPy does; nearest ones take the cell at or before the position."""
    values = np.random.default_rng(size).normal(size=size)
    for i in range(outputs):
        centers = (i + 0.5) * size / outputs - 0.5 if line[2] == 0 else (line[0] * i + line[1]) / line[2]
        found = sum(weight * values[h] for h, weight in shapes.resampling_weights("bilinear", size, outputs, i, line))
        assert_close(found, np.interp(centers, range(size), values), magnitude=9, dtype=np.float64)
        edges = i * size / outputs if line[2] == 0 else centers
        nearest = min(max(math.floor(edges + 1e-9), 0), size - 1)
        assert shapes.resampling_weights("nearest", size, outputs, i, line) == [(nearest, 1.0)]
    with pytest.raises(ChainruleError):
        shapes.resampling_weights("cubic", size, outputs, 0)


@given(st.permutations(range(5)))
def test_an_inverse_permutation_undoes_it(axes: list[int]) -> None:
    inverse = shapes.inverse_permutation(axes)
    assert [axes[place] for place in inverse] == [inverse[place] for place in axes] == [*range(5)]
    shapes.check_permutation("permute", axes, 5)
    for wrong in (axes[:-1], [*axes[:-1], axes[0]], [*axes, 5], [*axes[:-1], True]):
        with pytest.raises(OptionError):
            shapes.check_permutation("permute", wrong, 5)


@given(st.lists(st.integers(1, 3), max_size=4), st.lists(st.integers(1, 3), max_size=4), st.data())
def test_shapes_that_differ_in_ones_or_repeat(first: list[int], second: list[int], data: st.DataObject) -> None:
    assert shapes.differ_in_ones(first, second) == ([n for n in first if n > 1] == [n for n in second if n > 1])
    place = data.draw(st.integers(0, len(first)))
    assert shapes.differ_in_ones(first, [*first[:place], 1, *first[place:]])
    try:
        repeated = np.broadcast_shapes(first, second) == tuple(second) and len(first) == len(second)
    except ValueError:
        repeated = False
    assert shapes.is_repeatable(first, second) == repeated


@pytest.mark.parametrize(
    ("value", "whole", "number"),
    [(3, True, True), (0, False, True), (-1, False, True), (True, False, False), (2.0, False, True),
     (2**31 - 1, True, True), (2**31, False, True), ("3", False, False), (None, False, False), (1j, False, False),
     (np.float32(2), False, True)],
)  # fmt: skip
def test_whole_numbers_and_numbers(value: Any, whole: bool, number: bool) -> None:
    assert shapes.is_whole(value, 1) == whole
    assert shapes.is_number(value) == number
    if type(value) is int and value < 2**31:
        assert shapes.is_whole(value)
    if not whole:
        limit = "2147483647" if value == 2**31 else "at least 1"
        with pytest.raises(OptionError, match=limit):
            shapes.per_axis("stride", value, 1)


@pytest.mark.parametrize("ends", [(1,), (1, 2, 3), (1, -1), (1, 0.5), (True, 1), (1, 2**31)])
def test_ends_are_whole_numbers_for_every_axis(ends: Any) -> None:
    shapes.check_ends("pad", (4, 5), (0, 2), (1, 0))
    for arguments in ((ends, (0, 0)), ((0, 0), ends)):
        with pytest.raises(OptionError, match="4×5"):
            shapes.check_ends("pad", (4, 5), *arguments)
    with pytest.raises(OptionError):
        shapes.resolve_ends("pad", ends, 2)


def test_a_kernel_that_does_not_fit_is_described_with_its_padding() -> None:
    for padding, shown in ((((1, 1), (1, 1)), "padding 1"), (((1, 2), (0, 0)), "1, 2")):
        with pytest.raises(ShapeError, match=r"5×9 .*4×5") as caught:
            shapes.check_fits("Conv2D", "kernel", (5, 9), (4, 5), padding)
        assert shown in str(caught.value)
    with pytest.raises(ShapeError):
        shapes.check_fits("Conv2D", "kernel", (9, 5), (4, 5), ((1, 1), (1, 1)))
    with pytest.raises(OptionError, match="valid, same, full"):
        shapes.resolve_padding("padding", "some", (4, 5), (1, 1), (1, 1), (1, 1))
