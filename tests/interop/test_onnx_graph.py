"""Graphs of ONNX: what is recognized, folded, shared, permuted, and refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.onnx_models import agree, made, ours, theirs
from numerical import assert_close

from chainrule.errors import FormatError

SHAPE = ("n", 4, 6, 5)
X = np.random.default_rng(0).standard_normal((3, 4, 6, 5)).astype(np.float32)


def weights(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


INTEGERS: dict[str, Any] = {
    "ones": [1],
    "eight": [8],
    "four": [4],
    "five": [5],
    "rows": [-1, 6],
    "back": [-1, 4, 5, 2],
    "two_rows": [2, -1],
    "true": True,
}
SHAPES = {
    "gamma": (4,),
    "beta": (4,),
    "by_channel": (4, 1, 1),
    "w1": (4, 8),
    "b1": (8,),
    "w2": (8, 4),
    "kernel": (4, 4, 1, 1),
    "by_place": (4, 6, 5),
    "stem.weight": (4, 4, 3, 3),
    "of_three": (2, 3, 3, 3),
    "of_rows": (3, 6),
    "matrix": (2, 3),
}
CONSTANTS: dict[str, Any] = {
    **{name: np.array(value) for name, value in INTEGERS.items()},
    **{name: weights(*shape) for name, shape in SHAPES.items()},
    "half": np.float32(0.5),
    "positive": np.full(4, 4, np.float32),
    "infinite": np.float32(-np.inf),
    "borders": np.array([0, 0, 1, 2, 0, 0, 1, 0]),
    "mask": np.triu(np.full((6, 5), -np.inf, np.float32), 1),
}
CONVOLUTION = "Conv<pads = [1, 1, 1, 1]>"
GRAPHS: dict[str, tuple[str, str, int]] = {  # nodes, names of layers and of what is trained ("": any), and the opset
    "SiLU": ("a = Sigmoid(x) y = Mul(a, x)", "silu1", 13),
    "nodes in any order": ("y = Sigmoid(c) c = Sub(a, b) b = Neg(a) a = Tanh(x)", "", 13),
    "nodes that lead nowhere": ("e = Hardmax(x) y = Relu(x)", "relu1", 13),
    "a constant of a shape": ("a = ConstantOfShape<value = float[1] {2.5}>(five) y = Mul(x, a)", "", 13),
    "a range and a transposition": (
        "a = Slice(x, ones, four, ones) b = Transpose<perm = [0, 2, 3, 1]>(a) y = Tanh(b)",
        "slice1 tanh1 reshape1 permute1 reshape2",
        13,
    ),
    "a bias that is read twice": ("c = Conv(x, kernel) a = Add(c, by_channel) y = Mul(a, c)", "", 13),
    "a constant that is added to a convolution": (
        'c = Conv(x, "stem.weight") y = Add(by_channel, c)',
        "stem stem.w stem.b",
        21,
    ),
    "a border of infinite numbers": ("p = Pad(x, borders, infinite) y = MaxPool<kernel_shape = [2, 2]>(p)", "", 13),
    "a mask of infinite numbers": ("m = Add(x, mask) y = Softmax<axis = -1>(m)", "", 13),
    "constants take no name of a layer": (
        "a = Conv(x, kernel) b = Selu(a) c = Mul(b, by_place) y = Conv(c, kernel)",
        "",
        13,
    ),
    "weights of several nodes": (
        f"""
            a = {CONVOLUTION}(x, "stem.weight", gamma)
            c = {CONVOLUTION}(a, "stem.weight", gamma)
            y = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(c, "stem.weight", gamma)
        """,
        "stem conv1 stem_1 stem.w stem.b stem_1.w stem_1.b",
        21,
    ),
    "a block of ConvNeXt": (
        """
            t = Transpose<perm = [0, 2, 3, 1]>(x) n = LayerNormalization(t, gamma, beta)
            m1 = MatMul(n, w1) d1 = Add(m1, b1) g = Gelu(d1) m2 = MatMul(g, w2) d2 = Add(beta, m2)
            s = Mul(d2, gamma) u = Transpose<perm = [0, 3, 1, 2]>(s) y = Add(u, x)
        """,
        "",
        22,
    ),
    "a constant repeated for every sample": (
        """
            p = GlobalAveragePool(x) f = Flatten(p) n = Shape<end = 1>(x) t = Concat<axis = 0>(n, eight)
            e = Expand(b1, t) m = MatMul(f, w1) y = Add(m, e)
        """,
        "",
        21,
    ),
    "rows of all samples in one axis": (
        """
            t = Transpose<perm = [0, 1, 3, 2]>(x) r = Reshape(t, rows) g = Gemm<transB = 1>(r, of_rows)
            a = Relu(g) m = Gemm<transB = 1>(a, matrix) s = Softmax<axis = 1>(m) y = Reshape(s, back)
        """,
        "",
        21,
    ),
}


@pytest.mark.parametrize("what", GRAPHS)
def test_graphs_compute_what_onnx_runtime_computes(what: str, tmp_path: Path) -> None:
    """Layers are recognized in several nodes, and constants become their weights, or are not trained."""
    nodes, names, opset = GRAPHS[what]
    for x in (X[:1], X):
        model = agree(tmp_path, made(nodes, CONSTANTS, SHAPE, opset), x)
    assert names in ("", " ".join([*model.names, *model.trainable_layout]))


REFUSED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Relu.*'com.other'", "y = com.other.Relu(x)", {}),
    (
        "MaxPool 'p': auto_pad 'NONE'; expected NOTSET",
        '[p] y = MaxPool<kernel_shape = [2, 2], auto_pad = "NONE">(x)',
        {},
    ),
    ("input 2 depends on", "y = Conv(x, x)", {}),
    ("batch axis", "t = Transpose<perm = [1, 0, 2, 3]>(x) y = GlobalMaxPool(t)", {}),
    ("several samples", "y = Reshape(x, two_rows)", {}),
    ("axis 0 of", "y = Softmax<axis = 0>(x)", {}),
    ("version 8 of the operators; expected 9", "y = Relu(x)", {"opset": 8}),
    (r"unknown sizes \(h, w\)", "y = Relu(x)", {"shape": ("n", 3, "h", "w")}),
    ("5 axes", "y = Relu(x)", {"shape": ("n", 3, 4, 5, 6)}),
    ("does not depend on its input", "y = Identity(beta)", {}),
    (
        "If → 'b': it reads only constants",
        "b = If(true) <then_branch = a () => (float t) {t = Abs(x)}> y = Add(b, x)",
        {},
    ),
    ("Conv → 'y': ", "y = Conv(x, of_three)", {}),
    ("5 outputs", "y, p, q, k, l = BatchNormalization(x, gamma, beta, beta, positive)", {"opset": 9}),
    (
        "training_mode 1",
        "y, p, q = BatchNormalization<training_mode = 1>(x, gamma, beta, beta, positive)",
        {"opset": 15},
    ),
    ("training_mode true, ratio 0.5", "y = Dropout(x, half, true)", {"opset": 13}),
    ("depends on its own result", "a = Add(x, b) b = Tanh(a) y = Neg(b)", {}),
)


@pytest.mark.parametrize(("text", "nodes", "options"), REFUSED, ids=[nodes for _, nodes, _ in REFUSED])
def test_nodes_without_a_counterpart_are_refused_by_name(
    text: str, nodes: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """Options are the shape of the input and the opset."""
    with pytest.raises(FormatError, match=text) as refused:
        ours(tmp_path, made(nodes, CONSTANTS, options.get("shape", SHAPE), options.get("opset", 21)))
    assert re.match(r"\S*some\.onnx: ", str(refused.value))
    assert "\n" not in str(refused.value)


def test_a_constant_opens_no_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For PostScript, Pillow would start a program."""
    content, opened = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", list[Any]()
    monkeypatch.setattr("PIL.Image.open", lambda *arguments, **_: opened.append(arguments))
    nodes = "c = ImageDecoder(e) f = Cast<to = 1>(c) s = ReduceSum(f) y = Add(x, s)"
    with pytest.raises(FormatError, match="ImageDecoder → 'c': it reads only constants"):
        ours(tmp_path, made(nodes, {"e": np.frombuffer(content, np.uint8)}, SHAPE, 20))
    assert opened == []


def test_a_file_for_one_sample_that_leaves_the_batch_size_open(tmp_path: Path) -> None:
    """ONNX Runtime refuses more samples; here each of them is computed as it would be alone."""
    model = made("r = Reshape(x, row) y = Softmax(r)", {"row": np.array([1, 120])}, SHAPE)
    loaded = agree(tmp_path, model, X[:1])
    assert_close(loaded.predict(X)[1:2], theirs(model, X[1:2]))


@pytest.mark.parametrize("product", ["MatMul(a, w)", "MatMul(v, a)"])
@pytest.mark.parametrize("end", ["y = Relu(b)", "u = Unsqueeze(b, first) y = Relu(u)", "y = Reshape(b, column)"])
def test_a_product_of_the_only_sample_as_a_vector(product: str, end: str, tmp_path: Path) -> None:
    constants = {"w": weights(24, 5), "v": weights(5, 24), "flat": np.array([-1]), "first": np.array([0])}
    nodes = f"a = Reshape(x, flat) m = {product} b = Add(m, bias) {end}"
    model = made(nodes, {**constants, "bias": weights(5), "column": np.array([5, 1])}, (1, 2, 4, 3))
    agree(tmp_path, model, weights(1, 2, 4, 3), 1e4)
