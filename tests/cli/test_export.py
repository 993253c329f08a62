"""`chainrule export --onnx`: from run folders, model files and imported files; and the page of all exports."""

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from cli.commands import Invoke, bars, succeeded
from docs.pages import FENCE, text
from interop.onnx_models import theirs
from numerical import assert_close
from PIL import Image

import chainrule as cr
from chainrule.runs.folder import CONFIG, HISTORY, MODEL


def metadata(file: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(file).metadata_props}


def test_a_run_is_exported_with_its_normalization_and_facts(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    result = invoke("export --onnx m.onnx", finished)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("m.onnx: x N×1×28×28 (bytes from 0 to 255, as floats), y N×10, opset 13, ")
    actual, config = metadata(tmp_path / "m.onnx"), json.loads((finished / CONFIG).read_text(encoding="utf-8"))
    evaluation = json.loads((finished / "evaluation.json").read_text(encoding="utf-8"))
    facts = {"seed": config["recipe"]["seed"], "epochs": 4, "batch_size": config["recipe"]["batch_size"]}
    facts |= {"steps": len((finished / HISTORY).read_text(encoding="utf-8").splitlines()) - 1}
    facts |= {"data": config["data"]["name"], "test_accuracy": evaluation["accuracy"]}
    assert actual.items() >= {name: str(fact) for name, fact in facts.items()}.items()


def test_model_files_and_unfinished_runs(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    """Export the file of a run like the run, files without one, weights changed since, and an unfinished run."""
    Path("alone").mkdir()
    shutil.copy(finished / MODEL, tmp_path / "alone" / MODEL)
    for name, source in (("a", finished), ("b", finished / MODEL), ("c", tmp_path / "alone"), ("d", "c.onnx")):
        succeeded(invoke("export", source, "--onnx", f"{name}.onnx"))
    contents = [Path(f"{name}.onnx").read_bytes() for name in "abcd"]
    assert contents[0] == contents[1]
    model, x = cr.load(finished), bars(5)[0][:, None]
    for content in contents:
        assert_close(theirs(content, x.astype(np.float32)), model.predict(x))
    assert "seed" not in metadata(tmp_path / "c.onnx")
    model.parameters += 1
    model.save(finished / "other.safetensors")
    succeeded(invoke("export --onnx other.onnx", finished / "other.safetensors"))
    for name in (MODEL, "evaluation.json"):
        (finished / name).unlink()
    assert "these are the weights of" in invoke("export --onnx unfinished.onnx", finished).stderr
    for name in ("other", "unfinished"):  # the accuracy is that of other weights
        assert "seed" in metadata(tmp_path / f"{name}.onnx")
        assert "test_accuracy" not in metadata(tmp_path / f"{name}.onnx")


PAGE = text("docs/deploying.md")


def test_the_commands_and_examples_of_the_page_run(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    """In their order, with a trained run and a network of signals, and with the compilers that are installed."""
    shutil.copytree(finished, tmp_path / "runs" / "mine")
    cr.Sequential([cr.Conv1D(3, 4), cr.ReLU(), cr.Flatten(), cr.Dense(2)], (2, 9)).save("runs/sensor.safetensors")
    Image.fromarray(np.pad(np.full((45, 7), 30, np.uint8), 20, constant_values=230)).save("photo.jpg")
    names, has_compiler = dict[str, Any](), shutil.which("make") and shutil.which("gcc")
    for language, block in FENCE.findall(PAGE):
        if language == "python":
            exec(block, names)
        for line in block.splitlines() if not language else ():
            words = shlex.split(line, comments=True)
            if words[0] == "chainrule" and ("--wasm" not in words or importlib.util.find_spec("ziglang")):
                succeeded(invoke(*words[1:]))
            elif words[0] in ("make", "mine-c/example") and has_compiler:
                done = subprocess.run(["env", "CFLAGS=-O1", *words], capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
    assert names["outputs"].shape == (2, 10)
    assert metadata(tmp_path / "python.onnx")["author"] == "me"
    documented = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert {*metadata(tmp_path / "mine.onnx")} <= documented
    assert not has_compiler or Path("mine-c/example").is_file()
