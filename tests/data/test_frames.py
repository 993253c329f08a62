"""Frames, such as those of pandas, are refused in one line wherever the library takes arrays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ChainruleError

X, Y = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) % 2


class Frame:
    """A table like those of pandas, which need not be installed."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.shape = array.shape
        self.columns = [f"column {number}" for number in range(self.array.reshape(len(array), -1).shape[1])]

    def __len__(self) -> int:
        return len(self.array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.array.astype(dtype or self.array.dtype)


def model() -> cr.Sequential:
    return cr.Sequential([cr.Dense(2), cr.Softmax()], (3,), engine="numpy")


def of_two_inputs() -> cr.Graph:
    first, second = cr.Input((3,), name="a"), cr.Input((3,), name="b")
    return cr.Graph([first, second], cr.Softmax()(cr.Dense(2)(cr.Add()(first, second))), engine="numpy")


def of_numbers() -> cr.Sequential:
    return cr.Sequential([cr.Dense(3)], (3,), loss="mse", engine="numpy")


USES: dict[str, Callable[[Callable[[np.ndarray], Any]], Any]] = {
    "rows in a list": lambda frame: model().fit([frame(row[None]) for row in X], Y, progress=False),
    "labels": lambda frame: model().fit(X, frame(Y[:, None]), progress=False),
    "targets": lambda frame: of_numbers().fit(X, frame(X), progress=False),
    "weights": lambda frame: model().fit(X, Y, sample_weight=frame(np.ones((12, 1))), progress=False),
    "one of a list": lambda frame: of_two_inputs().fit((X, frame(X)), Y, progress=False),
    "one of a dictionary": lambda frame: of_two_inputs().fit({"a": X, "b": frame(X)}, Y, progress=False),
    "one of those to predict": lambda frame: of_two_inputs().predict({"a": X, "b": frame(X)}),
    "gradients": lambda frame: model().gradients(X, frame(Y[:, None])),
    "trace": lambda frame: model().trace(frame(X[:1]), Y[:1]),
    "apply": lambda frame: model().apply(frame(X)),
    "data set": lambda frame: cr.Dataset(frame(X), Y),
    "targets of a data set": lambda frame: cr.Dataset(X, frame(X)),
    "weights of a data set": lambda frame: cr.Dataset(X, Y, weights=frame(np.ones((12, 1)))),
}


@pytest.mark.parametrize("use", USES)
def test_frames_are_refused_at_every_entrance(use: str) -> None:
    """The same values are read as arrays, except for the forms that arrays of this shape do not have either."""
    with pytest.raises(ChainruleError, match=r"Frame.*to_numpy.*chainrule\.sklearn"):
        USES[use](Frame)
    if "weights" not in use and use != "rows in a list":
        USES[use](np.asarray)


def test_a_table_in_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ChainruleError, match=r"table\.csv: a table.*chainrule\.sklearn"):
        cr.data.load(path)
