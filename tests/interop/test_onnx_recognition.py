"""Functions and normalization layers that older opsets write as several nodes, and nodes in any order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.onnx_models import agree, made

SHAPE = ("n", 4, 5)
X = np.random.default_rng(1).standard_normal((3, 4, 5)).astype(np.float32)


def number(value: float) -> Any:
    return np.array(value, np.float32)


ERF = """
    a = Div(x, root)
    b = Erf(a)
    c = Add(b, one)
    d = Mul(x, c)
    y = Mul(d, half)
"""
HALVED_ERF = """
    a = Mul(x, half)
    b = Mul(x, inverse)
    c = Erf(b)
    d = Add(one, c)
    y = Mul(a, d)
"""
TANH = """
    a = Pow(x, three)
    b = Mul(a, cubic)
    c = Add(x, b)
    d = Mul(scale, c)
    e = Tanh(d)
    f = Add(e, one)
    g = Mul(x, f)
    y = Mul(half, g)
"""
NUMBERS = {"root": 2**0.5, "inverse": 0.5**0.5, "one": 1, "half": 0.5, "three": 3, "cubic": 0.044715, "six": 6}
CONSTANTS = {name: number(value) for name, value in {**NUMBERS, "scale": (2 / np.pi) ** 0.5, "zero": 0}.items()}
CONSTANTS |= {"w": np.arange(12, dtype=np.float32).reshape(3, 4, 1), "v": np.arange(3, dtype=np.float32).reshape(3, 1)}
FUNCTIONS = {
    "exact GELU": (ERF, ["exactgelu1"]),
    "exact GELU with the half first": (HALVED_ERF, ["exactgelu1"]),
    "GELU": (TANH, ["gelu1"]),
    "SiLU": ("a = Sigmoid(x) y = Mul(a, x)", ["silu1"]),
    "Mish": ("a = Softplus(x) b = Tanh(a) y = Mul(x, b)", ["mish1"]),
    "hard swish": ("a = Add(x, three) b = Clip(a, zero, six) c = Mul(x, b) y = Div(c, six)", ["hardswish1"]),
    "softsign of ReLU": ("a = Relu(x) b = Add(a, one) y = Div(a, b)", None),
    "nodes in any order": ("y = Sigmoid(c) c = Sub(a, b) b = Neg(a) a = Tanh(x)", None),
    "nodes that lead nowhere": ('e = Einsum<equation = "abc->a">(x) y = Relu(x)', ["relu1"]),
    "a bias that is read twice": ("c = Conv(x, w) a = Add(c, v) y = Mul(a, c)", None),
}


@pytest.mark.parametrize("what", FUNCTIONS)
def test_a_function_in_several_nodes(what: str, tmp_path: Path) -> None:
    nodes, names = FUNCTIONS[what]
    model = agree(tmp_path, made(nodes, CONSTANTS, SHAPE, 13), X)
    assert names is None or [name.replace("_", "") for name in model.names] == names


@pytest.mark.parametrize("last", [1, 2])
def test_layer_normalization_in_several_nodes(last: int, tmp_path: Path) -> None:
    mean = f"ReduceMean<axes = {[*range(-last, 0)]}, keepdims = 1>"
    nodes = f"""
        m = {mean}(x)
        d = Sub(x, m)
        q = Pow(d, two)
        v = {mean}(q)
        w = Add(v, e)
        s = Sqrt(w)
        n = Div(d, s)
        g = Mul(n, "ln.weight")
        y = Add(g, "ln.bias")
    """
    gamma, beta = np.random.default_rng(2).standard_normal((2, *X.shape[-last:])).astype(np.float32)
    constants = {"two": number(2), "e": number(1e-5), "ln.weight": gamma, "ln.bias": beta}
    model = agree(tmp_path, made(nodes, constants, SHAPE, 13), X)
    assert {name: value.shape for name, value in model.weights.items()} == {"ln.gamma": (5 * 4 ** (last - 1),)} | {
        "ln.beta": (5 * 4 ** (last - 1),)
    }


def test_group_normalization_in_several_nodes(tmp_path: Path) -> None:
    nodes = """
        r = Reshape(x, rows)
        i = InstanceNormalization(r, ones, zeros)
        t = Shape(x)
        n = Reshape(i, t)
        g = Mul(n, "gn.weight")
        y = Add(g, "gn.bias")
    """
    gamma, beta = np.random.default_rng(3).standard_normal((2, 4, 1)).astype(np.float32)
    constants = {"rows": np.array([0, 2, -1]), "ones": np.ones(2, np.float32), "zeros": np.zeros(2, np.float32)}
    model = agree(tmp_path, made(nodes, constants | {"gn.weight": gamma, "gn.bias": beta}, SHAPE, 13), X)
    assert model.weights.keys() == {"gn.gamma", "gn.beta"}


def test_constants_are_not_trained_and_take_no_name_of_a_layer(tmp_path: Path) -> None:
    """Apply SELU, a scale by position and a concatenated constant between two convolutions."""
    w = np.random.default_rng(4).standard_normal((4, 4, 1)).astype(np.float32)
    nodes = """
        a = Conv(x, w)
        b = Selu(a)
        c = Mul(b, k)
        d = Concat<axis = 2>(c, c0)
        y = Conv(d, w2)
    """
    constants = {"w": w, "w2": 2 * w, "k": np.arange(20, dtype=np.float32).reshape(4, 5), "c0": w[:1, :, :1]}
    model = agree(tmp_path, made(nodes, constants, (1, 4, 5), 13), X[:1])
    assert [name for name in model.names if name.startswith("conv")] == ["conv1", "conv2"]
    assert model.trainable_layout.keys() == {"conv1.w", "conv2.w"}
