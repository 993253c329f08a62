"""Objects in notebooks: figures, one-line representations, and one table each, well formed and escaped."""

import dataclasses
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from numerical import assert_close
from PIL import Image

import chainrule as cr
from chainrule import layers
from chainrule.errors import OptionError
from chainrule.plotting.notebook import table
from chainrule.plotting.views import MAX_CLASSES
from chainrule.training.history import History


def cells(html: str, tag: str) -> list[list[str]]:
    rows = [[cell.text or "" for cell in row.iter(tag)] for row in ElementTree.fromstring(html).iter("tr")]
    return [row for row in rows if row]


def test_a_table_holds_its_headers_cells_and_caption() -> None:
    html = table(["layer", "parameters", "share"], [["conv1", 1208, 0.25], ["relu1", 0, None]], "numpy-cnn")
    assert cells(html, "th") == [["layer", "parameters", "share"]]
    assert cells(html, "td") == [["conv1", "1,208", "0.25"], ["relu1", "0", "–"]]
    assert ElementTree.fromstring(html).findtext("caption") == "numpy-cnn"
    assert "caption" not in table(["a"], [[True]])


def test_everything_is_escaped() -> None:
    evil = '<script>alert("1")</script>&'
    html = table([evil], [[evil]], evil)
    assert "<script" not in html
    assert cells(html, "td") == cells(html, "th") == [[evil]]


# ------------------------------------------------------------------------------------------------ objects


@pytest.fixture(scope="module")
def data() -> cr.Dataset:
    x = np.random.default_rng(0).integers(0, 256, (60, 1, 9, 8), np.uint8)
    return cr.Dataset(x, np.arange(60) % 3, ("ant", "bee", "cat"), "insects")


@pytest.fixture(scope="module")
def model() -> cr.Sequential:
    rows = [cr.Conv2D(4, 3), cr.ReLU(), cr.Conv2D(5, (3, 2)), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    return cr.Sequential(rows, (1, 9, 8), engine="numpy", name="small", classes=("ant", "bee", "cat"))


@pytest.fixture(scope="module")
def history(model: cr.Sequential, data: cr.Dataset) -> History:
    return model.fit(data, epochs=2, progress=False)


def test_figures_are_saved_and_shown(model: cr.Sequential, data: cr.Dataset, history: History, tmp_path: Path) -> None:
    """Use matplotlib's own figures, which need no pyplot in a notebook."""
    for figure in (history.plot(), model.plot_kernels(), model.evaluate(data).plot_confusion()):
        assert isinstance(figure, Figure)
        shown: Any = figure
        assert shown._repr_png_().startswith(b"\x89PNG\r\n\x1a\n")
        figure.savefig(tmp_path / "figure.svg")
        figure.savefig(tmp_path / "figure.png")
        with Image.open(tmp_path / "figure.png") as written:
            assert len(np.unique(np.asarray(written))) > 2


def test_the_kernels_of_a_layer(model: cr.Sequential) -> None:
    assert [model.plot_kernels(*names).axes[0].get_title() for names in ((), ("conv2",))] == [
        "small: kernels conv1",
        "small: kernels conv2",
    ]
    ax: Any = Figure().subplots()
    assert model.plot_kernels(ax=ax) is ax.figure
    with pytest.raises(OptionError, match="unknown convolution 'dense1'; known: conv1, conv2"):
        model.plot_kernels("dense1")
    with pytest.raises(OptionError, match="model has no two-dimensional convolution"):
        cr.Sequential([cr.Dense(2), cr.Softmax()], (3,), engine="numpy").plot_kernels()


def caption(html: str) -> str:
    return ElementTree.fromstring(html).findtext("caption") or ""


def test_tables_have_the_numbers_of_their_objects(model: cr.Sequential, data: cr.Dataset, history: History) -> None:
    evaluation = model.evaluate(data)
    page = evaluation._repr_html_()
    assert f"accuracy {100 * evaluation.accuracy:.2f} %" in caption(page)
    recalls = [row[2] for row in cells(page, "td")]
    assert recalls == [f"{100 * value:.2f} %" for value in evaluation.recall]
    assert [row[0] for row in cells(page, "td")] == ["ant", "bee", "cat"]
    assert cells(data._repr_html_(), "td") == [["insects", "60", "1×9×8", "ant, bee, cat"]]
    titles = [name.replace("_", " ") for name in history.epoch_dicts()[0]]
    assert cells(history._repr_html_(), "th") == [titles]
    assert [row[1] for row in cells(history._repr_html_(), "td")] == ["2", "4"]
    assert cells(model._repr_html_(), "td")[0][0] == "conv1"


def test_tables_without_classes_and_of_many_classes() -> None:
    x = np.random.default_rng(0).normal(size=(70, 4)).astype("f4")
    line = cr.Sequential([cr.Dense(2)], (4,), loss="mean_squared_error", engine="numpy")
    evaluation = line.evaluate(x, x[:, :2])
    page = evaluation._repr_html_()
    row = dict(zip(*cells(page, "th"), *cells(page, "td"), strict=True))
    assert float(row["loss"]) == pytest.approx(evaluation.loss, rel=1e-3)
    many = cr.Sequential([cr.Dense(70), cr.Softmax()], (4,), engine="numpy")
    page = many.evaluate(x, np.arange(70))._repr_html_()
    assert len(cells(page, "td")) == MAX_CLASSES
    assert "the first 50 of 70 classes" in caption(page)


def test_everything_says_what_it_is_in_a_short_line(model: cr.Sequential, data: cr.Dataset, history: History) -> None:
    """Print no array element by element."""
    evaluation = model.evaluate(data)
    trace = model.trace(data.x[:2], data.y[:2])
    several: list[object] = [data, data[:5], model, history, evaluation, trace, *model.layers, model.normalization]
    several.append(history.epochs[0])
    for kind in layers.NAMED.values():
        if all(field.default is not field.default_factory for field in dataclasses.fields(kind)):
            several.append(kind())
    for case in several:
        text = repr(case)
        assert len(text) < 400, text
        assert "\n" not in text
        assert "array(" not in text
    assert repr(evaluation).startswith(f"Evaluation(60 samples: accuracy {100 * evaluation.accuracy:.2f} %, ")


@pytest.mark.parametrize("channels", [1, 3])
def test_predictions_of_files_and_of_pillow_images(channels: int, tmp_path: Path) -> None:
    """Get the same outputs from a path, a Pillow image, and lists of both."""
    model = cr.Sequential([cr.Flatten(), cr.Dense(2), cr.Softmax()], (channels, 6, 5), engine="numpy")
    x = np.random.default_rng(1).integers(0, 256, (3, channels, 6, 5), np.uint8)
    pictures = [Image.fromarray(values.transpose(1, 2, 0).squeeze()) for values in x]
    pictures[0].save(tmp_path / "x.png")
    pictures[1].save(tmp_path / "x.webp", lossless=True)
    sources: tuple[Any, ...] = (tmp_path / "x.png", str(tmp_path / "x.webp"), pictures[2])
    assert_close(model.predict(sources), model.predict(x))
    for source, values in zip(sources, x, strict=True):
        assert_close(model.predict(source), model.predict(values[None]))
