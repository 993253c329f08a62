"""Data sets: refused inputs, and selections."""

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


def some(count: int = 12, classes: int = 3) -> Dataset:
    x = np.arange(count * 2 * 4 * 3, dtype=np.uint8).reshape(count, 2, 4, 3)
    return Dataset(x, np.arange(count) % classes, tuple("abcdefgh"[:classes]), "some")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((0, 1, 2, 2), np.uint8), "y": np.zeros(0, np.int64)}, r"the data is empty \(shape 0×1×2×2"),
        ({"x": np.zeros((2, 2, 2), np.uint8)}, "images of shape 2×2×2; expected four axes"),
        ({"x": np.zeros((2, 1, 2, 2), np.int16)}, "images are int16; expected uint8 or float32"),
        ({"y": np.zeros(3, np.int64)}, r"2 images but targets int64 of shape \(3\)"),
        ({"y": np.zeros(2)}, "targets float64 of shape .*int64"),
        ({"y": [0, 3]}, "label 3 of sample 1 is outside the classes 0 … 2"),
        *(({"weights": weights}, "weights: expected 2") for weights in ([1], [[1], [1]], ["p", "q"])),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    arrays = {"x": np.zeros((2, 1, 2, 2), np.uint8), "y": [1, 0], **changes}
    with pytest.raises(DataError, match=message):
        Dataset(**arrays, classes=("a", "b", "c"), name="some")


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("split", (1.0, 0), "cannot split off a fraction of 1.0"),
        ("take", (0,), "cannot take 0 samples"),
        ("take", ([3, 12],), "no sample 12; there are 12, counted from 0"),
        ("per_class", (11, 0), "cannot take 11 samples of class 'a', which has 4"),
        ("only", ([3],), "unknown class 3; known: a, b, c"),
        ("only", (["eel"],), "unknown class 'eel'; known: a, b, c"),
        ("__getitem__", ([True, False],), r"a mask of shape \(2\) for 12 samples"),
        ("__getitem__", ([0.5],), "cannot select samples by float64"),
        ("__getitem__", ([[0, 1]],), "an index of shape 1×2"),
    ],
)
def test_selections_that_are_refused(method: str, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"^some: .*{message}"):
        getattr(some(), method)(*arguments)
    if method in ("per_class", "only"):
        numbers = replace(some(), y=np.zeros((12, 3)))
        with pytest.raises(DataError, match="targets instead of classes"):
            getattr(numbers, method)(*arguments)
    with pytest.raises(DataError, match="some: cannot split 1 sample"):
        some().take(1).split(0.5, seed=0)


@pytest.mark.parametrize("labels", [[2, 0], ["c", "a"]])
def test_selected_classes_are_numbered_from_0(labels: list[int | str]) -> None:
    data = some()
    kept = data.only(labels)
    assert kept.classes == ("c", "a")
    assert_array_equal(kept.y, [1, 0] * 4)
    assert_array_equal(kept.x, data.x[data.y != 1])


def test_as_many_of_each_class() -> None:
    data = some(30)
    first, drawn = data.per_class(2, seed=4), data.per_class(2, seed=5)
    assert_array_equal(np.bincount(drawn.y), [2, 2, 2])
    assert_array_equal(data.per_class(2, seed=5).x, drawn.x)
    assert not np.array_equal(drawn.x, first.x)


@settings(max_examples=draws(33))
@given(st.data())
def test_selections_are_those_of_an_array(draw: st.DataObject) -> None:
    """Select the same samples as NumPy by numbers, slices, masks and indices, with names and classes."""
    data = replace(some(), weights=np.arange(12.0))
    if draw.draw(st.booleans()):
        data = replace(data, y=np.arange(36.0).reshape(12, 3))
    place = draw.draw(st.integers(-13, 12))
    if -12 <= place < 12:
        image, target = data[np.int64(place)]
        assert_array_equal(image, data.x[place])
        assert_array_equal(target, data.y[place])
        assert type(target) is (np.ndarray if data.y.ndim == 2 else int)
    else:
        with pytest.raises(IndexError, match=f"some: no sample {place}; there are 12"):
            data[place]
    lists = st.lists(st.integers(-12, 11), min_size=1, max_size=20) | st.lists(st.booleans(), min_size=12, max_size=12)
    index = draw.draw(st.slices(12) | lists | lists.map(np.array))
    expected = data.y[index]
    if not len(expected):
        with pytest.raises(DataError, match="some: the data is empty"):
            data[index]
        return
    actual = data[index]
    assert_array_equal(actual.y, expected)
    assert_array_equal(actual.x, data.x[index])
    assert_array_equal(actual.weights, data.weights[index])
    assert_array_equal([target for _, target in actual], expected)
    assert (actual.classes, actual.name) == (data.classes, data.name)
    places = np.arange(12)[index]
    for selection, targets in ((places, expected), (len(places), data.y[: len(places)])):
        assert_array_equal(data.take(selection).y, targets)
