"""Networks in Python files; every error is one line that names the place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.errors import ChainruleError
from chainrule.zoo import network_files

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


def written(folder: Path, content: str, name: str) -> str:
    path = folder / name
    path.write_text(content)
    return str(path)


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
    refused("nets/mine.toml", "mine.py with a list of layers")
    with pytest.raises(ChainruleError, match="input is 1×5×6, but the images are 3×4×4"):
        entry.build((3, 4, 4), engine="numpy")


def refused(name: str, said: str) -> None:
    with pytest.raises(ChainruleError) as caught:
        network_files.find(name).build(engine="numpy")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


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
