"""ONNX files with several inputs and outputs: read and written, and compared with ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interop.onnx_models import agree, made, ours, theirs
from models.several import LOSSES, WEIGHTS, batch, model, scaled_batch
from numerical import assert_close
from onnx import TensorProto, parser
from selection import draws

import chainrule as cr
from chainrule.errors import FormatError, OptionError

DRAW = np.random.default_rng(0)
SHAPES = {"image": (2, 5, 6), "in:0": (3,), "count": (1,)}
WEIGHTS_OF_NODES = {"w": (3, 2, 3, 2), "v": (3, 7), "one": (1,)}
CONSTANTS = {name: DRAW.normal(size=size).astype(np.float32) for name, size in WEIGHTS_OF_NODES.items()}
NODES = """
    c = Conv(image, w)
    "map/1" = Relu(c)
    f = Reshape("map/1", flat)
    m = MatMul("in:0", v)
    joined = Concat<axis = 1>(f, m)
    t = Tanh(m)
    n = Cast<to = 1>(count)
    counted = Add(n, one)
"""


def written(path: Path, outputs: Sequence[str], batch_size: Any = "n") -> Path:
    """Write the network with some of its results as outputs; the input count contains integers."""
    shapes = {name: (batch_size, *shape) for name, shape in SHAPES.items()}
    constants = CONSTANTS | {"flat": np.array([0, -1])}
    path.write_bytes(made(NODES, constants, shapes, 17, outputs, count=TensorProto.INT64))
    return path


@pytest.mark.parametrize(("outputs", "inputs"), [
    (["joined", "map/1", "t"], ["image", "in:0"]),
    (["map/1", "c"], ["image"]),
    (["m", "joined"], ["image", "in:0"]),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("batch_size", ["n", 1])
def test_results_are_those_of_onnx_runtime(
    outputs: list[str], inputs: list[str], batch_size: Any, tmp_path: Path
) -> None:
    """Outputs are selected from a file that has others too, some of them without a float input."""
    all_outputs = written(tmp_path / "all.onnx", [*outputs, "counted"], batch_size)
    network = cr.load(all_outputs, outputs=outputs, engine="numpy")
    draw = np.random.default_rng(1)
    x = {name: draw.normal(size=(1, *shape)).astype(np.float32) for name, shape in SHAPES.items()}
    expected = theirs(all_outputs.read_bytes(), {**x, "count": np.ones((1, 1), np.int64)})
    assert not network.input_ports or list(network.input_names) == inputs
    actual = network.predict({name: x[name] for name in inputs})
    for name, values in (actual if network.output_ports else {outputs[0]: actual}).items():
        assert_close(values.reshape(expected[name].shape), expected[name])


def test_outputs_that_cannot_be_read(tmp_path: Path) -> None:
    path = written(tmp_path / "n.onnx", ["joined", "counted"])
    with pytest.raises(FormatError, match="input 'count' has type int64; expected floats"):
        cr.load(path)
    with pytest.raises(FormatError, match="it has no output 'other'; expected one of joined, counted"):
        cr.load(path, outputs="other")
    model().save(tmp_path / "m.safetensors")
    with pytest.raises(OptionError, match="outputs and shape apply to networks"):
        cr.load(tmp_path / "m.safetensors", outputs="digit")


def test_open_sizes_are_chosen_by_their_names(tmp_path: Path) -> None:
    shapes: dict[str, Any] = {"a": ("N", 3, "T"), "b": ("N", "C", "T")}
    model, draw = made("y = Concat<axis = 1>(a, b)", {}, shapes), np.random.default_rng(0)
    (tmp_path / "m.onnx").write_bytes(model)
    with pytest.raises(FormatError, match=r"unknown sizes \(C\)"):
        cr.load(tmp_path / "m.onnx", shape={"T": 7})
    x = {name: draw.normal(size=(2, size, 7)).astype(np.float32) for name, size in (("a", 3), ("b", 2))}
    loaded = cr.load(tmp_path / "m.onnx", shape={"T": 7, "C": 2}, engine="numpy")
    assert_close(loaded.predict(x), theirs(model, x)["y"])


FUNCTIONS = """
    <ir_version: 8, opset_import: ["": 18, "own": 1]> g (float[N, 4, 6] x) => (float[N, 4, 6] y)
    <float[4] w = {1.0, 2.0, -3.0, 0.5}> { a = own.Twice<slope = 0.3>(x, w) y = own.Twice(a, w) }
    <domain: "own", opset_import: ["": 18, "own": 1]> Twice <slope: float = 0.2>(x, w) => (y) {
        a = own.Act<alpha: float = @slope>(x) b = InstanceNormalization(a, w, w) y = own.Act<alpha = 0.4>(b) }
    <domain: "own", opset_import: ["": 18, "own": 1]> Act <alpha>(x) => (y) {
        a = LeakyRelu<alpha: float = @alpha>(x) y = ENDS(a) }
