"""Networks that ONNX Runtime quantized: their layers and their int8 C programs compute what it computes."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from interop.c.compiled import int8_outputs
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import chainrule as cr
from chainrule.errors import FormatError, OptionError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnxruntime import quantization

ort: Any = onnxruntime
onnx_files: Any = onnx
quantizer: Any = quantization
Array = NDArray[Any]
pytestmark = pytest.mark.filterwarnings("ignore")  # of the quantizer

NODE = helper.make_node
INT8, UINT8 = quantization.QuantType.QInt8, quantization.QuantType.QUInt8
SHAPE = (3, 8, 10)


def draw(*shape: int) -> Array:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def network() -> onnx.ModelProto:
    """Return a network with branches, clippings, poolings and a concatenation."""
    constants = {"low": np.float32(0), "high": np.float32(0.8)}
    for name, *shape in (("c1", 8, 3, 3, 3), ("c2", 8, 1, 3, 3), ("c3", 8, 8, 1, 1), ("c4", 4, 8, 1, 1), ("fc", 5, 12)):
        constants |= {
            f"{name}.weight": draw(*shape) / np.float32(np.prod(shape[1:]) ** 0.5),
            f"{name}.bias": draw(shape[0]),
        }

    def weighted(operator: str, name: str, x: str, y: str, **options: Any) -> onnx.NodeProto:
        return NODE(operator, [x, f"{name}.weight", f"{name}.bias"], [y], **options)

    nodes = [
        *(weighted("Conv", "c1", "x", "a", pads=[1] * 4), NODE("Relu", ["a"], ["a1"])),
        *(weighted("Conv", "c2", "a1", "b", pads=[1] * 4, group=8), NODE("Clip", ["b", "low", "high"], ["b1"])),
        *(weighted("Conv", "c3", "b1", "c"), NODE("Add", ["c", "a1"], ["d"]), NODE("Relu", ["d"], ["d1"])),
        NODE("MaxPool", ["d1"], ["e"], kernel_shape=[2, 2], strides=[2, 2]),
        *(weighted("Conv", "c4", "e", "s"), NODE("Sigmoid", ["s"], ["s1"])),
        *(NODE("Concat", ["s1", "e"], ["f"], axis=1), NODE("AveragePool", ["f"], ["f2"], kernel_shape=[1, 3])),
        *(NODE("GlobalAveragePool", ["f2"], ["g"]), NODE("Flatten", ["g"], ["h"])),
        weighted("Gemm", "fc", "h", "y", transB=1),
    ]
    return model(nodes, constants, SHAPE, (5,))


def model(
    nodes: list[Any], constants: dict[str, Any], shape: tuple[int, ...], outputs: tuple[int, ...]
) -> onnx.ModelProto:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *sizes])
        for name, sizes in (("x", shape), ("y", outputs))
    ]
    arrays = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "quantized", ends[:1], ends[1:], arrays)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


class Images(quantization.CalibrationDataReader):
    def __init__(self, x: Array) -> None:
        self._samples: Iterator[Any] = iter([{"x": sample[None]} for sample in x])

    def get_next(self) -> Any:
        return next(self._samples, None)


def computed(path: Path, x: Array) -> Array:
    return np.asarray(ort.InferenceSession(path).run(None, {"x": x})[0])


@pytest.fixture
def floats(tmp_path: Path) -> Path:
    onnx_files.save(network(), tmp_path / "floats.onnx")
    return tmp_path / "floats.onnx"


@pytest.mark.parametrize(
    ("activations", "weights", "by_channel"), [(INT8, INT8, True), (UINT8, INT8, False), (UINT8, UINT8, True)]
)
@pytest.mark.parametrize("form", [quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator])
def test_static_quantization(
    form: Any, activations: Any, weights: Any, by_channel: bool, floats: Path, tmp_path: Path
) -> None:
    path, x = tmp_path / "m.onnx", draw(30, *SHAPE)
    types = {"activation_type": activations, "weight_type": weights}
    quantizer.quantize_static(floats, path, Images(x), quant_format=form, per_channel=by_channel, **types)
    expected = computed(path, x)
    step = np.diff(np.unique(expected)).min()
    loaded = cr.load(path, engine="numpy")
    assert np.ptp(expected) > 30 * step
    assert np.abs(loaded.predict(x) - expected).max() < 1.01 * step
    if weights == INT8 and shutil.which("gcc"):
        assert np.abs(int8_outputs(tmp_path, loaded, x) - expected).max() < 1.01 * step


def test_dynamic_quantization_is_refused(floats: Path, tmp_path: Path) -> None:
    quantizer.quantize_dynamic(floats, tmp_path / "m.onnx", op_types_to_quantize=["MatMul", "Gemm"])
    with pytest.raises(FormatError, match="DynamicQuantizeLinear"):
        cr.load(tmp_path / "m.onnx")


def quantize(x: str, scale: str, zero: str, q: str) -> onnx.NodeProto:
    return NODE("QuantizeLinear", [x, scale, zero], [q])


INTEGERS: dict[str, tuple[list[onnx.NodeProto], tuple[int, ...]]] = {
    "a pooling of integers that are read with another scale; the results are integers": (
        [
            quantize("x", "s", "z", "q"),
            NODE("MaxPool", ["q"], ["m"], kernel_shape=[2], strides=[2]),
            NODE("DequantizeLinear", ["m", "t", "z"], ["r"]),
            NODE("Neg", ["r"], ["n"]),
            quantize("n", "t", "u", "k"),
            NODE("Cast", ["k"], ["y"], to=TensorProto.FLOAT),
        ],
        (2, 6),
    ),
    "products of integers": (
        [
            quantize("x", "s", "z", "q"),
            NODE("ConvInteger", ["q", "kernel", "z", "z"], ["c"]),
            NODE("Cast", ["c"], ["f"], to=TensorProto.FLOAT),
            NODE("Mul", ["f", "t"], ["g"]),
            quantize("g", "s", "z", "h"),
            NODE("MatMulInteger", ["h", "matrix", "z"], ["i"]),
            NODE("DequantizeLinear", ["i", "scales"], ["y"], axis=2),
        ],
        (3, 4),
    ),
    "a quantized matrix product": (
        [
            quantize("x", "s", "z", "q"),
            NODE("QLinearMatMul", ["q", "s", "z", "wide", "scales", "zeros", "t", "z"], ["p"]),
            NODE("DequantizeLinear", ["p", "t", "z"], ["y"]),
        ],
        (2, 4),
    ),
}
PARAMETERS: dict[str, Any] = {
    "s": np.float32(0.05),
    "z": np.uint8(100),
    "t": np.float32(0.07),
    "u": np.int8(-3),
    "scales": np.array([0.01, 0.03, 0.02, 0.04], np.float32),
    "zeros": np.array([0, 3, 0, 5], np.uint8),
    "kernel": 90 + np.arange(18, dtype=np.uint8).reshape(3, 2, 3),
    **{name: np.arange(4 * rows, dtype=np.uint8).reshape(rows, 4) for name, rows in (("matrix", 10), ("wide", 12))},
}


@pytest.mark.parametrize("name", INTEGERS)
def test_operators_of_integers(name: str, tmp_path: Path) -> None:
    nodes, shape = INTEGERS[name]
    used = {source for node in nodes for source in node.input}
    network = model(nodes, {key: value for key, value in PARAMETERS.items() if key in used}, (2, 12), shape)
    onnx_files.save(network, tmp_path / "m.onnx")
    x = 2 * draw(20, 2, 12)
    found = cr.load(tmp_path / "m.onnx", engine="numpy").predict(x)
    np.testing.assert_allclose(found, computed(tmp_path / "m.onnx", x), rtol=1e-4, atol=1e-3)


def test_quantized_networks_are_exported_again(floats: Path, tmp_path: Path) -> None:
    x = draw(5, *SHAPE)
    quantizer.quantize_static(floats, tmp_path / "m.onnx", Images(x), activation_type=UINT8, weight_type=INT8)
    loaded = cr.load(tmp_path / "m.onnx", engine="numpy")
    cr.export_onnx(loaded, tmp_path / "again.onnx")
    expected = computed(tmp_path / "again.onnx", x)
    assert np.abs(loaded.predict(x) - expected).max() < 1.01 * np.diff(np.unique(expected)).min()
    with pytest.raises(OptionError, match="no gradient passes"):
        loaded.fit(x, np.arange(5), epochs=1, progress=False)


def test_networks_in_floats_have_no_scales(floats: Path) -> None:
    with pytest.raises(OptionError, match="--calibrate"):
        cr.interop.c.Quantized(cr.load(floats, engine="numpy"))
