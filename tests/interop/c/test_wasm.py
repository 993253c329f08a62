"""WebAssembly of a network computes what the model computes; needs the package ziglang, and Node."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from interop.c.compiled import needs, of_integers
from numerical import assert_close

from chainrule.interop.c import Quantized
from chainrule.interop.c.wasm import write_wasm

CLASSES = ["</script><!--", "\u2028`${ä}", '*/ "\\\n']
CALL = """
import { readFileSync } from "node:fs";
import { load, classes } from "./network.mjs";
const predict = await load(readFileSync("network.wasm"));
const images = JSON.parse(readFileSync("images.json"));
console.log(JSON.stringify({ classes, outputs: images.map((each) => [...predict(each)]) }));
"""


@needs("node")
@pytest.mark.parametrize("is_quantized", [False, True])
def test_the_module_computes_what_the_model_computes(tmp_path: Path, is_quantized: bool) -> None:
    pytest.importorskip("ziglang")
    model = of_integers(classes=CLASSES)
    x = np.random.default_rng(1).normal(size=(3, *model.input_shape)).astype("f4")
    quantized = Quantized(model, x) if is_quantized else None
    wasm, script, _ = write_wasm(model, tmp_path / "network.wasm", int8=quantized)
    script.rename(tmp_path / "network.mjs")
    (tmp_path / "images.json").write_text(json.dumps(x.reshape(3, -1).tolist()))
    (tmp_path / "call.mjs").write_text(CALL)
    done = subprocess.run(["node", "call.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    actual = json.loads(done.stdout)
    assert_close(actual["outputs"], (quantized or model).predict(x))
    assert actual["classes"] == list(model.classes)
    assert wasm.stat().st_size < 100_000
