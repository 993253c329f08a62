"""Exports contain the normalization, and a sentence about the range or the statistics of the training data."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from interop.onnx_models import theirs
from numerical import assert_close
from numpy.typing import NDArray

import chainrule as cr
from chainrule.data.normalization import Normalization
from chainrule.interop.c import placeholders, projects, write_c
from chainrule.interop.c.networks import ExportedNetwork
from chainrule.models.model import Model

DRAW = np.random.default_rng(0)
BYTES = DRAW.integers(0, 256, (40, 2, 5, 5)).astype(np.uint8)
DATA: list[NDArray[Any]] = [BYTES, BYTES / 255, DRAW.normal(size=BYTES.shape), 3.0 * BYTES - 9, BYTES * 64.25]


def normalized(normalization: Normalization) -> Model:
    layers = (cr.Conv2D(3, 3), cr.Flatten(), cr.Dense(2))
    return cr.Sequential(layers, (2, 5, 5), normalization=normalization, engine="numpy")


@pytest.mark.parametrize("x", DATA)
@pytest.mark.parametrize("kind", ["scale", "standardize", "none"])
def test_the_sentence_is_true_and_part_of_all_exports(kind: str, x: NDArray[Any], tmp_path: Path) -> None:
    normalization = Normalization.fit(kind, x)
    model = normalized(normalization)
    sentence = model.normalization.unit
    numbers = [float(number) for number in re.findall(r"-?[\d.]+(?:e[+-]\d+)?", sentence)]
    axes = (0, 2, 3) if isinstance(normalization.gain, tuple) else None
    statistics = [*np.ravel([x.mean(axes), x.std(axes)])] if kind == "standardize" else []
    expected = [0, 255] if x.dtype == np.uint8 else [x.min(), x.max(), *statistics]
    assert len(numbers) == len(expected)
    assert_close(numbers, expected, error=2e-3)
    assert ("bytes" in sentence) == (x.dtype == np.uint8)
    values = placeholders.of_network(ExportedNetwork(model, model.plan()), "network") | {"classes": ""}
    cr.export_onnx(model, tmp_path / "model.onnx")
    content = (tmp_path / "model.onnx").read_bytes()
    cr.export_onnx(model, tmp_path / "raw.onnx", raw_input=True)
    raw, images = (tmp_path / "raw.onnx").read_bytes(), x.astype(np.float32)
    for outputs in (theirs(content, images), theirs(raw, normalization.apply(x))):
        assert_close(outputs, model.predict(x))
    assert not {"Sub", "Mul", "Add"} & {node.op_type for node in onnx.ModelProto.FromString(raw).graph.node}
    metadata = onnx.ModelProto.FromString(content).metadata_props
    assert sentence in str(write_c(model, tmp_path))
    assert sentence in (tmp_path / "network.h").read_text()
    assert sentence in projects.template("wasm.js").substitute(values)
    assert {pair.key: pair.value for pair in metadata}["input"] == sentence
    imported = cr.load(tmp_path / "model.onnx").normalization.unit
    assert "first layer" in imported or imported == sentence


def test_each_of_several_inputs_has_its_sentence() -> None:
    a, b = cr.Input((3,), name="a"), cr.Input((2,), name="b")
    model = cr.Graph([a, b], cr.Dense(2)(cr.Concatenate()(a, b)), engine="numpy")
    model.fit({"a": 5 * DRAW.random((9, 3)) - 1, "b": DRAW.random((9, 2))}, np.arange(9) % 2, epochs=1, progress=False)
    assert re.fullmatch(r"a: .+; b: .+", model.normalization.unit)
