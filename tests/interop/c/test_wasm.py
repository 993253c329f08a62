"""WebAssembly of a network computes what the model computes; needs the package ziglang, and Node."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from interop.c.compiled import needs
from numerical import assert_close

import chainrule as cr
from chainrule.interop.c import Quantized
from chainrule.interop.c.wasm import write_wasm
from chainrule.models.model import Model

CALL = """
import { readFileSync } from "node:fs";
import { load, classes } from "./network.mjs";
const predict = await load(readFileSync("network.wasm"));
const images = JSON.parse(readFileSync("images.json"));
console.log(JSON.stringify({ classes, outputs: images.map((each) => [...predict(each)]) }));
"""


def model() -> Model:
    layers = (cr.Conv2D(9, 3, padding="same"), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(3), cr.Softmax())
    classes = ["</script><!--", "\u2028`${ä}", '*/ "\\\n']
    return cr.Sequential(layers, (2, 7, 8), classes=classes, engine="numpy", seed=2)


@needs("node")
@pytest.mark.parametrize("is_quantized", [False, True])
def test_the_module_computes_what_the_model_computes(tmp_path: Path, is_quantized: bool) -> None:
    pytest.importorskip("ziglang")
    given = model()
    x = np.random.default_rng(1).normal(size=(3, *given.input_shape)).astype("f4")
    quantized = Quantized(given, x) if is_quantized else None
    wasm, script, _ = write_wasm(given, tmp_path / "network.wasm", int8=quantized)
    script.rename(tmp_path / "network.mjs")
    (tmp_path / "images.json").write_text(json.dumps(x.reshape(3, -1).tolist()))
    (tmp_path / "call.mjs").write_text(CALL)
    done = subprocess.run(["node", "call.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    actual = json.loads(done.stdout)
    assert_close(actual["outputs"], (quantized or given).predict(x))
    assert actual["classes"] == list(given.classes)
    assert wasm.stat().st_size < 100_000
