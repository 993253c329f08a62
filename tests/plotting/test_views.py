"""Figures and tables of objects show the numbers of these objects."""

import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_array_equal

import chainrule as cr
from chainrule.plotting.figures import png, save
from chainrule.plotting.mistakes import batch_grid, mistakes

WORDS = ("ant", "bee", "cow")


def lines(figure: Figure) -> list[np.ndarray]:
    """Return the heights of all lines in a figure."""
    return [np.asarray(line.get_ydata(), float) for axes in figure.axes for line in axes.get_lines()]


def shows(figure: Figure, values: Sequence[float] | np.ndarray) -> bool:
    """Return whether a line of a figure has these heights."""
    return any(np.array_equal(line, values) for line in lines(figure))


def texts(figure: Figure) -> list[str]:
    """Return all texts in the axes of a figure."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def headings(html: str) -> list[str]:
    """Return the headings of all columns of tables."""
    return re.findall(r"<th[^>]*>([^<]*)</th>", html)


def rows_of_classes(seed: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(24, 5)).astype("f4"), np.arange(24) % classes


def trained(classes: int) -> tuple[cr.Sequential, np.ndarray, np.ndarray]:
    x, y = rows_of_classes(classes, classes)
    ending = [cr.Dense(1), cr.Sigmoid()] if classes == 2 else [cr.Dense(classes), cr.Softmax()]
    model = cr.Sequential(ending, (5,), seed=1, engine="numpy")
    model.fit(x, y, epochs=2, batch_size=8, progress=False)
    return model, x, y


def test_the_table_of_a_history_has_the_columns_of_its_epochs() -> None:
    model, x, y = trained(3)
    history = model.fit(x, y, epochs=3, batch_size=8, validation_data=(x, y), progress=False)
    titles = headings(history._repr_html_())  # pyright: ignore[reportPrivateUsage]
    expected = [name.replace("_", " ") for name in history.epoch_dicts()[0]]
    assert titles[: len(expected)] == expected


@pytest.mark.parametrize("wrong", [0, 1, 5, 40])
def test_mistakes_are_the_wrong_images_by_confidence(wrong: int) -> None:
    draw = np.random.default_rng(wrong)
    images = draw.integers(0, 256, (50, 1, 4, 6), dtype=np.uint8)
    true = draw.integers(0, 3, 50)
    predicted = true.copy()
    predicted[:wrong] = (true[:wrong] + 1) % 3
    confidence = draw.permutation(50) / 50
    figure = mistakes(images, true, predicted, confidence, WORDS)
    order = np.argsort(-confidence[:wrong])[:24]
    pictures = [image.get_array() for axes in figure.axes for image in axes.images]
    assert len(pictures) == len(order)
    for picture, number in zip(pictures, order, strict=True):
        assert_array_equal(np.asarray(picture), images[number, 0] / 255)
    counted = {0: ["50"], 1: [], 5: ["5"], 40: ["24", "40"]}[wrong]  # what the title or the message counts
    heading = figure.get_suptitle() if wrong else texts(figure)[0]
    assert re.findall(r"\d+", heading) == counted
    captions = [f"{WORDS[true[number]]} → {WORDS[predicted[number]]}" for number in order]
    if wrong:
        assert [text.split("\n")[0] for text in texts(figure)] == captions


def test_a_saved_figure_is_its_png(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    figure = mistakes(draw.uniform(size=(3, 1, 4, 4)), [0, 1, 2], [1, 1, 1], [0.5, 0.6, 0.7], WORDS)
    save(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes() == png(figure)


@pytest.mark.parametrize("has_classes", [True, False])
def test_a_data_set_shows_its_first_images_with_their_classes(has_classes: bool) -> None:
    draw = np.random.default_rng(2)
    x = draw.integers(0, 256, (45, 1, 3, 4), dtype=np.uint8)
    y = draw.integers(0, 3, 45) if has_classes else draw.normal(size=(45, 1))
    data = cr.Dataset(x, y, classes=WORDS if has_classes else ())
    labels = y[:40] if has_classes else None
    expected = b64encode(png(batch_grid(x[:40], labels, WORDS))).decode()
    assert expected in data._repr_html_()  # pyright: ignore[reportPrivateUsage]
