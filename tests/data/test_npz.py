"""NumPy archives: shapes, dtypes, and refused inputs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.data import load
from chainrule.errors import DataError, FormatError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (10, 6, 5), np.uint8)
Y = np.arange(10) % 3


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "some.npz", **arrays)
    return folder / "some.npz"


def whole(sets: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    return sets[0].x, sets[0].y


def given(folder: Path, x: Any, y: Any = Y, **more: Any) -> tuple[Any, Any]:
    return load(npz(folder, x=x, y=y, x_test=x, y_test=y, **more))


def test_without_a_test_set_a_share_is_split_off(tmp_path: Path) -> None:
    train, test = load(npz(tmp_path, x=X, y=Y), test_share=0.3, seed=2)
    assert (len(train), len(test)) == (7, 3)
    assert train.name == "some"
    assert train.classes == ("0", "1", "2")
    assert sorted(map(bytes, np.concatenate([train.x, test.x]))) == sorted(map(bytes, X))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((10, 6, 5), (1, 6, 5)), ((10, 6, 5, 1), (1, 6, 5)), ((10, 5, 2, 3), (3, 5, 2)), ((10, 3, 5, 2), (3, 5, 2)),
     ((10, 1, 6, 5), (1, 6, 5)), ((10, 6, 1, 5), (6, 1, 5))],
)  # fmt: skip
def test_axes(tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    x = X.reshape(shape)
    found, _ = whole(given(tmp_path, x))
    assert found.shape[1:] == expected
    if len(shape) == 4 and expected != shape[1:]:
        assert_array_equal(found, x.transpose(0, 3, 1, 2))
    else:
        assert_array_equal(found.reshape(shape), x)


def test_kinds_of_numbers(tmp_path: Path) -> None:
    assert whole(given(tmp_path, X.astype(np.int64)))[0].dtype == np.uint8
    floats, _ = whole(given(tmp_path, X / 255))
    assert floats.dtype == np.float32
    assert_array_equal(floats[:, 0], (X / 255).astype(np.float32))
    assert_array_equal(whole(given(tmp_path, X > 99))[0][:, 0], np.where(X > 99, 255, 0))


@pytest.mark.parametrize("y", [Y.reshape(10, 1), np.eye(3)[Y], np.eye(3, dtype=np.uint8)[Y], Y.astype(np.float32)])
def test_labels(tmp_path: Path, y: np.ndarray) -> None:
    assert_array_equal(whole(given(tmp_path, X, y))[1], Y)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[0], Y, "x has shape 6×5; expected"),
        (X[:, :, :0], Y, "some: the data is empty"),
        (X - 3.0 * np.inf, Y, "x holds values that are not finite"),
        (X.astype(int) + 1, Y, "x holds values from 1 to 256; expected whole numbers 0 … 255"),
        (X.astype(complex), Y, "x is complex128"),
        (X, Y + 0.5, "y is float64; expected integers"),
        (X, np.full((10, 3), 1), "y of shape 10×3 is not one-hot"),
        (X, np.zeros((10, 2, 2), int), "y has shape 10×2×2"),
        (X, Y[:4], r"10 images but targets int64 of shape \(4\)"),
        (X, Y - 1, "label -1 of sample 0 is outside the classes"),
        (X, Y * 1e300, r"y holds values from 0.0 to 2e\+300; expected labels 0, 1, 2"),
        (X, np.where(Y, np.nan, 0.0), "y is float64; expected integers"),
        (X, np.where(Y, np.inf, 0.0), "y holds values from 0.0 to inf; expected labels"),
        (X, Y.astype(np.uint64) << np.uint64(62), "y holds values from 0 to 9223372036854775808; expected labels"),
        (X, np.array(["a"] * 10), "y is <U1; expected integers"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, x: Any, y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        given(tmp_path, x, y)


@pytest.mark.parametrize("label", [1000, 3_000_000, 2**53 - 1])
def test_a_label_far_outside_makes_no_classes(tmp_path: Path, label: int) -> None:
    y = Y.copy()
    y[4] = label
    message = (
        f"some.npz: y implies {label + 1} classes .0 … {label}.; without an array 'classes', expected at most 1000"
    )
    with pytest.raises(DataError, match=message):
        load(npz(tmp_path, x=X, y=y))
    with pytest.raises(DataError, match=f"label {label} of sample 4 is outside the classes 0 … 2"):
        load(npz(tmp_path, x=X, y=y, classes=np.array(["a", "b", "c"])))


def test_missing_arrays(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no array 'y'; found x"):
        load(npz(tmp_path, x=X, other=Y))
    with pytest.raises(DataError, match="no array 'y_test'"):
        load(npz(tmp_path, x=X, y=Y, x_test=X))
    with pytest.raises(DataError, match="label 2 of sample 2 is outside the classes 0 … 1"):
        load(npz(tmp_path, x=X, y=Y, classes=np.array(["a", "b"])))


def test_pickles_are_never_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"array x.npy holds Python objects"):
        load(npz(tmp_path, x=np.array([{}, {}], object), y=Y))
