"""Networks in files: Python, TOML and JSON; every error is one line that names the place."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docs.pages import fences
from numpy.testing import assert_array_equal
from proving import configurations

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.zoo import network_files

LAYERS = ["Conv2D(4, 3)", "ReLU()", "Flatten()", "Dense(classes)", "Softmax()"]
BUILT = [cr.Conv2D(4, 3), cr.ReLU(), cr.Flatten(), cr.Dense(10), cr.Softmax()]
PYTHON = """
import chainrule as cr
from chainrule import Sequential

def deep(classes, input_shape):
    assert input_shape[0] in (1, 3)
    return [cr.Flatten(), cr.Dense(classes), cr.Softmax()]

def flat():
    return [cr.Flatten(), cr.Dense(10)]

def broken():
    return [][1]

def nothing():
    return 3

def whole(classes, input_shape):
    return Sequential(deep(classes, input_shape), input_shape)

several = [cr.Flatten(), cr.Dense(10), cr.Sigmoid()]
model = Sequential(several, (1, 5, 6), dtype="float64", loss="half_squared_error")
number = 3
"""


def written(folder: Path, content: Any, name: str = "mine.json") -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_the_same_network_in_every_form(tmp_path: Path) -> None:
    tables = [layer.to_config() for layer in BUILT]
    toml = 'layers = ["Conv2D(4, 3)", "ReLU()", "Flatten()", {layer = "Dense", features = "classes"}, "Softmax()"]'
    forms = [
        written(tmp_path, {"layers": LAYERS}, "a.json"),
        written(tmp_path, LAYERS, "b.json"),
        written(tmp_path, {"layers": tables}, "c.json"),
        written(tmp_path, toml, "d.toml"),
        written(tmp_path, f"import chainrule as cr\nlayers = [{', '.join(f'cr.{layer}' for layer in LAYERS)}]".replace(
            "classes", "10"), "e.py"),
    ]  # fmt: skip
    for form in forms:
        assert list(network_files.find(form).build(engine="numpy").layers) == BUILT, form


def test_any_layer_survives_being_written(tmp_path: Path) -> None:
    """Write drawn layers of every kind as tables of options and as expressions."""
    drawn = [configurations.draw(3, number).layer for number in range(60)]
    assert len({type(layer) for layer in drawn}) > 12
    for layer in drawn:
        path = written(tmp_path, [layer.to_config(), layer.describe(), "Dense(10)"])
        assert list(network_files.find(path).make(10, (1, 28, 28))[:2]) == [layer, layer]


def test_python_files(tmp_path: Path) -> None:
    path = written(tmp_path, PYTHON, "mine.py")
    assert network_files.find(f"{path}:deep").build((3, 4, 4), ("a", "b"), engine="numpy").output_shape == (2,)
    assert network_files.find(f"{path}:whole").build((3, 5, 4), ("a", "b"), engine="numpy").input_shape == (3, 5, 4)
    assert network_files.find(f"{path}:deep").recipe.loss == "categorical_cross_entropy"
    assert network_files.find(f"{path}:flat").recipe.loss == "softmax_cross_entropy"
    assert network_files.find(f"{path}:several").recipe.loss == "binary_cross_entropy"
    entry = network_files.find(f"{path}:model")
    assert (entry.recipe.loss, entry.dtype, entry.input_shape) == ("half_squared_error", "float64", (1, 5, 6))
    assert str(entry.build(engine="numpy").dtype) == "float64"
    for name, said in {
        "": "expected one network",
        ":broken": "broken: IndexError: list index out of range (line 13)",
        ":nothing": "nothing is int; expected a model or a list of layers",
        ":number": "number is int",
        ":missing": "mine.py has no missing",
    }.items():
        refused(path + name, said)
    refused(str(tmp_path / "none.py"), "no such file")
    refused(written(tmp_path, "x = 1/0", "bad.py"), "ZeroDivisionError: division by zero (line 1)")
    refused(written(tmp_path, "x = (", "bad.py"), "SyntaxError")


def refused(name: str, said: str) -> None:
    with pytest.raises(ChainruleError) as caught:
        network_files.find(name).build(engine="numpy")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("{}", "expected layers"),
        ([], "expected layers"),
        ({"layers": LAYERS, "colour": 1}, "unknown entry 'colour'"),
        ([*LAYERS[:2], "Conv3D(4)"], "layer 3: unknown layer 'Conv3D'"),
        ([*LAYERS[:2], "ReLu()"], "did you mean ReLU"),
        ([*LAYERS[:2], 7], "layer 3 is '7'"),
        (["Conv2D(4, 3, stride=__import__('os').getpid())"], "layer 1"),
        ([{"layer": "Conv2D", "filters": 4, "kernel": 3, "colour": 1}], "layer 1: Conv2D has no option colour"),
        (["Conv2D(4, 99)", "Flatten()", "Dense(classes)"], "kernel 99×99"),
        ({"layers": LAYERS, "recipe": {"epochs": 0}}, "recipe: epochs 0"),
        ({"layers": LAYERS, "recipe": {"learning_rate": "fast"}}, "recipe: Adam: learning_rate 'fast'"),
        ({"layers": LAYERS, "recipe": {"colour": 1}}, "recipe: unknown entry 'colour'"),
        ({"layers": LAYERS, "recipe": 3}, "recipe is '3'"),
        ({"layers": LAYERS, "input_shape": "big"}, "input_shape is 'big'"),
        ({"layers": LAYERS, "dtype": "int8"}, "unknown dtype 'int8'"),
        ("[" * 100_000, "32"),
    ],
)
def test_wrong_entries_are_named(tmp_path: Path, content: Any, said: str) -> None:
    refused(written(tmp_path, content), said)


def test_another_shape_than_the_datas(tmp_path: Path) -> None:
    path = written(tmp_path, {"layers": LAYERS, "input_shape": [1, 9, 9]})
    with pytest.raises(ChainruleError, match="input is 1×9×9, but the images are 3×4×4"):
        network_files.find(path).build((3, 4, 4), engine="numpy")


def test_the_example_of_the_page(tmp_path: Path) -> None:
    entry = network_files.find(written(tmp_path, fences("docs/runs.md", "toml")[0], "mine.toml"))
    assert entry.build((3, 32, 32), ("cat", "dog"), engine="numpy").output_shape == (2,)
    assert (entry.recipe.epochs, entry.recipe.validation, entry.recipe.schedule.name) == (5, 0.1, "one-cycle")


@pytest.mark.parametrize(
    ("name", "is_file"),
    [("a.py", True), ("a.py:net", True), ("b/a.toml", True), ("a.json", True), ("mlp", False), ("a.onnx", False)],
)
def test_names_of_files_are_told_from_those_of_networks(name: str, is_file: bool) -> None:
    assert network_files.is_file(name) == is_file


BRANCHES = """
import chainrule as cr

x = cr.Input((1, 4, 5))
hidden = cr.Tanh()(cr.Dense(6)(cr.Flatten()(x)))
model = cr.Graph(x, cr.Sigmoid()(cr.Dense(1)(cr.Add()(hidden, cr.Dense(6)(hidden)))), seed=3, engine="numpy")
"""


def test_a_network_that_branches_keeps_its_branches(tmp_path: Path) -> None:
    """One output of yes or no has two classes."""
    names: dict[str, Any] = {}
    exec(BRANCHES, names)
    x = np.random.default_rng(0).normal(size=(3, 1, 4, 5))
    entry = network_files.find(written(tmp_path, BRANCHES, "branches.py"))
    for classes in (("no", "yes"), None):
        built = entry.build(classes=classes, seed=3, engine="numpy")
        assert_array_equal(built.predict(x), names["model"].predict(x))
        assert len(built.classes) == 2
    entry.check(engine="numpy")
    assert entry.recipe.loss == names["model"].loss
    with pytest.raises(ChainruleError, match="3 classes"):
        entry.build(classes=("a", "b", "c"), engine="numpy")
