"""Graphs of ONNX: constants folded, shared weights, what is refused and how."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.onnx_models import agree, made, ours
from numerical import assert_close

from chainrule.errors import FormatError

X = np.random.default_rng(0).standard_normal((3, 4, 6, 6)).astype(np.float32)


def weights(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("size", [4, 5])
def test_a_condition_that_is_known_selects_a_branch(size: int, tmp_path: Path) -> None:
    """Branches read values from outside, also of outer branches, and have constants of their own."""
    inner = "inner () => (float u) {{ g = Sigmoid({}) u = Add(g, d) }}"
    nodes = f"""
        c = Conv(x, w)
        d = Neg(c)
        unused = Add(c, c)
        s = Shape(c)
        n = Gather<axis = 0>(s, one)
        same = Equal(n, size)
        z = If(same) <
            then_branch = then () => (float t) {{
                no = Not(same)
                t = If(no) <then_branch = {inner.format("unused")}, else_branch = {inner.format("c")}>
            }},
            else_branch = other () => (float e) {{ k = Constant<value_float = 3.0>() e = Mul(c, k) }}
        >
        y = Tanh(z)
    """
    constants = {"w": weights(4, 4, 1, 1), "one": np.array([1]), "size": np.array([size])}
    names = agree(tmp_path, made(nodes, constants, ("n", 4, 6, 6)), X).names
    assert [*names[1:-1]] == (["sigmoid1", "rescaling1", "add1"] if size == 4 else ["rescaling1"])


def test_a_constant_that_is_added_to_a_convolution_is_its_bias(tmp_path: Path) -> None:
    nodes = """
        c = Conv(x, "stem.weight")
        y = Add(b, c)
    """
    constants = {"stem.weight": weights(5, 4, 3, 3), "b": weights(5, 1, 1)}
    model = agree(tmp_path, made(nodes, constants, ("n", 4, 6, 6)), X)
    assert model.names == ["stem"]
    np.testing.assert_array_equal(model.weights["stem.b"], constants["b"].ravel())


def test_nodes_of_the_same_weights_are_one_layer(tmp_path: Path) -> None:
    constants = {"w": weights(4, 4, 3, 3), "b": weights(4)}
    nodes = """
        a = Conv<pads = [1, 1, 1, 1]>(x, w, b)
        c = Conv<pads = [1, 1, 1, 1]>(a, w, b)
        y = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(c, w, b)
    """
    model = agree(tmp_path, made(nodes, constants, ("n", 4, 6, 6)), X)
    assert len(model.weights) == 4  # of the first two, and of the one with another stride
    assert model.wiring.owners == (0, 0, 2)


def test_axes_are_permuted_only_where_a_layer_needs_it(tmp_path: Path) -> None:
    """A block of ConvNeXt: layer normalization, dense layers and a scale where the channels are last."""
    constants = {name: weights(4) for name in ("gamma", "beta", "scale")}
    constants |= {"w1": weights(4, 8), "b1": weights(8), "w2": weights(8, 4), "b2": weights(4)}
    nodes = """
        t = Transpose<perm = [0, 2, 3, 1]>(x)
        n = LayerNormalization(t, gamma, beta)
        m1 = MatMul(n, w1)
        d1 = Add(m1, b1)
        g = Gelu(d1)
        m2 = MatMul(g, w2)
        d2 = Add(b2, m2)
        s = Mul(d2, scale)
        u = Transpose<perm = [0, 3, 1, 2]>(s)
        y = Add(u, x)
    """
    model = agree(tmp_path, made(nodes, constants, ("n", 4, 6, 6), 22), X)
    kinds = [name.rstrip("0123456789") for name in model.names]
    assert kinds.count("permute") == 2  # around the normalization


SHAPE = ("n", 4, 6, 6)
STATISTICS = {name: np.ones(4, np.float32) for name in ("s", "b", "m", "v")}
OF_ENTRIES = {name: np.ones((4, 6, 6), np.float32) for name in STATISTICS}
RATE = {"r": np.float32(0.5), "t": np.array(True)}
INFINITE = {"m": np.arange(6) < 5, "f": np.array([np.inf, 1, 1, 1, 1, 1], np.float32)}
REFUSED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Det 'det': .*no layer", "[det] y = Det(x)", {}),
    ("Relu.*'com.other'", "y = com.other.Relu(x)", {}),
    (
        "MaxPool 'p': auto_pad 'NONE'; expected NOTSET",
        '[p] y = MaxPool<kernel_shape = [2, 2], auto_pad = "NONE">(x)',
        {},
    ),
    ("input 2 depends on", "y = Conv(x, x)", {}),
    ("batch axis", "t = Transpose<perm = [1, 0, 2, 3]>(x) y = GlobalMaxPool(t)", {}),
    ("several samples", "y = Reshape(x, s)", {"s": np.array([2, -1])}),
    ("axis 0 of", "y = Softmax<axis = 0>(x)", {}),
    ("version 5 of the operators; expected 6", "y = Relu(x)", {"opset": 5}),
    (r"unknown sizes \(h, w\)", "y = Relu(x)", {"shape": ("n", 3, "h", "w")}),
    ("5 axes", "y = Relu(x)", {"shape": ("n", 3, 4, 5, 6)}),
    ("does not depend on its input", "y = Identity(c)", {"c": np.ones(3)}),
    ("equation abcd->ab", 'y = Einsum<equation = "abcd->ab">(x)', {}),
    ("input 3 with infinite elements", "y = Where(m, x, f)", INFINITE),
    (
        "If → 'y': input 1 depends on",
        "g = Cast<to = 9>(x) y = If(g) <then_branch = a () => (float t) {t = Abs(x)}>",
        {},
    ),
    ("Conv → 'y': ", "y = Conv(x, w)", {"w": weights(2, 3, 3, 3)}),
    ("is_test 0", "y = BatchNormalization(x, s, b, m, v)", {"opset": 6, **STATISTICS}),
    ("5 outputs", "y, p, q, k, l = BatchNormalization(x, s, b, m, v)", {"opset": 9, **STATISTICS}),
    ("training_mode 1", "y, p, q = BatchNormalization<training_mode = 1>(x, s, b, m, v)", {"opset": 15, **STATISTICS}),
    ("spatial 0", "y = BatchNormalization<spatial = 0>(x, s, b, m, v)", {"opset": 8, **OF_ENTRIES}),
    ("is_test 0, ratio 0.5", "y = Dropout(x)", {"opset": 6}),
    ("training_mode true, ratio 0.5", "y = Dropout(x, r, t)", {"opset": 13, **RATE}),
    ("depends on its own result", "a = Add(x, b) b = Tanh(a) y = Neg(b)", {}),
)


@pytest.mark.parametrize(("text", "nodes", "options"), REFUSED, ids=[nodes for _, nodes, _ in REFUSED])
def test_nodes_without_a_counterpart_are_refused_by_name(
    text: str, nodes: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """Options are the shape of the input, the opset, and constants by name."""
    constants = {name: value for name, value in options.items() if name not in ("shape", "opset")}
    with pytest.raises(FormatError, match=text) as refused:
        ours(tmp_path, made(nodes, constants, options.get("shape", SHAPE), options.get("opset", 21)))
    assert re.match(r"\S*some\.onnx: ", str(refused.value))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("node", "constants", "opset"),
    [
        ("d = Dropout(x, r, t)", {"r": np.float32(0), "t": np.array(True)}, 13),
        ("d = Dropout(x, r, t)", {"r": np.float32(0.5), "t": np.array(False)}, 13),
        ("d = BatchNormalization<training_mode = 0>(x, s, b, m, v)", STATISTICS, 14),
    ],
)
def test_inference_is_not_taken_for_training(node: str, constants: dict[str, Any], opset: int, tmp_path: Path) -> None:
    agree(tmp_path, made(f"{node} y = Tanh(d)", constants, SHAPE, opset), X)


def test_inference_that_old_versions_state(tmp_path: Path) -> None:
    """ONNX Runtime has no such old operators: what they compute is y = (x − m) / √(v + ε), and the input."""
    constants = {name: np.full(4, value, np.float32) for name, value in zip("sbmv", (1, 0, 5, 4), strict=True)}
    nodes = """
        n = BatchNormalization<is_test = 1>(x, s, b, m, v)
        y = Dropout<is_test = 1>(n)
    """
    loaded = ours(tmp_path, made(nodes, constants, SHAPE, 6))
    assert_close(loaded.predict(X), (X - 5) / np.sqrt(4 + 1e-5))


def test_a_constant_opens_no_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For PostScript, Pillow would start a program."""
    content, opened = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", list[Any]()
    monkeypatch.setattr("PIL.Image.open", lambda *arguments, **_: opened.append(arguments))
    nodes = "c = ImageDecoder(e) f = Cast<to = 1>(c) s = ReduceSum(f) y = Add(x, s)"
    with pytest.raises(FormatError, match="ImageDecoder → 'c': it reads only constants"):
        ours(tmp_path, made(nodes, {"e": np.frombuffer(content, np.uint8)}, SHAPE, 20))
    assert opened == []
