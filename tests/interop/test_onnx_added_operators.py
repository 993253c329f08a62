"""Operators that are added by installed packages."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import chainrule as cr
from chainrule._io import extensions
from chainrule.errors import FormatError, OptionError
from chainrule.interop.onnx import operators

MODULE = '''
from chainrule.interop.onnx.operators.operator import Operator


class Cube:
    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dy):
        return 3 * self.x**2 * dy


def read_cube(call):
    """Return Multiply."""
    x = call.feature()
    return call.layer("Multiply", x, x, x)


def write_cube(graph, operation):
    """Return Cube of the domain com.example."""
    return graph.node("Cube", graph.stored(operation.reads[0]), domain="com.example")


CUBE = Operator("Cube", read_cube, {"Cube.forward": write_cube}, domains=("com.example",))
RELU = Operator("Relu", lambda call: call.layer("Tanh", call.feature()))
'''
POINTS = """[chainrule.onnx_operators]
Cube = cubes_for_chainrule:CUBE
Relu = cubes_for_chainrule:RELU
"""
BROKEN = "[chainrule.onnx_operators]\nOther = cubes_for_chainrule:CUBE\nMissing = cubes_for_chainrule:missing\n"
DRAW = np.random.default_rng(0)


def install(folder: Path, package: str, points: str) -> None:
    """Write the metadata that pip leaves of an installed package."""
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(points)
    extensions.declared.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install a package, and return its module."""
    install(tmp_path, "cubes", POINTS)
    (tmp_path / "cubes_for_chainrule.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    extensions.declared.cache_clear()
    yield importlib.import_module("cubes_for_chainrule")
    del sys.modules["cubes_for_chainrule"]
    extensions.declared.cache_clear()


def test_an_operator_of_another_package_is_exported_and_imported(package: Any, tmp_path: Path) -> None:
    model = cr.Sequential([cr.Dense(3), package.Cube(), cr.ReLU()], (4,), engine="numpy", seed=1)
    cr.export_onnx(model, tmp_path / "m.onnx")
    message = onnx.load(str(tmp_path / "m.onnx"))
    onnx.checker.check_model(message)
    assert [(node.op_type, node.domain) for node in message.graph.node][1] == ("Cube", "com.example")
    assert {entry.domain for entry in message.opset_import} == {"", "com.example"}
    x = DRAW.normal(size=(5, 4)).astype(np.float32)
    loaded = cr.load(tmp_path / "m.onnx", engine="numpy")
    np.testing.assert_allclose(loaded.predict(x), model.predict(x), rtol=1e-6)
    assert ("Cube", "Multiply", "Cube.forward") in operators.described()


def test_an_operator_of_chainrule_is_not_replaced(package: Any, tmp_path: Path) -> None:
    model = cr.Sequential([cr.Dense(3), cr.ReLU()], (4,), engine="numpy")
    cr.export_onnx(model, tmp_path / "m.onnx")
    assert cr.load(tmp_path / "m.onnx", engine="numpy").names == model.names


def test_without_the_package_the_file_and_the_layer_are_refused(package: Any, tmp_path: Path) -> None:
    model = cr.Sequential([package.Cube()], (4,), engine="numpy")
    cr.export_onnx(model, tmp_path / "m.onnx")
    sys.path.remove(str(tmp_path))
    extensions.declared.cache_clear()
    with pytest.raises(FormatError, match=r"Cube .*com\.example"):
        cr.load(tmp_path / "m.onnx")
    with pytest.raises(OptionError, match="Cube is a custom layer"):
        cr.export_onnx(model, tmp_path / "m.onnx")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("name", ["Other", "Missing"])
def test_a_broken_package_is_named(name: str, tmp_path: Path) -> None:
    """It declares another operator under the name, or what its module does not have."""
    install(tmp_path, "broken", BROKEN)
    node = onnx.helper.make_node(name, ["x"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(value, 1, ["N", 4]) for value in "xy")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y])), str(tmp_path / "m.onnx"))
    with pytest.raises(OptionError, match=name):
        cr.load(tmp_path / "m.onnx")
