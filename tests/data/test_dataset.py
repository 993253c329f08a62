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
        (
            {"x": np.zeros((0, 1, 2, 2), np.uint8), "y": np.zeros(0, np.int64)},
            r"some: the data is empty \(shape 0×1×2×2",
        ),
        ({"x": np.zeros((2, 2, 2), np.uint8)}, "images of shape 2×2×2; expected four axes"),
        ({"x": np.zeros((2, 1, 2, 2), np.int16)}, "images are int16; expected uint8 or float32"),
        ({"y": np.zeros(3, np.int64)}, r"2 images but targets int64 of shape \(3\)"),
        ({"y": np.zeros((2, 1), np.int64)}, r"2 images but targets int64 of shape \(2×1\)"),
        ({"y": np.zeros(2)}, "targets float64 of shape .*int64"),
        ({"y": np.array([0, 3])}, "label 3 of sample 1 is outside the classes 0 … 2"),
        ({"y": np.array([-1, 0])}, "label -1 of sample 0 is outside the classes 0 … 2"),
    ],
)
def test_bad_data_is_refused(changes: dict[str, Any], message: str) -> None:
    good = {"x": np.zeros((2, 1, 2, 2), np.uint8), "y": np.zeros(2, np.int64)}
    with pytest.raises(DataError, match=message):
        Dataset(**(good | changes), classes=("a", "b", "c"), name="some")


@pytest.mark.parametrize("y", [[1, 0], np.array([1, 0], np.uint8), np.array([True, False])])
def test_labels_are_converted_to_int64(y: Any) -> None:
    data = Dataset(np.zeros((2, 1, 2, 2), np.uint8), y, classes=("a", "b"))
    assert data.y.dtype == np.int64
    assert_array_equal(data.y, [1, 0])


def test_take() -> None:
    data = some()
    assert_array_equal(data.take(5).x, data.x[:5])
    assert len(data.take(100)) == 12
    chosen = data.take(np.array([7, 0]))
    assert_array_equal(chosen.x, data.x[[7, 0]])
    assert_array_equal(chosen.y, [1, 0])
    with pytest.raises(DataError, match="cannot take 0 samples"):
        data.take(0)
    with pytest.raises(DataError, match="no sample 12; there are 12, counted from 0"):
        data.take([3, 12])


def test_split_is_a_partition_that_the_seed_decides() -> None:
    data = some(20)
    train, validation = data.split(0.25, seed=3)
    assert (len(train), len(validation)) == (15, 5)
    everything = np.concatenate([train.x, validation.x])
    assert sorted(map(bytes, everything)) == sorted(map(bytes, data.x))
    again, other = data.split(0.25, seed=3)[1], data.split(0.25, seed=4)[1]
    assert_array_equal(again.x, validation.x)
    assert not np.array_equal(other.x, validation.x)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_split_shares_out_of_range(fraction: float) -> None:
    with pytest.raises(DataError, match=f"some: cannot split off a fraction of {fraction}"):
        some().split(fraction, seed=0)
    with pytest.raises(DataError, match="some: cannot split 1 sample"):
        some().take(1).split(0.5, seed=0)


@pytest.mark.parametrize("labels", [[2, 0], ["c", "a"]])
def test_only_some_classes_numbered_anew(labels: list[int | str]) -> None:
    data = some()
    kept = data.only(labels)
    assert kept.classes == ("c", "a")
    assert_array_equal(kept.y, [1, 0] * 4)
    assert_array_equal(kept.x, data.x[data.y != 1])


@pytest.mark.parametrize(
    ("labels", "message"), [([3], "unknown class 3; known: a, b, c"), ([0, "a"], "one class twice")]
)
def test_only_refuses(labels: list[int | str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        some().only(labels)


def test_per_class() -> None:
    data = some(30)
    first = data.per_class(2)
    assert_array_equal(first.x, data.x[:6])
    chosen = data.per_class(2, seed=5)
    assert_array_equal(np.bincount(chosen.y), [2, 2, 2])
    assert_array_equal(data.per_class(2, seed=5).x, chosen.x)
    assert not np.array_equal(chosen.x, first.x)
    with pytest.raises(DataError, match="cannot take 11 samples of class 'a', which has 10"):
        data.per_class(11)


def test_one_sample_and_iteration() -> None:
    data = some()
    for at in (0, 11, -1, np.int64(3)):
        image, label = data[at]
        assert_array_equal(image, data.x[at])
        assert (label, type(label)) == (data.y[at], int)
    pairs = list(data)
    assert len(pairs) == len(data)
    assert all(np.array_equal(image, data.x[n]) and label == data.y[n] for n, (image, label) in enumerate(pairs))
    for at in (12, -13):
        with pytest.raises(IndexError, match=f"some: no sample {at}; there are 12") as caught:
            data[at]
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
    found = data[index]
    assert_array_equal(found.y, expected)
    assert_array_equal(found.x, data.x[index])
    assert_array_equal(found.weights, data.weights[index])
    assert_array_equal([target for _, target in found], expected)
    assert (found.classes, found.name) == (data.classes, data.name)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([True, False], r"a mask of shape \(2\) for 12 samples"),
        ([0.5], "cannot select samples by float64"),
        ("abc", "cannot select samples by <U3"),
        ([3, 99], "no sample 99"),
        ([[0, 1]], r"an index of shape 1×2"),
    ],
)
def test_selections_that_cannot_be_made(index: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        some()[index]
