"""`chainrule export RUN --c`, `--int8`, `--wasm`."""

import importlib.util
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cli.commands import Invoke, refused
from PIL import Image

import chainrule as cr


def test_c_files_are_written_with_their_sizes_and_accuracy(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    for options, printed, function in (
        ("", r"network\.c, .*; bytes: constants [\d,]+, arena [\d,]+, input 3,136, outputs 40$", "_run("),
        ("--train", r"parameters [\d,]+, gradients [\d,]+, activations [\d,]+", "_step("),
        ("--int8", r"accuracy on digits(?:\.npz)?: ([\d.]+) %.*, ([\d.]+) %", "_run("),
    ):
        done = invoke(f"export --c out {options}", finished)
        assert done.exit_code == 0, done.stderr
        said = re.search(printed, done.stdout.strip())
        assert said
        assert function in (tmp_path / "out" / "network.h").read_text()
    assert abs(float(said[1]) - float(said[2])) < 5
    cr.Sequential([cr.Dense(2)], (3,), engine="numpy").save(tmp_path / "other.safetensors")
    refused(invoke("export other.safetensors --c out"), "--name")
    assert invoke("export other.safetensors --c out --name other").exit_code == 0
    assert "other_run(" in (tmp_path / "out" / "other.h").read_text()


@pytest.mark.parametrize("outputs", [1, 2])
def test_integers_that_predict_numbers_are_judged_by_their_error(invoke: Invoke, tmp_path: Path, outputs: int) -> None:
    draw = np.random.default_rng(outputs)
    x = draw.integers(0, 256, (60, 1, 6, 6)).astype(np.uint8)
    np.savez(tmp_path / "numbers.npz", x=x, targets=x.mean((2, 3)).repeat(outputs, 1))
    command = "train --model mlp --data numbers.npz --epochs 1 --engine numpy --quiet --out numbers"
    assert invoke(command).exit_code == 0
    done = invoke("export numbers --c out --int8")
    actual = re.search(r"mean absolute error on numbers: (\S+) .*, (\S+) in", done.stdout)
    assert actual, done.output
    assert float(actual[2]) == pytest.approx(float(actual[1]), rel=0.2)


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx"])
def test_networks_without_a_run_are_calibrated_with_data(invoke: Invoke, tmp_path: Path, name: str) -> None:
    model = cr.Sequential([cr.Conv1D(4, 3), cr.Flatten(), cr.Dense(3), cr.Softmax()], (2, 40), engine="numpy")
    model.save(tmp_path / "model.safetensors")
    cr.export_onnx(model, tmp_path / "model.onnx")
    x = np.random.default_rng(0).normal(size=(40, 2, 40)).astype("f4")
    for file, arrays in (("data", {"x": x}), ("wrong", {"x": x[..., 1:]}), ("empty", {"y": x})):
        np.savez(tmp_path / f"{file}.npz", **arrays)
    done = invoke(f"export {name} --c out --int8 --calibrate data.npz")
    assert done.exit_code == 0, done.stderr
    assert re.search(r"40 samples of data\S*: outputs differ by at most 0\.0", done.stdout), done.stdout
    refused(invoke(f"export {name} --c out --int8"), "--calibrate DATA")
    refused(invoke(f"export {name} --c out --calibrate data.npz"), "add --int8")
    for data, said in (("wrong.npz", "expected"), ("empty.npz", "no array 'x'")):
        refused(invoke(f"export {name} --c out --int8 --calibrate", data), said)


def test_the_scales_are_measured_on_samples_from_the_whole_set(invoke: Invoke, tmp_path: Path) -> None:
    """The last samples of a sorted set are much larger than the first ones."""
    cr.Sequential([cr.Conv2D(4, 3), cr.Flatten(), cr.Dense(3)], (2, 9, 7), engine="numpy").save("model.safetensors")
    x = (
        np.random.default_rng(0).normal(size=(700, 2, 9, 7))
        * np.where(np.arange(700) < 550, 1, 30)[:, None, None, None]
    )
    np.savez("sorted.npz", x=x)
    done = invoke("export model.safetensors --c out --int8 --calibrate sorted.npz")
    difference, largest = map(float, re.findall(r"at most ([\d.e-]+) \(largest output ([\d.e-]+)\)", done.stdout)[0])
    assert difference < 0.1 * largest


PAGE = (Path(__file__).parents[2] / "docs" / "deploying.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## C\n")[2].partition("\n## ")[0]


@pytest.mark.skipif(not shutil.which("make") or not shutil.which("gcc"), reason="needs make and gcc")
def test_the_commands_of_the_page_run(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    """In their order, with a trained run in the place of runs/mine; WebAssembly where its compiler is installed."""
    shutil.copytree(finished, tmp_path / "runs" / "mine")
    Image.fromarray(np.pad(np.full((45, 7), 30, np.uint8), 20, constant_values=230)).save(tmp_path / "photo.jpg")
    ran = list[str]()
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", SECTION, re.M | re.S):
        for line in block.splitlines() if not language else ():
            words = shlex.split(line, comments=True)
            if words[0] == "chainrule" and ("--wasm" not in words or importlib.util.find_spec("ziglang")):
                assert invoke(*words[1:]).exit_code == 0, line
                ran.append(words[2])
            elif words[0] in ("make", "mine-c/example"):
                done = subprocess.run(["env", "CFLAGS=-O1", *words], capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
                ran.append(words[0])
    assert {"make", "mine-c/example"} < {*ran}
