"""Networks that ONNX Runtime quantized: their layers and their int8 C programs compute what it computes."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from interop.c.compiled import INT8_FLAGS, outputs
from interop.onnx_models import made, theirs
from numerical import assert_close
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from selection import draws

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
NETWORKS = draws(6)


def draw(*shape: int) -> Array:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


# Layers of drawn networks other than convolutions. The windows of means have an odd number of positions: what ONNX
# Runtime does with ties depends on the rounding of its floats.
FORMS = {
    "relu": "Relu({})",
    "clip": "Clip({}, low, high)",
    "max": "MaxPool<kernel_shape = [2, 2], pads = [0, 0, 1, 1]>({})",
    "mean": "AveragePool<kernel_shape = [1, 3]>({})",
    "sigmoid": "Sigmoid({})",
    "leaky": "LeakyRelu<alpha = 0.1>({})",
}
KINDS = ("conv", "depthwise", "add", "concat", *FORMS)


def drawn(seed: int) -> tuple[onnx.ModelProto, Array]:
    """Return a network that begins with a clipping, a pooling or a convolution, and inputs for it."""
    random = np.random.default_rng(seed)
    shape = (int(random.integers(1, 4)), *map(int, random.choice([7, 9, 11], 2)))
    nodes, constants = list[str](), dict[str, Any]({"low": np.float32(-0.2), "high": np.float32(0.8)})

    def node(form: str) -> str:
        nodes.append(f"v{len(nodes)} = {form}")
        return f"v{len(nodes) - 1}"

    def parameters(*sizes: int) -> str:
        """Return the names of weights, whose mean often is not 0, and of biases."""
        weights, name = random.standard_normal(sizes) + random.choice([0, 0, 1, -1, 9, -9]), f"p{len(nodes)}"
        constants[f"{name}.w"] = (weights / np.abs(weights).sum() * sizes[0]).astype("f4")
        constants[f"{name}.b"] = random.normal(scale=0.3, size=sizes[0]).astype("f4")
        return f'"{name}.w", "{name}.b"'

    x, channels = "x", shape[0]
    for kind in (random.choice(KINDS[:7]), "conv", *random.choice(KINDS, 3), "conv"):
        if kind in FORMS:
            x = node(FORMS[kind].format(x))
            continue
        filters = int(random.integers(2, 7)) if kind == "conv" else channels
        size, group = int(random.choice([1, 3])), channels if kind == "depthwise" else 1
        sizes = (filters, channels // group, size, size)
        y = node(f"Conv<pads = {[size // 2] * 4}, group = {group}>({x}, {parameters(*sizes)})")
        x = node({"add": f"Add({x}, {y})", "concat": f"Concat<axis = 1>({x}, {y})"}.get(kind, f"Identity({y})"))
        channels = 2 * channels if kind == "concat" else filters
    nodes += [f"g = GlobalAveragePool({x})", "h = Flatten(g)", f"y = Gemm<transB = 1>(h, {parameters(5, channels)})"]
    x = random.standard_normal((30, *shape)).astype("f4")
    return onnx.ModelProto.FromString(made("\n".join(nodes), constants, ("N", *shape), 17)), x


class Images(quantization.CalibrationDataReader):
    def __init__(self, x: Array) -> None:
        self._samples: Iterator[Any] = iter([{"x": sample[None]} for sample in x])

    def get_next(self) -> Any:
        return next(self._samples, None)


@pytest.fixture
def floats(tmp_path: Path) -> Path:
    onnx_files.save(drawn(1)[0], tmp_path / "floats.onnx")
    return tmp_path / "floats.onnx"


def quantize(path: Path, x: Array, form: Any, activations: Any, weights: Any, by_channel: bool) -> None:
    """Quantize a network in place, with weights of 7 bits where ONNX Runtime's sums saturate on older processors."""
    saturates = weights == INT8 or (by_channel and form == quantization.QuantFormat.QOperator)
    types = {"activation_type": activations, "weight_type": weights, "reduce_range": saturates}
    quantizer.quantize_static(path, path, Images(x), quant_format=form, per_channel=by_channel, **types)


