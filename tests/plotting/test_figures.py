"""Figures show the given numbers, in the right places; PNG files are the same bytes each time, written atomically."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.errors import OptionError, ShapeError
from chainrule.plotting.confusion import plot_confusion
from chainrule.plotting.figures import legible, new_figure, png, save
from chainrule.plotting.images import as_images, plot_images, plot_mistakes
from chainrule.plotting.kernels import MAX_CHANNELS, MAX_FILTERS, plot_kernels

CLASSES = ["cat", "dog", "owl"]
DRAW = np.random.default_rng(0)
PHOTOS = DRAW.integers(0, 256, (100, 3, 6, 4), dtype=np.uint8)


def axes(rows: int = 1, columns: int = 1) -> Any:
    return Figure().subplots(rows, columns)


def shown(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for place in figure.axes for image in place.images]


def captions(figure: Figure) -> list[str]:
    return [place.get_title() for place in figure.axes]


@pytest.mark.parametrize("size", [1, 2, 3, 10, 31, 60])
def test_counts_stand_in_their_cells_with_recall_and_precision_at_the_margins(size: int) -> None:
    draw = np.random.default_rng(size)
    counts = draw.poisson(0.2, (size, size)) + np.diag(draw.integers(0, 3, size) * 700)
    right, rows, columns, total = np.diag(counts), counts.sum(1), counts.sum(0), counts.sum()
    names = [f"class {k}" for k in range(size)]
    figure = plot_confusion(counts, names)
    place = figure.axes[0]
    percent = f"{100 * right.sum() / total:.1f} %" if total else "–"
    assert place.get_title() == f"{right.sum():,} of {total:,} correct ({percent})"
    expected = {(column, row): f"{counts[row, column]:,}" for row, column in np.argwhere(counts)}
    assert {text.get_position(): text.get_text() for text in place.texts} == (expected if size <= 30 else {})
    (errors,) = shown(figure)[:1]
    assert_close(np.nan_to_num(errors), (counts - np.diag(right)) / np.maximum(rows, 1)[:, None])
    assert [text.get_text() for text in place.get_yticklabels()] == names
    assert [text.get_text() for text in place.get_xticklabels()] == names
    margins = [rows, columns] if size <= 30 else []
    assert len(place.child_axes) == len(margins)
    for child, axis, totals in zip(place.child_axes, "yx", margins, strict=False):
        shares = [f"{100 * count / of:.1f} %" if of else "–" for count, of in zip(right, totals, strict=True)]
        assert [text.get_text() for text in getattr(child, f"get_{axis}ticklabels")()] == shares
    assert png(figure)


@pytest.mark.parametrize("shape", [(5, 3, 3, 4), (1, 1, 1, 1), (6, 2, 1, 9), (7, 1, 2, 2), (70, 18, 3, 3)])
def test_a_mosaic_holds_each_kernel_once_in_order(shape: tuple[int, ...]) -> None:
    w = DRAW.normal(0, 0.3, shape).astype(np.float32)
    figure = plot_kernels(w, "conv1")
    place = figure.axes[0]
    (mosaic,) = shown(figure)[:1]
    seen = w[:MAX_FILTERS, :MAX_CHANNELS]
    filters, channels, kh, kw = seen.shape
    columns = mosaic.shape[1] // (channels * (kw + 1) + 1)
    for (o, c), kernel in zip(np.ndindex(filters, channels), seen.reshape(-1, kh, kw), strict=True):
        row, column = divmod(o, columns)
        top, left = row * (kh + 1), column * (channels * (kw + 1) + 1) + c * (kw + 1)
        assert_array_equal(mosaic[top : top + kh, left : left + kw], kernel)
        mosaic[top : top + kh, left : left + kw] = np.nan
    assert np.isnan(mosaic).all()
    assert place.images[0].get_clim() == (-np.abs(w).max(), np.abs(w).max())
    first = [int(text.get_text()) for text in place.get_yticklabels()]
    assert first == [*range(0, filters, columns)]
    assert f"filters {filters} of {shape[0]}, channels {channels} of {shape[1]}" in place.get_xlabel()
    assert png(figure)


@pytest.mark.parametrize("wrong", [0, 1, 5, 40])
def test_mistakes_are_the_wrong_images_by_confidence(wrong: int) -> None:
    draw = np.random.default_rng(wrong)
    images = draw.integers(0, 256, (50, 1, 4, 6), dtype=np.uint8)
    true = draw.integers(0, 3, 50)
    predicted = true.copy()
    predicted[:wrong] = (true[:wrong] + 1) % 3
    confidence = draw.permutation(50) / 50
    figure = plot_mistakes(images, true, predicted, confidence, CLASSES)
    order = np.argsort(-confidence[:wrong])[:24]
    assert_array_equal(shown(figure), [images[number, 0] / 255 for number in order])
    texts = [f"{CLASSES[true[k]]} → {CLASSES[predicted[k]]}\n{100 * confidence[k]:.1f} %" for k in order]
    assert captions(figure)[: len(order)] == texts
    assert figure.get_suptitle() == f"The {len(order)} most confident of {wrong} mistakes among 50 images"
    assert png(figure)


def test_a_confidence_below_1_is_not_100_percent_and_long_names_take_two_lines() -> None:
    names = ["a long-haired cat", "dog"]
    figure = plot_mistakes(PHOTOS[:2], [0, 1], [1, 0], [0.99999, 1.0], names)
    assert captions(figure) == ["dog\n→ a long-haired cat\n100 %", "a long-haired cat\n→ dog\n99.9 %"]


@pytest.mark.parametrize("count", [0, 1, 9, 70])
def test_images_stand_in_their_order_under_their_captions(count: int) -> None:
    texts = [str(number) for number in range(count)]
    figure = plot_images(PHOTOS[:count], texts, "photos")
    seen = min(count, 64)
    for image, photo in zip(shown(figure), PHOTOS[:seen], strict=True):
        assert_close(image, photo.transpose(1, 2, 0) / 255)
    assert captions(figure)[:seen] == texts[:seen]
    assert figure.get_suptitle() == "photos"


@pytest.mark.parametrize("limits", [(0, 1), (0.2, 0.7), (-1, 3), (7, 7)])
def test_pictures_are_between_black_and_white(limits: tuple[float, float]) -> None:
    """Numbers outside 0 … 1 are scaled; two channels are averaged."""
    x = DRAW.uniform(*limits, (2, 2, 3, 4))
    x.flat[:2] = limits
    low, high = limits if min(limits) < 0 or max(limits) > 1 else (0, 1)
    assert_close(as_images(x), (x.mean(1) - low) / (high - low) if high > low else np.zeros((2, 3, 4)), magnitude=1)
    assert_array_equal(as_images(np.array([[[[0, 255]]]], np.uint8)), [[[0.0, 1.0]]])


DRAWN: dict[str, tuple[Callable[..., Figure], tuple[int, int]]] = {
    "confusion": (lambda ax: plot_confusion(np.eye(3, dtype=int), CLASSES, ax), (1, 1)),
    "kernels": (lambda ax: plot_kernels(np.ones((2, 3, 2, 2)), "conv1", ax), (1, 1)),
    "images": (lambda axes: plot_images(PHOTOS[:3], axes=axes), (2, 2)),
    "mistakes": (lambda axes: plot_mistakes(PHOTOS[:3], [0] * 3, [1] * 3, [0.5] * 3, CLASSES, axes), (1, 3)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figures_are_drawn_in_the_axes_of_the_user(name: str) -> None:
    draw, places = DRAWN[name]
    mine = axes(*places)
    figure = draw(mine)
    assert figure is np.ravel(mine)[0].figure
    assert [image.tobytes() for image in shown(figure)] == [image.tobytes() for image in shown(draw(None))]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot_confusion(np.zeros((3, 2), int), CLASSES), r"for 3 classes; expected \(3, 3\)"),
        (lambda: plot_confusion(np.zeros((0, 0), int), []), r"for 0 classes; expected \(0, 0\)"),
        (lambda: plot_kernels(np.zeros((0, 1, 3, 3)), "conv"), "expected four axes"),
        (lambda: plot_images(PHOTOS[0]), "expected four axes"),
        (lambda: plot_images(PHOTOS[:3], ["a", "b"]), r"3 images but captions of shape \(2,\)"),
        (lambda: plot_mistakes(PHOTOS[:3], [0] * 3, [1] * 3, [0.5], CLASSES), r"but confidence of shape \(1,"),
    ],
)
def test_shapes_are_checked(draw: Callable[[], Figure], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        draw()


@pytest.mark.parametrize("wrong", [range(3), "axes", Figure(), np.ravel(axes(1, 1))[:0]])
def test_axes_are_checked(wrong: Any) -> None:
    for draw, _ in DRAWN.values():
        with pytest.raises(OptionError, match=r"expected [123] of matplotlib"):
            draw(wrong)
    with pytest.raises(OptionError, match="expected 3 of matplotlib"):
        plot_images(PHOTOS[:3], axes=axes(1, 2))


def test_the_same_figure_is_the_same_bytes_in_any_thread(tmp_path: Path) -> None:
    def drawn() -> list[bytes]:
        return [png(draw(None)) for draw, _ in DRAWN.values()]

    expected = drawn()
    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(lambda _: drawn(), range(2))] == [expected] * 2
    (tmp_path / "again.png").write_bytes(b"the old one")
    for place in (tmp_path / "new.png", str(tmp_path / "again.png")):
        save(DRAWN["confusion"][0](None), place)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(
        ("new.png", "again.png"), expected[0]
    )


def test_pyplot_is_never_imported() -> None:
    program = "from chainrule.plotting import kernels, figures; import numpy, sys\n"
    program += (
        "figures.png(kernels.plot_kernels(numpy.ones((1, 1, 2, 2)))); assert 'matplotlib.pyplot' not in sys.modules"
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


def test_names_are_no_formulas() -> None:
    """Draw without a warning or an error, though $a_{$ is no formula and no font has \\U000f0000."""
    names = ["$a_{$ \U000f0000", "$ \x07"]
    assert png(plot_confusion(np.eye(2, dtype=int), names))
    assert png(plot_images(PHOTOS[:2], names, names[0]))
    assert png(plot_kernels(np.ones((1, 1, 2, 2)), names[0]))


def test_settings_of_the_working_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 47\nno such setting\n", encoding="utf-8")
    code = (
        "import os; from chainrule.plotting.figures import new_figure; new_figure(1, 1, 'a'); "
        "import matplotlib; print(matplotlib.rcParams['font.size'], os.getcwd())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"10.0 {tmp_path.resolve()}\n"
    assert done.stderr == ""


def test_a_notebook_shows_a_new_figure() -> None:
    figure = new_figure(2, 1, "title")
    assert figure._repr_png_() == png(figure)
