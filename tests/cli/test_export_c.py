"""`chainrule export RUN --c`, `--int8`, `--wasm`."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli.commands import Invoke, refused, succeeded

import chainrule as cr


def test_c_files_are_written_with_their_sizes_and_accuracy(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    for options, printed, function in (
        ("", r"network\.c, .*; bytes: constants [\d,]+, arena [\d,]+, input 3,136, outputs 40$", "_run("),
        ("--int8", r"accuracy on digits(?:\.npz)?: ([\d.]+) %.*, ([\d.]+) %", "_run("),
    ):
        done = succeeded(invoke(f"export --c out {options}", finished))
        said = re.search(printed, done.stdout, re.MULTILINE)
        assert said
        assert function in (tmp_path / "out" / "network.h").read_text()
    assert abs(float(said[1]) - float(said[2])) < 5
    cr.Sequential([cr.Dense(2)], (3,)).save("other.safetensors")
    refused(invoke("export other.safetensors --c out"), "--name")
    succeeded(invoke("export other.safetensors --c out --name other"))
    assert "other_run(" in (tmp_path / "out" / "other.h").read_text()


def test_the_costs_of_layers_are_printed_and_returned_as_json(invoke: Invoke) -> None:
    cr.Sequential([cr.Conv2D(4, 3), cr.ReLU(), cr.Flatten(), cr.Dense(3)], (2, 6, 7)).save("model.safetensors")
    printed = succeeded(invoke("export model.safetensors --c out")).stdout
    assert re.search(r"^conv1 \+ relu1 +1,440 ", printed, re.MULTILINE)
    record = json.loads(succeeded(invoke("export model.safetensors --c out --onnx out.onnx --json")).stdout)
    assert {*record} == {"onnx", "c"}
    layers = record["c"]["report"]["layers"]
    assert [layer["multiply_adds"] for layer in layers] == [4 * 4 * 5 * 2 * 9, 3 * 4 * 4 * 5]
    header = Path("out/network.h").read_text()
    assert f"STACK_BYTES {record['c']['report']['stack']}\n" in header
    assert "conv1 + relu1" in header


def test_streams_are_written_or_refused_in_one_line(invoke: Invoke) -> None:
    layers = [cr.Conv1D(4, 3), cr.ReLU(), cr.MaxPool1D(2), cr.Flatten(), cr.Dense(3)]
    cr.Sequential(layers, (2, 22)).save("model.safetensors")
    succeeded(invoke("export model.safetensors --c out --stream"))
    assert "NETWORK_INPUTS 4\n" in Path("out/network.h").read_text()
    refused(invoke("export model.safetensors --onnx out.onnx --stream"), "add --c")
    cr.Sequential([cr.Conv1D(4, 3, padding="same"), *layers[1:]], (2, 22)).save("same.safetensors")
    refused(invoke("export same.safetensors --c refused --stream"), "'conv1'")


@pytest.mark.parametrize("outputs", [1, 2])
def test_integers_that_predict_numbers_are_judged_by_their_error(invoke: Invoke, outputs: int) -> None:
    draw = np.random.default_rng(outputs)
    x = draw.integers(0, 256, (60, 1, 6, 6)).astype(np.uint8)
    np.savez("numbers.npz", x=x, targets=x.mean((2, 3)).repeat(outputs, 1))
    command = "train --model mlp --data numbers.npz --epochs 1 --engine numpy --quiet --out numbers"
    succeeded(invoke(command))
    done = invoke("export numbers --c out --int8")
    actual = re.search(r"mean absolute error on numbers: (\S+) .*, (\S+) in", done.stdout)
    assert actual, done.output
    assert float(actual[2]) == pytest.approx(float(actual[1]), rel=0.2)


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx"])
def test_networks_without_a_run_are_calibrated_with_data(invoke: Invoke, name: str) -> None:
    model = cr.Sequential([cr.Conv1D(4, 3), cr.Flatten(), cr.Dense(3), cr.Softmax()], (2, 40))
    model.save("model.safetensors")
    cr.export_onnx(model, "model.onnx")
    x = np.random.default_rng(0).normal(size=(40, 2, 40)).astype("f4")
    for file, arrays in (("data", {"x": x}), ("wrong", {"x": x[..., 1:]}), ("empty", {"y": x})):
        np.savez(f"{file}.npz", **arrays)
    done = succeeded(invoke(f"export {name} --c out --int8 --calibrate data.npz"))
    assert re.search(r"40 samples of data\S*: outputs differ by at most 0\.0", done.stdout), done.stdout
    refused(invoke(f"export {name} --c out --int8"), "--calibrate DATA")
    refused(invoke(f"export {name} --c out --calibrate data.npz"), "add --int8")
    for data, said in (("wrong.npz", "expected"), ("empty.npz", "no array 'x'")):
        refused(invoke(f"export {name} --c out --int8 --calibrate", data), said)


def test_the_scales_are_measured_on_samples_from_the_whole_set(invoke: Invoke) -> None:
    """The last samples of a sorted set are much larger than the first ones."""
    cr.Sequential([cr.Conv2D(4, 3), cr.Flatten(), cr.Dense(3)], (2, 9, 7)).save("model.safetensors")
    x = (
        np.random.default_rng(0).normal(size=(700, 2, 9, 7))
        * np.where(np.arange(700) < 550, 1, 30)[:, None, None, None]
    )
    np.savez("sorted.npz", x=x)
    done = invoke("export model.safetensors --c out --int8 --calibrate sorted.npz")
    difference, largest = map(float, re.findall(r"at most ([\d.e-]+) \(largest output ([\d.e-]+)\)", done.stdout)[0])
    assert difference < 0.1 * largest
