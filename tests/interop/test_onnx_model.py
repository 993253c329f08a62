"""Exported models: the networks of the zoo, normalization, metadata, opsets, dtypes, and what cannot be written."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from interop.onnx_files import TOLERANCE, agree, check, difference, exported
from interop.onnx_models import theirs
from numpy.testing import assert_array_equal
from onnx import helper

import chainrule as cr
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError, RunError
from chainrule.interop.onnx import exporter as onnx_model
from chainrule.models.model import Model, connect

QUICK = ("numpy-cnn", "unet-small", "resnet-8", "mobilenet-small")
RNG = np.random.default_rng(5)


def written(model: Model, folder: Path, **options: Any) -> bytes:
    """Return the bytes of an exported model."""
    cr.export_onnx(model, folder / "m.onnx", **options)
    content = (folder / "m.onnx").read_bytes()
    check(content)
    return content


def metadata(content: bytes) -> dict[str, str]:
    return {each.key: each.value for each in onnx.ModelProto.FromString(content).metadata_props}


def settle(model: Model, x: Any) -> None:
    """Give batch normalizations the running statistics of a batch, as training would: others let values explode."""
    layers = [replace(each, momentum=1.0) if isinstance(each, cr.BatchNorm2D) else each for each in model.layers]
    twin = connect(layers, model.input_shape, model.wiring, engine="numpy", loss=model.loss)
    twin.set_weights(model.weights)
    run = twin.compile(twin.plan(model.loss))
    run.forward(x, np.zeros((len(x), *model.output_shape), np.float32))
    run.commit_statistics()
    model.set_weights(twin.weights)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.thorough) if name not in QUICK else name for name in cr.zoo.NAMED]
)
def test_networks_of_the_zoo(name: str) -> None:
    model = cr.zoo.find(name).build(engine="numpy", seed=3)
    x = np.random.default_rng(4).normal(size=(4, *model.input_shape)).astype(np.float32)
    if model.statistics.size:
        settle(model, x)
    agree(model, x[:2])


@pytest.mark.parametrize("kind", ["scale", "standardize", "none"])
@pytest.mark.parametrize("units", ["bytes", "shares", "numbers"])
def test_the_normalization_is_part_of_the_file(kind: str, units: str, tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (5, 2, 6, 7)).astype(np.uint8)
    x = {"bytes": x, "shares": x.astype(np.float32) / 255, "numbers": 3.0 * x.astype(np.float32)}[units]
    model = cr.Sequential([cr.Conv2D(3, 3), cr.Flatten(), cr.Dense(4)], (2, 6, 7), engine="numpy")
    model.normalization = Normalization.fit(kind, x)
    given, content = x.astype(np.float32), written(model, tmp_path)
    assert difference(theirs(content, given), model.predict(x)) <= TOLERANCE
    assert ("bytes from 0 to 255" in metadata(content)["input"]) == (units == "bytes")
    raw = written(model, tmp_path, raw_input=True)
    assert difference(theirs(raw, model.normalization.apply(x)), model.predict(x)) <= TOLERANCE
    operators = [node.op_type for node in onnx.ModelProto.FromString(raw).graph.node]
    assert not {"Mul", "Add"} & {*operators}


def test_names_and_facts_are_in_the_metadata(tmp_path: Path) -> None:
    names = ["cat", "dög", 'a "bird"']
    model = cr.Sequential([cr.Dense(3), cr.Softmax()], (4,), classes=names, engine="numpy", name="pets")
    content = written(model, tmp_path, facts={"accuracy": "0.5", "data": "\ud800 line\nbreak"})
    actual = metadata(content)
    assert json.loads(actual["classes"]) == names
    assert Normalization.from_config(json.loads(actual["normalization"])) == model.normalization
    assert (actual["accuracy"], actual["data"]) == ("0.5", r"\ud800 line\nbreak")
    assert actual["output"] == "probabilities"
    message = onnx.ModelProto.FromString(content)
    assert (message.producer_name, message.producer_version) == ("chainrule", cr.__version__)
    assert message.graph.name == "pets"
    (x,), (y,) = message.graph.input, message.graph.output
    assert [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] == ["N", 4]
    assert [d.dim_param or d.dim_value for d in y.type.tensor_type.shape.dim] == ["N", 3]
    assert (x.name, y.name) == ("x", "y")


def test_equal_models_give_equal_files(tmp_path: Path) -> None:
    model = cr.zoo.find("numpy-cnn").build(engine="numpy")
    assert written(model, tmp_path) == written(cr.zoo.find("numpy-cnn").build(engine="numpy"), tmp_path)


@pytest.mark.parametrize("opset", range(13, 29))
def test_every_opset_has_the_version_of_the_format_that_came_with_it(opset: int) -> None:
    """A file of a newer format could not be read by the software that the opset is for."""
    layers = [cr.Conv2D(2, 3), cr.Pad2D(1), cr.UpSample2D(), cr.BatchNorm2D(), cr.Clip(0, 6), cr.Flatten(), cr.Dense(2)]
    model = cr.Sequential([*layers, cr.Softmax()], (1, 6, 6), engine="numpy")
    message = check(exported(model, opset=opset))
    least = min(row[1] for row in helper.VERSION_TABLE if row[2] == opset)
    assert (message.opset_import[0].version, message.ir_version) == (opset, least)


@pytest.mark.parametrize("opset", [0, 12, 29, -1])
def test_other_opsets_are_refused(opset: int) -> None:
    with pytest.raises(OptionError, match=f"opset {opset}: expected a whole number from 13 to 28"):
        exported(cr.Sequential([cr.Dense(1)], (2,), engine="numpy"), opset=opset)


def test_a_network_that_only_hands_on_its_input() -> None:
    model = cr.Sequential([cr.Dropout(0.5)], (3,), engine="numpy")
    x = RNG.normal(size=(2, 3)).astype(np.float32)
    assert_array_equal(theirs(exported(model), x), x)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = cr.Sequential([cr.Dense(1)], (2,), engine="numpy")
    (tmp_path / "m.onnx").write_bytes(b"old")
    with pytest.raises(RunError, match="cannot write"):
        cr.export_onnx(model, tmp_path / "none" / "m.onnx")
    monkeypatch.setattr(onnx_model, "MAX_BYTES", 100)
    with pytest.raises(OptionError, match=r"m\.onnx: .* less than 100"):
        cr.export_onnx(model, tmp_path / "m.onnx")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
