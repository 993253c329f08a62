"""Functions and normalization layers that older opsets write as several nodes, and nodes in any order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.onnx_models import agree, made, ours
from onnx import helper

from chainrule.errors import FormatError

NODE = helper.make_node
SHAPE = ("n", 4, 5)
X = np.random.default_rng(1).standard_normal((3, 4, 5)).astype(np.float32)


def number(value: float) -> Any:
    return np.array(value, np.float32)


def chain(*steps: tuple[str, str]) -> list[Any]:
    """Return nodes from pairs (operator, inputs); the result of step k is named vk, and the last one y."""
    names = [*(f"v{k}" for k in range(len(steps) - 1)), "y"]
    return [NODE(operator, inputs.split(), [name]) for (operator, inputs), name in zip(steps, names, strict=True)]


ERF = chain(("Div", "x root"), ("Erf", "v0"), ("Add", "v1 one"), ("Mul", "x v2"), ("Mul", "v3 half"))
HALVED_ERF = chain(("Mul", "x half"), ("Mul", "x inverse"), ("Erf", "v1"), ("Add", "one v2"), ("Mul", "v0 v3"))
CUBE = (("Pow", "x three"), ("Mul", "v0 cubic"), ("Add", "x v1"), ("Mul", "scale v2"), ("Tanh", "v3"))
TANH = chain(*CUBE, ("Add", "v4 one"), ("Mul", "x v5"), ("Mul", "half v6"))
CONSTANTS = {
    name: number(value)
    for name, value in {
        "root": 2**0.5,
        "inverse": 0.5**0.5,
        "one": 1,
        "half": 0.5,
        "three": 3,
        "cubic": 0.044715,
        "six": 6,
        "scale": (2 / np.pi) ** 0.5,
        "zero": 0,
    }.items()
}
FUNCTIONS = {
    "exact GELU": (ERF, ["exactgelu1"]),
    "exact GELU with the half first": (HALVED_ERF, ["exactgelu1"]),
    "GELU": (TANH, ["gelu1"]),
    "SiLU": (chain(("Sigmoid", "x"), ("Mul", "v0 x")), ["silu1"]),
    "Mish": (chain(("Softplus", "x"), ("Tanh", "v0"), ("Mul", "x v1")), ["mish1"]),
    "hard swish": (
        chain(("Add", "x three"), ("Clip", "v0 zero six"), ("Mul", "x v1"), ("Div", "v2 six")),
        ["hardswish1"],
    ),
    "softsign of ReLU": (chain(("Relu", "x"), ("Add", "v0 one"), ("Div", "v0 v1")), None),
}


@pytest.mark.parametrize("what", FUNCTIONS)
def test_a_function_in_several_nodes(what: str, tmp_path: Path) -> None:
    nodes, names = FUNCTIONS[what]
    model = agree(tmp_path, made(nodes, CONSTANTS, SHAPE, 13), X)
    assert names is None or [name.replace("_", "") for name in model.names] == names


@pytest.mark.parametrize("last", [1, 2])
def test_layer_normalization_in_several_nodes(last: int, tmp_path: Path) -> None:
    axes = {"axes": [*range(-last, 0)], "keepdims": 1}
    nodes = [
        NODE("ReduceMean", ["x"], ["m"], **axes),
        *(NODE("Sub", ["x", "m"], ["d"]), NODE("Pow", ["d", "two"], ["q"]), NODE("ReduceMean", ["q"], ["v"], **axes)),
        *(NODE("Add", ["v", "e"], ["w"]), NODE("Sqrt", ["w"], ["s"]), NODE("Div", ["d", "s"], ["n"])),
        *(NODE("Mul", ["n", "ln.weight"], ["g"]), NODE("Add", ["g", "ln.bias"], ["y"])),
    ]
    gamma, beta = np.random.default_rng(2).standard_normal((2, *X.shape[-last:])).astype(np.float32)
    constants = {"two": number(2), "e": number(1e-5), "ln.weight": gamma, "ln.bias": beta}
    model = agree(tmp_path, made(nodes, constants, SHAPE, 13), X)
    assert {name: value.shape for name, value in model.weights.items()} == {"ln.gamma": (5 * 4 ** (last - 1),)} | {
        "ln.beta": (5 * 4 ** (last - 1),)
    }


def test_group_normalization_in_several_nodes(tmp_path: Path) -> None:
    nodes = [
        *(NODE("Reshape", ["x", "rows"], ["r"]), NODE("InstanceNormalization", ["r", "ones", "zeros"], ["i"])),
        *(NODE("Shape", ["x"], ["t"]), NODE("Reshape", ["i", "t"], ["n"])),
        *(NODE("Mul", ["n", "gn.weight"], ["g"]), NODE("Add", ["g", "gn.bias"], ["y"])),
    ]
    gamma, beta = np.random.default_rng(3).standard_normal((2, 4, 1)).astype(np.float32)
    constants = {"rows": np.array([0, 2, -1]), "ones": np.ones(2, np.float32), "zeros": np.zeros(2, np.float32)}
    model = agree(tmp_path, made(nodes, constants | {"gn.weight": gamma, "gn.bias": beta}, SHAPE, 13), X)
    assert model.weights.keys() == {"gn.gamma", "gn.beta"}


def test_constants_are_not_trained_and_take_no_name_of_a_layer(tmp_path: Path) -> None:
    """Apply SELU, a scale by position and a concatenated constant between two convolutions."""
    w = np.random.default_rng(4).standard_normal((4, 4, 1)).astype(np.float32)
    nodes = [NODE("Conv", ["x", "w"], ["a"]), NODE("Selu", ["a"], ["b"]), NODE("Mul", ["b", "k"], ["c"])]
    nodes += [NODE("Concat", ["c", "c0"], ["d"], axis=2), NODE("Conv", ["d", "w2"], ["y"])]
    constants = {"w": w, "w2": 2 * w, "k": np.arange(20, dtype=np.float32).reshape(4, 5), "c0": w[:1, :, :1]}
    model = agree(tmp_path, made(nodes, constants, (1, 4, 5), 13), X[:1])
    assert [name for name in model.names if name.startswith("conv")] == ["conv1", "conv2"]
    assert model.trainable_layout.keys() == {"conv1.w", "conv2.w"}


def test_nodes_in_any_order(tmp_path: Path) -> None:
    nodes = chain(("Tanh", "x"), ("Neg", "v0"), ("Sub", "v0 v1"), ("Sigmoid", "v2"))[::-1]
    agree(tmp_path, made(nodes, {}, SHAPE, 13), X)
    cycle = [NODE("Add", ["x", "b"], ["a"]), NODE("Tanh", ["a"], ["b"]), NODE("Neg", ["b"], ["y"])]
    with pytest.raises(FormatError, match="depends on its own result"):
        ours(tmp_path, made(cycle, {}, SHAPE, 13))


def test_quantized_weights_are_computed(tmp_path: Path) -> None:
    w = np.random.default_rng(5).integers(-127, 127, (5, 3)).astype(np.int8)
    scale, zero = np.array([0.1, 0.02, 0.3], np.float32), np.array([1, -2, 0], np.int8)
    nodes = [NODE("DequantizeLinear", ["w", "s", "z"], ["f"], axis=1), NODE("MatMul", ["x", "f"], ["y"])]
    model = made(nodes, {"w": w, "s": scale, "z": zero}, SHAPE, 13)
    expected = X @ ((w.astype(np.float32) - zero) * scale)
    np.testing.assert_allclose(ours(tmp_path, model).predict(X), expected, rtol=1e-5, atol=1e-5)
