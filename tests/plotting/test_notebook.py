"""Objects in notebooks: figures, one-line representations, and HTML, well formed, escaped, with text alternatives."""

import dataclasses
from base64 import b64decode
from io import BytesIO
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
from chainrule.plotting.figures import png
from chainrule.plotting.kernels import kernel_grid
from chainrule.plotting.notebook import HIGH, LOW, image, map_png, table
from chainrule.training.history import History


def cells(html: str, tag: str) -> list[list[str]]:
    rows = [[cell.text or "" for cell in row.iter(tag)] for row in ElementTree.fromstring(html).iter("tr")]
    return [row for row in rows if row]


def sides(html: str, tag: str) -> list[str]:
    styles = [cell.get("style") or "" for cell in ElementTree.fromstring(html).iter(tag)]
    return [style.split("text-align:")[1].split(";")[0] for style in styles]


def test_a_table_holds_its_headers_cells_and_caption() -> None:
    html = table(["layer", "parameters", "share"], [["conv1", 1208, 0.25], ["relu1", 0, None]], "numpy-cnn")
    assert cells(html, "th") == [["layer", "parameters", "share"]]
    assert cells(html, "td") == [["conv1", "1,208", "0.25"], ["relu1", "0", "–"]]
    assert ElementTree.fromstring(html).findtext("caption") == "numpy-cnn"
    assert sides(html, "td")[:3] == sides(html, "th") == ["left", "right", "right"]
    scopes = {(cell.tag, cell.get("scope")) for row in ElementTree.fromstring(html).iter("tr") for cell in row}
    assert scopes == {("th", "col"), ("td", None)}
    html = table(["a", "b", "c", "d"], [["99.1 %", "8×24×24", "1e-05", True], ["1,208", "10", "−3.5", "–"]])
    assert sides(html, "th") == ["right", "left", "right", "left"]
    assert "caption" not in html


def test_everything_is_escaped() -> None:
    evil = '<script>alert("1")</script>&'
    html, shown = table([evil], [[evil]], evil), image(b"", '"><script>')
    assert "<script" not in html + shown
    assert cells(html, "td") == cells(html, "th") == [[evil]]
    assert 'alt="&quot;&gt;&lt;script&gt;"' in shown


def test_an_image_carries_its_bytes_its_words_and_its_size() -> None:
    figure = kernel_grid(np.ones((2, 1, 3, 3)), "conv1")
    data = png(figure)
    element = ElementTree.fromstring(image(data, "kernels of conv1").replace(">", "/>"))
    kind, content = (element.get("src") or "").split(",")
    assert (kind, b64decode(content)) == ("data:image/png;base64", data)
    assert element.get("alt") == "kernels of conv1"
    assert f"width:{round(figure.get_size_inches()[0] * 96)}px" in (element.get("style") or "")


MAPS = np.stack([np.full((3, 2), value) for value in (4.0, -1.0, 2.0)])


@pytest.mark.parametrize(
    ("values", "shape", "pixels"),
    [
        (
            [[-2.0, -1.0], [0.0, 2.0]],
            (2, 2),
            {(0, 0): (*LOW, 255), (0, 1): (*LOW, 128), (1, 0): 0, (1, 1): (*HIGH, 255)},
        ),
        (MAPS, (7, 5), {(0, 0): 255, (0, 3): 64, (4, 0): 128, (3, 1): 0, (1, 2): 0, (5, 3): 0}),  # side by side
        (np.zeros((40, 2, 2)), (11, 11), {}),
        (np.arange(10.0), (3, 4), {(2, 2): 0, (2, 1): 255}),
        (3.0, (1, 1), {}),
        ([[np.nan, np.inf], [-np.inf, 1.0]], (2, 2), {(0, 0): 0, (0, 1): (*HIGH, 255), (1, 0): (*LOW, 255)}),
        ([[np.nan]], (1, 1), {(0, 0): 0}),
    ],
)
def test_signs_have_colors_and_sizes_have_strength(values: Any, shape: tuple[int, ...], pixels: dict[Any, Any]) -> None:
    shown = np.asarray(Image.open(BytesIO(map_png(np.asarray(values, float)))))
    assert shown.shape == (*shape, 4)
    for place, color in pixels.items():
        assert (tuple(shown[place]) if isinstance(color, tuple) else shown[place][3]) == color


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
    assert [model.plot_kernels(*names).get_suptitle() for names in ((), ("conv2",))] == [
        "small: kernels conv1",
        "small: kernels conv2",
    ]
    with pytest.raises(OptionError, match="unknown convolution 'dense1'; known: conv1, conv2"):
        model.plot_kernels("dense1")
    with pytest.raises(OptionError, match="model has no two-dimensional convolution"):
        cr.Sequential([cr.Dense(2), cr.Softmax()], (3,), engine="numpy").plot_kernels()


def test_an_evaluation_in_a_notebook(model: cr.Sequential, data: cr.Dataset) -> None:
    evaluation = model.evaluate(data)
    page, accuracy = evaluation._repr_html_(), f"{100 * evaluation.accuracy:.2f} %"
    for words in ("ant", "bee", "cat", "precision", "recall", accuracy, "data:image/png;base64"):
        assert words in page


def test_everything_says_what_it_is_in_a_short_line(model: cr.Sequential, data: cr.Dataset, history: History) -> None:
    """Print no array element by element."""
    evaluation = model.evaluate(data)
    trace = model.trace(data.x[:2], data.y[:2])
    several: list[object] = [data, data[:5], model, history, evaluation, trace, *model.layers, model.normalization]
    several += [trace.explain("conv1.dw[0,0,0,0]"), history.epochs[0]]
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
