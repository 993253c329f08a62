"""PNG files: the same bytes each time, written atomically."""

import os
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import matplotlib.style
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from chainrule.errors import RunError
from chainrule.plotting.confusion import confusion_matrix
from chainrule.plotting.curves import learning_curves
from chainrule.plotting.figures import png, save
from chainrule.plotting.kernels import kernel_grid
from chainrule.plotting.mistakes import batch_grid


def figures() -> list[Figure]:
    falling = np.linspace(2, 0.1, 30)
    epochs = [{"step": 30, "validation_loss": 0.2, "validation_accuracy": 0.97}]
    return [
        learning_curves(range(1, 31), falling, 1 - falling / 2.1, epochs, "run"),
        kernel_grid(np.arange(18.0).reshape(2, 1, 3, 3) - 9, "conv1"),
        confusion_matrix([[5, 1], [0, 7]], ["a", "b"]),
        batch_grid(np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4), [1, 2]),
    ]


def test_the_same_figure_is_the_same_bytes_in_any_thread() -> None:
    expected = [png(figure) for figure in figures()]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: [png(figure) for figure in figures()], range(2)))
    assert found == [expected] * 2


def test_drawing_a_figure_again_moves_nothing() -> None:
    for figure in figures():
        assert png(figure) == png(figure)


def test_a_dark_style_of_the_notebook_changes_nothing() -> None:
    expected = [png(figure) for figure in figures()]
    with matplotlib.style.context("dark_background"):
        assert [png(figure) for figure in figures()] == expected


def test_png_has_150_dots_an_inch_and_no_date() -> None:
    figure = figures()[0]
    picture = Image.open(BytesIO(png(figure)))
    assert picture.size == tuple(round(inches * 150) for inches in figure.get_size_inches())
    assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
    assert set(picture.info) == {"dpi"}


def test_save_writes_the_png_and_nothing_else(tmp_path: Path) -> None:
    figure = figures()[1]
    (tmp_path / "kernels.png").write_bytes(b"the old one")
    save(figure, tmp_path / "kernels.png")
    save(figure, str(tmp_path / "again.png"))
    assert {path.name for path in tmp_path.iterdir()} == {"kernels.png", "again.png"}
    assert (tmp_path / "kernels.png").read_bytes() == (tmp_path / "again.png").read_bytes() == png(figure)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "curves.png"
    path.write_bytes(b"the old one")
    monkeypatch.setattr(os, step, full)
    with pytest.raises(RunError, match=r"cannot write .*curves\.png: No space left on device$"):
        save(figures()[1], path)
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot write .*a\.png: No such file or directory"):
        save(figures()[1], tmp_path / "missing" / "a.png")
