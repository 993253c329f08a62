"""Pretrained networks, and the endings of named networks for other tasks."""

from pathlib import Path
from typing import Any

import pytest
from numpy.testing import assert_array_equal
from training.made import stripes

import chainrule as cr
from chainrule import zoo
from chainrule.errors import OptionError, ShapeError
from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, REGRESSION
from chainrule.zoo import network_files

RECIPE = cr.Recipe(epochs=2, batch_size=32, validation=0.1, seed=4, normalization="standardize")


def dense(classes: int) -> list[Any]:
    return [cr.Flatten(), cr.Dense(classes), cr.Softmax()]


ENDINGS = {CLASSIFICATION: "Softmax", BINARY: "Sigmoid", MULTI_LABEL: "Sigmoid", REGRESSION: None}


@pytest.mark.parametrize("name", ["numpy-cnn", "mlp", "unet-small", "resnet-8"])
@pytest.mark.parametrize("task", ENDINGS)
def test_the_last_activation_is_that_of_the_task(name: str, task: Any) -> None:
    entry = zoo.find(name)
    shape = (entry.image_shape[0], 32, 32)
    model = entry.build(shape, ("a", "b", "c"), task=task, engine="numpy")
    usual = entry.build(shape, ("a", "b", "c"), engine="numpy")
    ending = type(model.layers[-1]).__name__
    assert ending == (ENDINGS[task] or type(usual.layers[-2]).__name__)
    assert model.parameters.size == usual.parameters.size
    assert (model.output_shape[0], model.classes, model.name) == (3, ("a", "b", "c"), name)
    assert entry.build(engine="numpy").input_shape == entry.image_shape
    entry.check(engine="numpy")


@pytest.mark.parametrize("form", ["file", "run"])
def test_a_pretrained_network_is_the_one_in_its_file(form: str, tmp_path: Path) -> None:
    x, y = stripes(60)
    model = cr.Sequential(dense(3), (1, 8, 8), engine="numpy", dtype="float64", classes=("a", "b", "c"), name="mine")
    if form == "file":
        model.fit(x, y, epochs=1, normalization="scale", progress=False)
        path = tmp_path / "mine.safetensors"
        model.save(path)
    else:
        path = tmp_path / "run"
        model.fit(x, y, epochs=1, normalization="scale", run=cr.Run(path, plots=False), progress=False)
    entry = network_files.find_pretrained(path)
    assert (entry.name, entry.source, entry.outputs) == ("mine", str(path), ("a", "b", "c"))
    assert (entry.input_shape, entry.recipe.loss, entry.recipe.normalization) == ((1, 8, 8), model.loss, "scale")
    for classes, shape in ((None, None), (("a", "b", "c"), (1, 8, 8))):
        twin = entry.build(shape, classes, engine="numpy", threads=1, precise=True)
        assert_array_equal(twin.predict(x), model.predict(x))
        assert (twin.engine.name, twin.threads, twin.precise) == ("numpy", 1, True)
    other = entry.build(classes=("x", "y"), engine="numpy", seed=5)
    assert (other.output_shape, other.classes) == ((2,), ("x", "y"))
    assert_array_equal(other.parameters, model.with_classes(("x", "y"), seed=5).parameters)
    with pytest.raises(OptionError, match="float32"):
        entry.build(dtype="float32", engine="numpy")
    with pytest.raises(ShapeError, match="1×8×8"):
        entry.build((3, 8, 8), engine="numpy")
