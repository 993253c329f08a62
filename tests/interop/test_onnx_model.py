"""Exported models: metadata, opsets, and what cannot be written."""

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from interop.onnx_files import check, exported
from onnx import helper
from training.made import Doubled

import chainrule as cr
from chainrule.errors import OptionError, RunError
from chainrule.interop.onnx import exporter as onnx_model
from chainrule.models.model import Model


def written(model: Model, folder: Path, **options: Any) -> bytes:
    """Return the bytes of an exported model."""
    cr.export_onnx(model, folder / "m.onnx", **options)
    content = (folder / "m.onnx").read_bytes()
    check(content)
    return content


def test_names_and_facts_are_in_the_metadata(tmp_path: Path) -> None:
    names = ["cat", "dög", 'a "bird"']
    model = cr.Sequential([cr.Dense(3), cr.Softmax()], (4,), classes=names, engine="numpy", name="pets")
    content = written(model, tmp_path, facts={"accuracy": "0.5", "data": "\ud800 line\nbreak"})
    message = onnx.ModelProto.FromString(content)
    actual = {pair.key: pair.value for pair in message.metadata_props}
    assert json.loads(actual["classes"]) == names
    assert (actual["accuracy"], actual["data"]) == ("0.5", r"\ud800 line\nbreak")
    assert actual["output"] == "probabilities"
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
    message = check(exported(cr.Sequential([cr.Dense(2)], (3,), engine="numpy"), opset=opset))
    least = min(row[1] for row in helper.VERSION_TABLE if row[2] == opset)
    assert (message.opset_import[0].version, message.ir_version) == (opset, least)


REFUSED: list[tuple[Any, int | None, str]] = [
    *((cr.Dense(1), opset, f"opset {opset}: expected a whole number from 13 to 28") for opset in (0, 12, 29, -1)),
    (cr.HardSwish(), 13, "hard_swish1: HardSwish .* since opset 14"),
    (Doubled(), None, "layer 'student1'.* Doubled"),
]


@pytest.mark.parametrize(("layer", "opset", "text"), REFUSED)
def test_networks_that_cannot_be_written(layer: Any, opset: int | None, text: str) -> None:
    with pytest.raises(OptionError, match=text) as refused:
        exported(cr.Sequential([cr.Dense(2), layer], (3,), engine="numpy"), opset=opset)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = cr.Sequential([cr.Dense(1)], (2,), engine="numpy")
    (tmp_path / "m.onnx").write_bytes(b"old")
    with pytest.raises(RunError, match="cannot write"):
        cr.export_onnx(model, tmp_path / "none" / "m.onnx")
    monkeypatch.setattr(onnx_model, "MAX_BYTES", 100)
    with pytest.raises(OptionError, match=r"m\.onnx: .* less than 100"):
        cr.export_onnx(model, tmp_path / "m.onnx")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
