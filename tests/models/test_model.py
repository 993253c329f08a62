"""`Sequential` as users use it: build, inspect, train, evaluate, predict, save, load."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engines.processes import python
from models import several
from training.made import stripes

import chainrule as cr
from chainrule.errors import ChannelOrderWarning


def small(**options) -> cr.Sequential:
    layers = [cr.Conv2D(4, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    return cr.Sequential(layers, input_shape=(1, 8, 8), **{"engine": "numpy", **options})


def test_notebook_views_are_tables() -> None:
    model = small(name="<b>model</b>")
    assert "&lt;b&gt;" in model._repr_html_()
    assert "Conv2D(4, 3)" in model._repr_html_()


@pytest.mark.parametrize("package", ["chainrule", "chainrule.data", "chainrule.plotting"])
def test_import_is_light(package: str) -> None:
    heavy = ("jax", "matplotlib", "PIL", "rich", "click", "ssl", "http", "tarfile", "platformdirs")
    code = f"import sys, {package}; print([name for name in {heavy} if name in sys.modules])"
    assert python("-c", code).stdout == "[]\n"


def test_every_public_name_can_be_had_and_is_documented() -> None:
    for name in cr.__all__:
        thing = getattr(cr, name)
        assert name == "__version__" or thing.__doc__, name
    for name in cr.data.__all__:
        assert getattr(cr.data, name).__doc__, name
        assert name in dir(cr.data)
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = cr.nothing_like_this


@pytest.mark.parametrize(
    ("last", "loss"),
    [
        ([cr.Dense(3), cr.Softmax()], "categorical_cross_entropy"),
        ([cr.Dense(3)], "softmax_cross_entropy"),
        ([cr.Dense(3), cr.BatchNorm1D()], "softmax_cross_entropy"),
        ([cr.Dense(3), cr.Sigmoid()], "binary_cross_entropy"),
        ([cr.Dense(1), cr.Sigmoid()], "binary_cross_entropy"),
        ([cr.Dense(1)], "mean_squared_error"),
    ],
)
def test_a_model_for_which_no_loss_is_chosen_has_one_that_it_can_be_trained_with(last: list[Any], loss: str) -> None:
    model = cr.Sequential([cr.Flatten(), *last], (1, 8, 8), engine="numpy")
    x, y = stripes(12)
    model.fit(x, y if model.output_shape[-1] > 1 else np.where(y == 1, 1, 0), epochs=1, progress=False)
    assert model.loss == loss


def test_channels_that_seem_last_are_reported_once(tmp_path: Path) -> None:
    layers = [cr.Conv2D(4, 1), cr.GlobalAveragePool2D(), cr.Dense(3), cr.Softmax()]
    with pytest.warns(ChannelOrderWarning, match="channels are last"):
        model = cr.Sequential(layers, (8, 8, 1), engine="numpy")
    model.save(tmp_path / "model.safetensors")  # warnings are errors
    assert cr.load(tmp_path / "model.safetensors", engine="numpy").input_shape == (8, 8, 1)
    assert cr.Sequential.from_about(model.about(), engine="numpy").summary() == model.summary()


def test_a_summary_has_the_input_the_layers_and_their_sum() -> None:
    chain = cr.Sequential([cr.Conv2D(3, 2), cr.Flatten(), cr.Dense(4)], (2, 6, 5), engine="numpy")
    for model in (chain, several.model()):
        summary = model.summary()
        _, first, *rows, last = (line.split() for line in summary.split("\n\n")[0].splitlines() if line.strip())
        assert first[0] == "input"
        assert len(first) == 2
        assert [row[0] for row in rows] == [*model.names]
        sizes = [int(row[-1].replace(",", "")) for row in rows]
        assert last == [f"{sum(sizes):,}"]
        assert sum(sizes) == model.parameters.size