@pytest.mark.parametrize("form", [quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator])
def test_drawn_networks_compute_what_onnx_runtime_computes(form: Any, tmp_path: Path) -> None:
    """Of all outputs, at most 1 % differ, by one step."""
    path, networks, images, expected = tmp_path / "m.onnx", list[Any](), list[Array](), list[Array]()
    for seed in range(NETWORKS):
        floats, x = drawn(seed)
        onnx_files.save(floats, path)
        quantize(path, x, form, *((INT8, INT8), (UINT8, INT8), (UINT8, UINT8))[seed % 3], seed // 3 % 2 > 0)
        networks.append(cr.load(path, engine="numpy"))
        images.append(x)
        expected.append(theirs(path.read_bytes(), x))
    computed = [[network.predict(x) for network, x in zip(networks, images, strict=True)]]
    if shutil.which("gcc"):
        integers = [cr.interop.c.Quantized(network) for network in networks]
        computed.append(outputs(tmp_path, networks, images, INT8_FLAGS, integers))
    steps = [np.diff(np.unique(y)).min() for y in expected]
    for results in computed:
        errors = np.stack([(y - z) / step for y, z, step in zip(results, expected, steps, strict=True)])
        assert np.abs(errors).max() < 1.01
        assert (np.abs(errors) > 0.01).mean() < 0.01


def test_dynamic_quantization_is_refused(floats: Path, tmp_path: Path) -> None:
    quantizer.quantize_dynamic(floats, tmp_path / "m.onnx", op_types_to_quantize=["MatMul", "Gemm"])
    with pytest.raises(FormatError, match="DynamicQuantizeLinear"):
        cr.load(tmp_path / "m.onnx")


INTEGERS = {
    "a pooling of integers that are read with another scale; the results are integers": """
            q = QuantizeLinear(x, s, z)
            m = MaxPool<kernel_shape = [2], strides = [2]>(q)
            r = DequantizeLinear(m, t, z)
            n = Neg(r)
            k = QuantizeLinear(n, t, u)
            y = Cast<to = 1>(k)
        """,
    "a quantized matrix product": """
            q = QuantizeLinear(x, s, z)
            p = QLinearMatMul(q, s, z, wide, scales, zeros, t, z)
            y = DequantizeLinear(p, t, z)
        """,
}
PARAMETERS: dict[str, Any] = {
    "s": np.float32(0.05),
    "z": np.uint8(100),
    "t": np.float32(0.07),
    "u": np.int8(-3),
    "scales": np.array([0.01, 0.03, 0.02, 0.04], np.float32),
    "zeros": np.array([0, 3, 0, 5], np.uint8),
    "wide": np.arange(48, dtype=np.uint8).reshape(12, 4),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_operators_of_integers(name: str, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(made(INTEGERS[name], PARAMETERS, ("N", 2, 12), 17))
    x = 2 * draw(20, 2, 12)
    outputs = cr.load(tmp_path / "m.onnx", engine="numpy").predict(x)
    assert_close(outputs, theirs((tmp_path / "m.onnx").read_bytes(), x))


@pytest.mark.parametrize("form", [quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator])
def test_integers_leave_as_integers(form: Any, tmp_path: Path) -> None:
    """A file and its export give the same outputs in ONNX Runtime with its default options."""
    path = tmp_path / "m.onnx"
    for seed in range(NETWORKS):
        floats, x = drawn(seed)
        onnx_files.save(floats, path)
        quantize(path, x, form, *((INT8, INT8), (UINT8, INT8), (UINT8, UINT8))[seed % 3], seed // 3 % 2 > 0)
        loaded = cr.load(path, engine="numpy")
        cr.export_onnx(loaded, tmp_path / "again.onnx")
        again = onnx_files.load(tmp_path / "again.onnx").graph
        assert not [array.name for array in again.initializer if array.data_type == 1 and len(array.dims) > 1]
        assert_array_equal(theirs((tmp_path / "again.onnx").read_bytes(), x), theirs(path.read_bytes(), x))
        assert_array_equal(cr.load(tmp_path / "again.onnx", engine="numpy").parameters, loaded.parameters)


def test_quantized_networks_are_not_trained(floats: Path, tmp_path: Path) -> None:
    x = drawn(1)[1]
    quantize(floats, x, quantization.QuantFormat.QDQ, UINT8, INT8, False)
    with pytest.raises(OptionError, match="no gradient passes"):
        cr.load(floats, engine="numpy").fit(x, np.arange(30) % 5, epochs=1, progress=False)


def test_networks_in_floats_have_no_scales(floats: Path) -> None:
    with pytest.raises(OptionError, match="--calibrate"):
        cr.interop.c.Quantized(cr.load(floats, engine="numpy"))
