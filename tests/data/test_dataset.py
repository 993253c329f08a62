"""Data sets: refused inputs, and selections."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from selection import draws

from chainrule.data import Dataset
from chainrule.errors import DataError

NINE = np.zeros((9, 1, 3, 3), np.uint8)


def some(count: int = 12, classes: int = 3) -> Dataset:
    x = np.arange(count * 2 * 4 * 3, dtype=np.uint8).reshape(count, 2, 4, 3)
    return Dataset(x, np.arange(count) % classes, tuple("abcdefgh"[:classes]), "some")


def of_three(**changes: Any) -> Dataset:
    """Build a data set of two images and three classes with some arguments changed."""
    arrays = {"x": np.zeros((2, 1, 2, 2), np.uint8), "y": [1, 0], **changes}
    return Dataset(**arrays, classes=("a", "b", "c"), name="some")


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: of_three(x=np.zeros((0, 1, 2, 2), np.uint8), y=np.zeros(0, np.int64)),
        r"some: the data is empty \(shape 0×1×2×2",
    ),
    (lambda: of_three(x=np.zeros((2, 2, 2), np.uint8)), "images of shape 2×2×2; expected four axes"),
    (lambda: of_three(x=np.zeros((2, 1, 2, 2), np.int16)), "images are int16; expected uint8 or float32"),
    (lambda: of_three(y=np.zeros(3, np.int64)), r"2 images but targets int64 of shape \(3\)"),
    (lambda: of_three(y=np.zeros(2)), "targets float64 of shape .*int64"),
    (lambda: of_three(y=[0, 3]), "label 3 of sample 1 is outside the classes 0 … 2"),
    *(
        (lambda share=share: some().split(share, seed=0), f"some: cannot split off a fraction of {share}")
        for share in (0.0, 1.0, -0.1, float("nan"))
    ),
    (lambda: some().take(1).split(0.5, seed=0), "some: cannot split 1 sample"),
    (lambda: some().take(0), "cannot take 0 samples"),
    (lambda: some().take([3, 12]), "no sample 12; there are 12, counted from 0"),
    (lambda: some(30).per_class(11), "cannot take 11 samples of class 'a', which has 10"),
    (lambda: some().only([3]), "unknown class 3; known: a, b, c"),
    (lambda: some().only([0, "a"]), "one class twice"),
    (lambda: some()[[True, False]], r"a mask of shape \(2\) for 12 samples"),
    (lambda: some()[[0.5]], "cannot select samples by float64"),
    (lambda: some()["abc"], "cannot select samples by <U3"),
    (lambda: some()[[3, 99]], "no sample 99"),
    (lambda: some()[[[0, 1]]], r"an index of shape 1×2"),
    (lambda: Dataset(NINE, NINE.reshape(9, 9)[:, :2] * 1.0, ("a", "b")).only([0]), "targets instead of classes"),
    (lambda: Dataset(NINE, NINE.reshape(9, 9)[:, :2] * 1.0, ("a", "b")).per_class(1), "targets instead of classes"),
    (lambda: Dataset(NINE, np.arange(9) % 2, groups=[1, 2]), "groups: expected 9"),
    (lambda: Dataset(NINE, np.arange(9) % 2, groups=[1.5] * 9), "groups: expected 9"),
    (lambda: Dataset(NINE, np.arange(9) % 2, groups="p"), "groups: expected 9"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()


def test_split_is_a_partition_that_the_seed_decides() -> None:
    data = some(20)
    train, validation = data.split(0.25, seed=3)
    assert (len(train), len(validation)) == (15, 5)
    assert sorted(map(bytes, np.concatenate([train.x, validation.x]))) == sorted(map(bytes, data.x))
    again, other = data.split(0.25, seed=3)[1], data.split(0.25, seed=4)[1]
    assert_array_equal(again.x, validation.x)
    assert not np.array_equal(other.x, validation.x)


@pytest.mark.parametrize("labels", [[2, 0], ["c", "a"]])
def test_selected_classes_are_numbered_from_0(labels: list[int | str]) -> None:
    data = some()
    kept = data.only(labels)
    assert kept.classes == ("c", "a")
    assert_array_equal(kept.y, [1, 0] * 4)
    assert_array_equal(kept.x, data.x[data.y != 1])


def test_as_many_of_each_class() -> None:
    data = some(30)
    first, drawn = data.per_class(2), data.per_class(2, seed=5)
    assert_array_equal(first.x, data.x[:6])
    assert_array_equal(np.bincount(drawn.y), [2, 2, 2])
    assert_array_equal(data.per_class(2, seed=5).x, drawn.x)
    assert not np.array_equal(drawn.x, first.x)


@pytest.mark.parametrize("place", [0, 11, -1, np.int64(3), 12, -13])
def test_a_sample_is_an_image_and_a_label(place: int) -> None:
    data = some()
    if -12 <= place < 12:
        image, label = data[place]
        assert_array_equal(image, data.x[place])
        assert (label, type(label)) == (data.y[place], int)
    else:
        with pytest.raises(IndexError, match=f"some: no sample {place}; there are 12") as caught:
            data[place]
        assert isinstance(caught.value, DataError)


@settings(max_examples=draws(33))
@given(st.data())
def test_selections_are_those_of_an_array(draw: st.DataObject) -> None:
    """Select the same samples as NumPy by slices, masks and indices, with names and classes."""
    data = replace(some(), weights=np.arange(12.0))
    if draw.draw(st.booleans()):
        data = replace(data, y=np.arange(36.0).reshape(12, 3))
    index = draw.draw(
        st.one_of(
            st.slices(12),
            st.lists(st.integers(-12, 11), min_size=1, max_size=20),
            st.lists(st.booleans(), min_size=12, max_size=12),
            st.lists(st.booleans(), min_size=12, max_size=12).map(np.array),
            st.lists(st.integers(-12, 11), min_size=1).map(np.array),
        )
    )
    expected = data.y[index]
    if not len(expected):
        with pytest.raises(DataError, match="some: the data is empty"):
            data[index]
        return
    actual = (
        data.take(index) if isinstance(index, np.ndarray) and index.dtype != bool and min(index) >= 0 else data[index]
    )
    assert_array_equal(data.take(len(expected)).x, data.x[: len(expected)])
    assert_array_equal(actual.y, expected)
    assert_array_equal(actual.x, data.x[index])
    assert_array_equal(actual.weights, data.weights[index])
    assert_array_equal([target for _, target in actual], expected)
    assert (actual.classes, actual.name) == (data.classes, data.name)
