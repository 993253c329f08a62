"""Figures show the given numbers, in the right places; PNG files are the same bytes each time, written atomically."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pytest
from matplotlib.figure import Figure
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.errors import ShapeError
from chainrule.plotting.confusion import confusion_matrix
from chainrule.plotting.curves import learning_curves
from chainrule.plotting.figures import legible, message, png, save
from chainrule.plotting.kernels import MAX_CHANNELS, MAX_FILTERS, kernel_grid
from chainrule.plotting.mistakes import as_images, batch_grid, mistakes

CLASSES = ["cat", "dog", "owl"]
DRAW = np.random.default_rng(0)
PHOTOS = DRAW.integers(0, 256, (100, 3, 6, 4), dtype=np.uint8)
MANY = DRAW.normal(0, 0.3, (MAX_FILTERS + 6, MAX_CHANNELS + 2, 3, 3)).astype(np.float32)
CUT = "The first 64 of 70 filters of 3×3, the first 16 of 18 channels side by side"
WRONG = [0, 1, 2, 0, 1], [0, 2, 0, 1, 1], [0.99, 0.5, 0.984, 0.9999, 1.0]  # labels, answers, confidence


@dataclass(frozen=True)
class Case:
    """A figure, the arrays and texts of its first axes, and a title; limits of the colors."""

    figure: Callable[[], Figure]
    title: str
    images: Any = ()
    texts: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None


def kernels(*shape: int) -> Case:
    w = DRAW.normal(0, 0.3, shape).astype(np.float32)
    largest, numbers = float(np.abs(w).max()), tuple(map(str, range(shape[0])))
    return Case(lambda: kernel_grid(w, "conv1"), "conv1", w.reshape(-1, *shape[2:]), numbers, (-largest, largest))


def shown(*numbers: int) -> np.ndarray:
    return PHOTOS[[*numbers]].transpose(0, 2, 3, 1) / 255


def perfect(count: int) -> Callable[[], Figure]:
    return lambda: mistakes(PHOTOS[:count], np.ones(count, int), np.ones(count, int), np.ones(count), CLASSES)


SURE = np.linspace(0.2, 0.9, 100)
CASES = {
    **{str(shape): kernels(*shape) for shape in ((5, 3, 3, 4), (1, 1, 1, 1), (6, 2, 1, 9))},
    "many kernels": Case(
        lambda: kernel_grid(MANY, "conv2"),
        CUT,
        MANY[:MAX_FILTERS, :MAX_CHANNELS].reshape(-1, 3, 3),
        tuple(map(str, range(MAX_FILTERS))),
    ),
    "mistakes": Case(
        lambda: mistakes(PHOTOS[:5], *WRONG, CLASSES),
        "All 3 mistakes, the most confident first",
        shown(3, 2, 1),
        ("cat → dog\n99.9 %", "owl → cat\n98.4 %", "dog → owl\n50.0 %"),
    ),
    "many mistakes": Case(
        lambda: mistakes(PHOTOS, np.zeros(100, int), np.ones(100, int), SURE, CLASSES),
        "The 24 most confident of 100 mistakes",
        shown(*range(99, 75, -1)),
        tuple(f"cat → dog\n{100 * sure:.1f} %" for sure in SURE[:75:-1]),
    ),
    "no mistakes": Case(perfect(7), "", (), ("None: all 7 images are classified correctly.",)),
    "no images": Case(perfect(0), "", (), ("None.",)),
    "names": Case(
        lambda: batch_grid(PHOTOS[:3], [2, 0, 1], CLASSES), "3 images", shown(0, 1, 2), ("owl", "cat", "dog")
    ),
    "numbers": Case(lambda: batch_grid(PHOTOS[:2], [2, 0]), "2 images", shown(0, 1), ("2", "0")),
    "no labels": Case(lambda: batch_grid(PHOTOS[:3]), "3 images", shown(0, 1, 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_figure_shows_its_arrays_in_order_with_their_captions(name: str) -> None:
    case = CASES[name]
    figure = case.figure()
    axes = figure.axes[0]
    assert case.title in figure.get_suptitle() + axes.get_title("left")
    assert [text.get_text() for text in axes.texts] == [*case.texts]
    for image, expected in zip(axes.images, case.images, strict=True):
        assert_close(image.get_array(), expected)
        assert case.limits in (None, image.get_clim())
    assert png(figure)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 60])
def test_counts_stand_in_their_cells_with_recall_and_precision_at_the_margins(size: int) -> None:
    """All texts fit into the figure; the numbers of many classes are left out."""
    draw = np.random.default_rng(size)
    counts = draw.poisson(0.2, (size, size)) + np.diag(draw.integers(0, 3, size) * 700)
    right, rows, columns, total = np.diag(counts), counts.sum(1), counts.sum(0), counts.sum()
    figure = confusion_matrix(counts, [f"class {k}" for k in range(size)])
    axes, whole = figure.axes[0], figure.bbox
    title = f"{right.sum():,} of {total:,} correct ({100 * right.sum() / total:.2f} %)" if total else "no samples"
    assert figure.get_suptitle() == f"Confusion matrix: {title}"
    cells = {text.get_position(): text.get_text() for text in axes.texts[:-2]}
    expected = {(column, row): f"{counts[row, column]:,}" for row, column in np.argwhere(counts)}
    assert cells == (expected if size <= 40 else {})
    errors = axes.images[0].get_array()
    assert_array_equal(np.ma.getmaskarray(errors), np.eye(size))
    assert_close(errors.filled(0), (counts - np.diag(right)) / np.maximum(rows, 1)[:, None])
    assert axes.images[0].get_clim() == (0, errors.filled(0).max() or 0.01)
    recall, precision = axes.child_axes
    for axis, totals in ((recall.yaxis, rows), (precision.xaxis, columns)):
        shares = [f"{100 * count / of:.1f} %" if of else "–" for count, of in zip(right, totals, strict=True)]
        assert [text.get_text() for text in axis.get_ticklabels()] == shares or size > 40
    assert [text.get_text() for text in axes.get_yticklabels()] == [f"class {k}" for k in range(size)] or size > 40
    figure.draw_without_rendering()
    for text in (axes.yaxis.label, axes.xaxis.label, *axes.texts):
        box = text.get_window_extent()
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1
        assert whole.y0 <= box.y0 < box.y1 <= whole.y1


@pytest.mark.parametrize(
    ("size", "most", "has_numbers"), [(3, 10**6, True), (40, 10, True), (40, 10**6, False), (60, 2, False)]
)
def test_numbers_too_small_to_read_are_left_out(size: int, most: int, has_numbers: bool) -> None:
    """Many classes have small cells, and large numbers small digits. Two further texts name the axes."""
    figure = confusion_matrix(np.diag(np.full(size, most)), [str(k) for k in range(size)])
    *numbers, _, _ = figure.axes[0].texts
    assert len(numbers) == size * has_numbers
    assert all(number.get_fontsize() >= 4 for number in numbers)


FIGURES = {
    "matrix": lambda: confusion_matrix(np.eye(3, dtype=int), CLASSES),
    "large matrix": lambda: confusion_matrix(np.eye(70, dtype=int), [str(k) for k in range(70)]),
    **{name: case.figure for name, case in CASES.items() if "many" not in name},
}


@pytest.mark.parametrize("name", FIGURES)
def test_axes_are_in_the_figure_and_do_not_overlap(name: str) -> None:
    places = [axes.get_position() for axes in FIGURES[name]().axes]
    for number, place in enumerate(places):
        assert 0 <= place.x0 < place.x1 <= 1
        assert 0 <= place.y0 < place.y1 <= 1
        for other in places[:number]:
            assert not place.overlaps(other)


def test_tiles_have_the_form_of_the_kernel_and_do_not_overlap() -> None:
    boxes = [image.get_extent() for image in kernels(7, 3, 2, 4).figure().axes[0].images]
    for number, (left, right, bottom, top) in enumerate(boxes):
        assert_close((right - left) / (bottom - top), 2)
        for other_left, other_right, other_bottom, other_top in boxes[:number]:
            beside = right <= other_left or other_right <= left
            assert beside or bottom <= other_top or other_bottom <= top


@pytest.mark.parametrize("limits", [(0, 1), (0.2, 0.7), (-1, 3), (7, 7)])
def test_pictures_are_between_black_and_white(limits: tuple[float, float]) -> None:
    """Numbers outside 0 … 1 are scaled; two channels are averaged."""
    x = DRAW.uniform(*limits, (2, 2, 3, 4))
    x.flat[:2] = limits
    low, high = limits if min(limits) < 0 or max(limits) > 1 else (0, 1)
    assert_close(as_images(x), (x.mean(1) - low) / (high - low) if high > low else np.zeros((2, 3, 4)), magnitude=1)
    assert_array_equal(as_images(np.array([[[[0, 255]]]], np.uint8)), [[[0.0, 1.0]]])


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: confusion_matrix(np.zeros((3, 2), int), CLASSES), r"for 3 classes; expected \(3, 3\)"),
        (lambda: confusion_matrix(np.zeros((0, 0), int), []), r"for 0 classes; expected \(0, 0\)"),
        (lambda: kernel_grid(np.zeros((0, 1, 3, 3)), "conv"), "expected four axes"),
        (lambda: batch_grid(PHOTOS[0]), "expected four axes"),
        (lambda: batch_grid(PHOTOS[:3], [0, 1]), r"3 images but labels of shape \(2,\)"),
        (lambda: mistakes(PHOTOS[:3], [0] * 3, [1] * 3, [0.5], CLASSES), r"3 images but confidence of shape \(1,\)"),
        (lambda: learning_curves([1, 2], [1.0, 1.0], [0.1], [], "run"), r"2 steps but accuracy of shape \(1,\)"),
    ],
)
def test_shapes_are_checked(draw: Callable[[], Figure], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        draw()


def test_the_same_figure_is_the_same_bytes_in_any_thread_and_style(tmp_path: Path) -> None:
    def drawn() -> list[bytes]:
        return [png(CASES[name].figure()) for name in ("mistakes", "(5, 3, 3, 4)", "many mistakes")]

    expected = drawn()
    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(lambda _: drawn(), range(2))] == [expected] * 2
    with matplotlib.style.context("dark_background"):
        assert drawn() == expected
    (tmp_path / "again.png").write_bytes(b"the old one")
    for place in (tmp_path / "new.png", str(tmp_path / "again.png")):
        save(CASES["mistakes"].figure(), place)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(
        ("new.png", "again.png"), expected[0]
    )


def test_pyplot_is_never_imported() -> None:
    program = "from chainrule.plotting import kernels, figures; import numpy, sys\n"
    program += (
        "figures.png(kernels.kernel_grid(numpy.ones((1, 1, 2, 2)), 'k')); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_text_is_one_line_of_known_characters() -> None:
    for text, limit, expected in (
        ("a\tb\n c", 99, "a b c"),
        ("naïve → ½ × σ", 99, "naïve → ½ × σ"),
        ("\U000f0000 x \ud800", 99, "? x ?"),
        ("abcdefghij", 5, "abcd…"),
        ("abcde", 5, "abcde"),
    ):
        assert legible(text, limit) == expected
    figure = message("$a_1 \U000f0000 " + "a long title " * 15, "$ \U0001f9ff \x07")
    assert png(figure)  # without a warning
    assert figure.get_suptitle().count("\n") > 2


def test_settings_of_the_working_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 47\nno such setting\n", encoding="utf-8")
    code = (
        "import os; from chainrule.plotting.figures import message; message('a', 'b'); "
        "import matplotlib; print(matplotlib.rcParams['font.size'], os.getcwd())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"10.0 {tmp_path.resolve()}\n"
    assert done.stderr == ""