"""


def test_functions_are_replaced_by_their_nodes(tmp_path: Path) -> None:
    model = parser.parse_model(FUNCTIONS.replace("ENDS", "Tanh")).SerializeToString()
    agree(tmp_path, model, np.random.default_rng(0).normal(size=(3, 4, 6)).astype(np.float32), 1000)
    with pytest.raises(FormatError, match="function 'Act': calls nested"):
        ours(tmp_path, parser.parse_model(FUNCTIONS.replace("ENDS", "own.Act")).SerializeToString())


@pytest.mark.parametrize("scaled", [False, True])
def test_a_written_network_is_read_as_it_was(scaled: bool, tmp_path: Path) -> None:
    """Bytes are scaled, and targets are standardized, by the nodes and the weights of the file."""
    whole, (x, y) = model(dtype="float32"), (scaled_batch if scaled else batch)()
    whole.fit(x, y, loss=LOSSES, loss_weights=WEIGHTS, standardize_targets=scaled or None, progress=False)
    cr.export_onnx(whole, tmp_path / "m.onnx")
    loaded = cr.load(tmp_path / "m.onnx", engine="numpy")
    samples = {name: values.astype(np.float32) for name, values in zip(("image", "vector"), x, strict=True)}
    assert (loaded.input_names, loaded.loss, loaded.task) == (whole.input_names, whole.loss, whole.task)
    assert loaded.weights.keys() == {name for name in whole.weights if not name.startswith(("input.", "target."))}
    size = cr.load(tmp_path / "m.onnx", outputs="size", engine="numpy").predict(samples["image"])
    assert_close(size, whole.predict(samples)["size"])
    runtime, predicted, again = (
        theirs((tmp_path / "m.onnx").read_bytes(), samples),
        whole.predict(samples),
        loaded.predict(samples),
    )
    assert list(runtime) == list(predicted) == list(again)
    for name, values in predicted.items():
        assert_close(runtime[name], values)
        assert_close(again[name], values)


NAMES = st.sampled_from([
    "x", "y", "t", "loss", "loss_2", "input1", "input1.y", "d", "d.y", "d.w", "relu1.y", "pack1", "N", "a:0",
]) | st.text("ab/.:_ 0é", min_size=1, max_size=5)  # fmt: skip


@settings(max_examples=draws(8), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(NAMES, min_size=2, max_size=3, unique=True),
    results=st.lists(NAMES, min_size=4, max_size=4, unique=True),
)
def test_inputs_and_outputs_have_any_names(names: list[str], results: list[str], tmp_path: Path) -> None:
    """Names can be those of layers, tensors and constants, and an output can equal another one."""
    nodes = {name: cr.Input((3,)) for name in names}
    y = cr.Dense(2)(cr.Add()(*nodes.values()), name="d")
    outputs = dict(zip(results, (y, cr.ReLU()(y), y, cr.Tanh()(y)), strict=True))
    whole, draw = cr.Graph(nodes, outputs, engine="numpy"), np.random.default_rng(0)
    x = {name: draw.integers(0, 256, (4, 3)).astype(np.uint8 if name == names[0] else np.float32) for name in names}
    whole.fit(x, {name: np.zeros((4, 2)) for name in results}, loss=["mse"] * 4, progress=False)
    expected = [*whole.predict(x).values()]
    cr.export_onnx(whole, tmp_path / "m.onnx")
    runtime = theirs(
        (tmp_path / "m.onnx").read_bytes(), {name: values.astype(np.float32) for name, values in x.items()}
    )
    assert_close([*runtime.values()], expected)
    whole.save(tmp_path / "m.safetensors")
    for ending in ("onnx", "safetensors"):
        loaded = cr.load(tmp_path / f"m.{ending}", engine="numpy")
        assert loaded.input_names == tuple(names)
        assert ending == "onnx" or loaded.output_names == tuple(results)
        assert_close([*loaded.predict(x).values()], expected)
