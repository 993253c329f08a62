"""The figures of histories, models and evaluations, and their one-line representations."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numerical import assert_close
from PIL import Image

import chainrule as cr
from chainrule import layers
from chainrule.errors import OptionError
from chainrule.training.history import History


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
    assert repr(evaluation).startswith(f"Evaluation(60 samples: accuracy {100 * evaluation.accuracy:.2f} %, loss ")


@pytest.mark.parametrize("channels", [1, 3])
def test_predictions_of_files_and_of_pillow_images(channels: int, tmp_path: Path) -> None:
    """Get the same outputs from a path, a Pillow image, and lists of both."""
    model = cr.Sequential([cr.Flatten(), cr.Dense(2), cr.Softmax()], (channels, 6, 5), engine="numpy")
    x = np.random.default_rng(1).integers(0, 256, (3, channels, 6, 5), np.uint8)
    images = [Image.fromarray(each.transpose(1, 2, 0).squeeze()) for each in x]
    for image, suffix in zip(images, ("png", "webp", "tiff"), strict=True):
        image.save(tmp_path / f"x.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    sources: tuple[Any, ...] = (tmp_path / "x.png", str(tmp_path / "x.webp"), images[2])
    assert_close(model.predict(sources), model.predict(x))
    for source, image in zip(sources, x, strict=True):
        assert_close(model.predict(source), model.predict(image[None]))
