"""PNG files: the same bytes each time, written atomically."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure

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


def test_the_same_figure_is_the_same_bytes_in_any_thread_and_style() -> None:
    expected = [png(figure) for figure in figures()]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: [png(figure) for figure in figures()], range(2)))
    assert found == [expected] * 2
    with matplotlib.style.context("dark_background"):
        assert [png(figure) for figure in figures()] == expected


def test_save_writes_the_png_and_nothing_else(tmp_path: Path) -> None:
    figure = figures()[1]
    (tmp_path / "kernels.png").write_bytes(b"the old one")
    save(figure, tmp_path / "kernels.png")
    save(figure, str(tmp_path / "again.png"))
    assert {path.name for path in tmp_path.iterdir()} == {"kernels.png", "again.png"}
    assert (tmp_path / "kernels.png").read_bytes() == (tmp_path / "again.png").read_bytes() == png(figure)
