"""`chainrule import`: networks, weights, the table of operators, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from cli.commands import Invoke, refused, succeeded
from docs.pages import text
from fuzz.formats import keras_files
from interop.onnx_models import made
from models import several
from numerical import assert_close
from numpy.testing import assert_array_equal
from onnx import helper
from safetensors.numpy import save_file

import chainrule as cr


@pytest.fixture
def network(tmp_path: Path) -> Path:
    w = np.random.default_rng(0).standard_normal((4, 1, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "stem.weight"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    (tmp_path / "net.onnx").write_bytes(made(nodes, {"stem.weight": w}, ("n", 1, 6, 6)))
    return tmp_path / "net.onnx"


@pytest.mark.parametrize("name", ["net.onnx", "net.keras", "net.h5", "NET.HDF5"])
def test_a_network_is_described_written_and_normalized(
    name: str, invoke: Invoke, network: Path, tmp_path: Path
) -> None:
    if name != "net.onnx":
        (tmp_path / name).write_bytes(keras_files.seeds()[1 if name == "net.keras" else 2])
    for options, means in (((), lambda x: x), (("--normalize", "mean=0.5,std=0.25"), lambda x: (x / 255 - 0.5) / 0.25)):
        result = succeeded(invoke("import", tmp_path / name, *options, "--out", "m.safetensors"))
        assert ("stem" if name == "net.onnx" else "BatchNorm2D(momentum=0.01, epsilon=0.001)") in result.stdout
        assert ("Inputs are normalized as" if options else "Inputs are not normalized") in result.stdout
        written, read = (cr.load(tmp_path / file) for file in ("m.safetensors", name))
        x = np.arange(2 * np.prod(read.input_shape)).reshape(2, *read.input_shape).astype(np.uint8)
        assert_close(written.predict(x), read.predict(means(x).astype(np.float32)))


def test_outputs_are_selected_and_other_commands_refuse_several(invoke: Invoke, tmp_path: Path) -> None:
    cr.export_onnx(several.model(dtype="float32"), tmp_path / "m.onnx")
    whole = invoke("import", "m.onnx", "--out", tmp_path / "m.safetensors")
    assert all(name in whole.stdout for name in ("image", "vector", "digit", "size"))
    assert "dense2" not in invoke("import --output size", "m.onnx").stdout
    export = "export", tmp_path / "m.safetensors", "--onnx", tmp_path / "n.onnx", "--c", tmp_path / "c"
    succeeded(invoke(*export))
    text = "has the inputs image 2×5×6, vector 3"
    for command in ("predict MODEL x", "evaluate MODEL --data mnist", "explain MODEL --cell x --image x"):
        refused(invoke(command.replace("MODEL", f"{tmp_path}/m.safetensors")), text)
    unknown = invoke("import --output area", "m.onnx")
    refused(unknown, "it has no output 'area'; expected one of digit, size")


def test_weights_go_into_a_named_network_and_the_mapping_is_printed(invoke: Invoke, tmp_path: Path) -> None:
    source = cr.zoo.find("numpy-cnn").build(seed=5)
    kinds = {"w": "weight", "b": "bias"}
    tensors = {name.rpartition(".")[0] + "." + kinds[name[-1]]: value for name, value in source.weights.items()}
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, "w.safetensors")
    target = tmp_path / "m.safetensors"
    pairs = [f"--map={name}={name}" for name in source.names if f"{name}.w" in source.weights]
    result = succeeded(invoke("import --model numpy-cnn", *pairs, "w.safetensors", "--out", target))
    assert "←  conv1.weight" in result.stdout
    assert_array_equal(cr.load(target).parameters, source.parameters)


@pytest.mark.parametrize("option", ["--operators", "--layers"])
def test_the_tables_of_the_page_are_those_that_are_printed(option: str, invoke: Invoke) -> None:
    result = succeeded(invoke("import", option))
    assert result.stdout.strip() in text("docs/importing.md")
