"""Networks that ONNX Runtime quantized: their layers and their int8 C programs compute what it computes."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from interop.c.compiled import int8_outputs
from interop.onnx_models import parsed, theirs
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import chainrule as cr
from chainrule.errors import FormatError, OptionError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnxruntime import quantization

onnx_files: Any = onnx
quantizer: Any = quantization
Array = NDArray[Any]
pytestmark = pytest.mark.filterwarnings("ignore")  # of the quantizer

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

    nodes = """
        a = Conv<pads = [1, 1, 1, 1]>(x, "c1.weight", "c1.bias")
        a1 = Relu(a)
        b = Conv<pads = [1, 1, 1, 1], group = 8>(a1, "c2.weight", "c2.bias")
        b1 = Clip(b, low, high)
        c = Conv(b1, "c3.weight", "c3.bias")
        d = Add(c, a1)
        d1 = Relu(d)
        e = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(d1)
        s = Conv(e, "c4.weight", "c4.bias")
        s1 = Sigmoid(s)
        f = Concat<axis = 1>(s1, e)
        f2 = AveragePool<kernel_shape = [1, 3]>(f)
        g = GlobalAveragePool(f2)
        h = Flatten(g)
        y = Gemm<transB = 1>(h, "fc.weight", "fc.bias")
    """
    return model(nodes, constants, SHAPE, (5,))


def model(nodes: str, constants: dict[str, Any], shape: tuple[int, ...], outputs: tuple[int, ...]) -> onnx.ModelProto:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *sizes])
        for name, sizes in (("x", shape), ("y", outputs))
    ]
    arrays = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(parsed(nodes), "quantized", ends[:1], ends[1:], arrays)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


class Images(quantization.CalibrationDataReader):
    def __init__(self, x: Array) -> None:
        self._samples: Iterator[Any] = iter([{"x": sample[None]} for sample in x])

    def get_next(self) -> Any:
        return next(self._samples, None)


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
    expected = theirs(path.read_bytes(), x)
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


INTEGERS: dict[str, tuple[str, tuple[int, ...]]] = {
    "a pooling of integers that are read with another scale; the results are integers": (
        """
            q = QuantizeLinear(x, s, z)
            m = MaxPool<kernel_shape = [2], strides = [2]>(q)
            r = DequantizeLinear(m, t, z)
            n = Neg(r)
            k = QuantizeLinear(n, t, u)
            y = Cast<to = 1>(k)
        """,
        (2, 6),
    ),
    "products of integers": (
        """
            q = QuantizeLinear(x, s, z)
            c = ConvInteger(q, kernel, z, z)
            f = Cast<to = 1>(c)
            g = Mul(f, t)
            h = QuantizeLinear(g, s, z)
            i = MatMulInteger(h, matrix, z)
            y = DequantizeLinear<axis = 2>(i, scales)
        """,
        (3, 4),
    ),
    "a quantized matrix product": (
        """
            q = QuantizeLinear(x, s, z)
            p = QLinearMatMul(q, s, z, wide, scales, zeros, t, z)
            y = DequantizeLinear(p, t, z)
        """,
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
    onnx_files.save(model(nodes, PARAMETERS, (2, 12), shape), tmp_path / "m.onnx")
    x = 2 * draw(20, 2, 12)
    found = cr.load(tmp_path / "m.onnx", engine="numpy").predict(x)
    np.testing.assert_allclose(found, theirs((tmp_path / "m.onnx").read_bytes(), x), rtol=1e-4, atol=1e-3)


def test_quantized_networks_are_exported_again(floats: Path, tmp_path: Path) -> None:
    x = draw(5, *SHAPE)
    quantizer.quantize_static(floats, tmp_path / "m.onnx", Images(x), activation_type=UINT8, weight_type=INT8)
    loaded = cr.load(tmp_path / "m.onnx", engine="numpy")
    cr.export_onnx(loaded, tmp_path / "again.onnx")
    expected = theirs((tmp_path / "again.onnx").read_bytes(), x)
    assert np.abs(loaded.predict(x) - expected).max() < 1.01 * np.diff(np.unique(expected)).min()
    with pytest.raises(OptionError, match="no gradient passes"):
        loaded.fit(x, np.arange(5), epochs=1, progress=False)


def test_networks_in_floats_have_no_scales(floats: Path) -> None:
    with pytest.raises(OptionError, match="--calibrate"):
        cr.interop.c.Quantized(cr.load(floats, engine="numpy"))
