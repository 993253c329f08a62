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


def loaded(folder: Path, x: Any, y: Any = Y) -> Any:
    """Return the training set of an archive with a test set."""
    return load(npz(folder, x=x, y=y, x_test=x, y_test=y))[0]


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((10, 6, 5), (0, 1, 2)), *((shape, (0, 3, 1, 2)) for shape in ((10, 6, 5, 1), (10, 5, 2, 3))),
     *((shape, (0, 1, 2, 3)) for shape in ((10, 3, 5, 2), (10, 1, 6, 5), (10, 6, 1, 5)))],
)  # fmt: skip
def test_axes_and_kinds_of_numbers(tmp_path: Path, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    for x, dtype, expected in (
        (X, np.uint8, X),
        (X.astype(np.int64), np.uint8, X),
        (X / 255, np.float32, X / np.float32(255)),
        (X > 99, np.uint8, np.where(X > 99, 255, 0)),
    ):
        images = loaded(tmp_path, x.reshape(shape)).x
        assert (images.dtype, images.ndim) == (dtype, 4)
        assert_array_equal(images.squeeze(), expected.reshape(shape).transpose(axes).squeeze())


@pytest.mark.parametrize("y", [Y.reshape(10, 1), np.eye(3)[Y], np.eye(3, dtype=np.uint8)[Y], Y.astype(np.float32)])
def test_labels(tmp_path: Path, y: np.ndarray) -> None:
    assert_array_equal(loaded(tmp_path, X, y).y, Y)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"x": X[0, 0]}, "x has shape 5; expected"),
    ({"x": X - 3.0 * np.inf}, "x holds values that are not finite"),
    ({"x": X.astype(int) + 1}, "x holds values from 1 to 256; expected whole numbers 0 … 255"),
    ({"x": np.array([{}, {}], object)}, r"array x.npy holds Python objects"),
    ({"y": Y + 0.5}, "y is float64; expected integers"),
    ({"y": np.zeros((10, 2, 2), int)}, "y has shape 10×2×2"),
    ({"y": Y - 1}, "label -1 of sample 0 is outside the classes"),
    ({"y": np.where(Y, np.inf, 0.0)}, "y holds values from 0.0 to inf; expected labels"),
    ({"y": Y, "classes": np.array(["a", "b"])}, "label 2 of sample 2 is outside the classes 0 … 1"),
    ({"y_test": None}, "no array 'y_test'"),
    ({"y": None, "y_test": None, "x_test": None}, "no array 'y'; found x"),
    ({"x": None, "y": None, "y_test": None, "x_test": None, "images": X}, "no array 'x'; found images"),
    # targets in place of labels
    ({"targets": np.full(10, np.nan)}, "targets must be finite; those of sample 0"),
    ({"targets": np.array(["a"] * 10)}, "expected numbers"),
    ({"targets": np.ones((10, 2, 2))}, r"expected numbers \(N,\) or \(N, K\)"),
    ({"targets": np.ones(10), "weights": np.ones(4)}, "expected 10 numbers"),
    ({"targets": np.ones(10), "x_test": X}, "no array 'targets_test'"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    arrays = {"x": X} if "targets" in changes else {"x": X, "y": Y, "x_test": X, "y_test": Y}
    arrays = {name: array for name, array in (arrays | changes).items() if array is not None}
    with pytest.raises((DataError, FormatError), match=message):
        load(npz(tmp_path, **arrays))


@pytest.mark.parametrize("label", [1000, 3_000_000, 2**53 - 1])
def test_a_label_far_outside_makes_no_classes(tmp_path: Path, label: int) -> None:
    y = Y.copy()
    y[4] = label
    with pytest.raises(DataError, match=f"y implies {label + 1} classes .* 'classes', expected at most 1000"):
        load(npz(tmp_path, x=X, y=y))
    with pytest.raises(DataError, match=f"label {label} of sample 4 is outside the classes 0 … 2"):
        load(npz(tmp_path, x=X, y=y, classes=np.array(["a", "b", "c"])))
