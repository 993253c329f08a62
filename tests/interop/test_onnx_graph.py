"""Graphs of ONNX: constants folded, shared weights, what is refused and how."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.onnx_models import agree, made, ours
from onnx import TensorProto, helper

import chainrule as cr
from chainrule.errors import FormatError

NODE = helper.make_node
X = np.random.default_rng(0).standard_normal((3, 4, 6, 6)).astype(np.float32)


def weights(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def test_the_arithmetic_that_exporters_leave_behind_is_folded(tmp_path: Path) -> None:
    nodes = [
        NODE("Shape", ["x"], ["s"]),
        NODE("Gather", ["s", "zero"], ["n"], axis=0),
        NODE("Unsqueeze", ["n", "axes"], ["first"]),
        NODE("Constant", [], ["rest"], value=helper.make_tensor("r", TensorProto.INT64, (1,), [-1])),
        NODE("Concat", ["first", "rest"], ["target"], axis=0),
        NODE("Relu", ["x"], ["r"]),
        NODE("Reshape", ["r", "target"], ["y"]),
    ]
    model = agree(tmp_path, made(nodes, {"zero": np.array(0), "axes": np.array([0])}, ("n", 4, 6, 6)), X)
    assert model.names == ["relu1", "flatten1"]


def test_weights_that_are_computed_from_constants(tmp_path: Path) -> None:
    nodes = [
        NODE("Div", ["w", "scale"], ["v"]),
        NODE("Transpose", ["v"], ["t"], perm=[1, 0, 2, 3]),
        NODE("Conv", ["x", "t"], ["y"]),
    ]
    agree(tmp_path, made(nodes, {"w": weights(4, 5, 3, 3), "scale": np.float32(3)}, ("n", 4, 6, 6)), X)


def test_a_constant_that_is_added_to_a_convolution_is_its_bias(tmp_path: Path) -> None:
    nodes = [NODE("Conv", ["x", "stem.weight"], ["c"]), NODE("Add", ["b", "c"], ["y"])]
    constants = {"stem.weight": weights(5, 4, 3, 3), "b": weights(5, 1, 1)}
    model = agree(tmp_path, made(nodes, constants, ("n", 4, 6, 6)), X)
    assert model.names == ["stem"]
    np.testing.assert_array_equal(model.weights["stem.b"], constants["b"].ravel())


def test_a_bias_is_not_taken_from_a_result_that_is_read_twice(tmp_path: Path) -> None:
    nodes = [NODE("Conv", ["x", "w"], ["c"]), NODE("Add", ["b", "c"], ["a"]), NODE("Mul", ["a", "c"], ["y"])]
    agree(tmp_path, made(nodes, {"w": weights(5, 4, 3, 3), "b": weights(5, 1, 1)}, ("n", 4, 6, 6)), X)


def test_nodes_of_the_same_weights_are_one_layer(tmp_path: Path) -> None:
    constants = {"w": weights(4, 4, 3, 3), "b": weights(4)}
    nodes = [
        NODE("Conv", ["x", "w", "b"], ["a"], pads=[1, 1, 1, 1]),
        NODE("Conv", ["a", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        NODE("Conv", ["c", "w", "b"], ["y"], pads=[1, 1, 1, 1], strides=[2, 2]),
    ]
    model = agree(tmp_path, made(nodes, constants, ("n", 4, 6, 6)), X)
    assert len(model.weights) == 4  # of the first two, and of the one with another stride
    assert model.wiring.owners == (0, 0, 2)


def test_axes_are_permuted_only_where_a_layer_needs_it(tmp_path: Path) -> None:
    """A block of ConvNeXt: layer normalization, dense layers and a scale where the channels are last."""
    constants = {name: weights(4) for name in ("gamma", "beta", "scale")}
    constants |= {"w1": weights(4, 8), "b1": weights(8), "w2": weights(8, 4), "b2": weights(4)}
    nodes = [
        NODE("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
        NODE("LayerNormalization", ["t", "gamma", "beta"], ["n"]),
        NODE("MatMul", ["n", "w1"], ["m1"]),
        NODE("Add", ["m1", "b1"], ["d1"]),
        NODE("Gelu", ["d1"], ["g"]),
        NODE("MatMul", ["g", "w2"], ["m2"]),
        NODE("Add", ["b2", "m2"], ["d2"]),
        NODE("Mul", ["d2", "scale"], ["s"]),
        NODE("Transpose", ["s"], ["u"], perm=[0, 3, 1, 2]),
        NODE("Add", ["u", "x"], ["y"]),
    ]
    model = agree(tmp_path, made(nodes, constants, ("n", 4, 6, 6), 22), X)
    kinds = [name.rstrip("0123456789") for name in model.names]
    assert kinds.count("permute") == 2  # around the normalization


def test_nodes_that_lead_nowhere_are_left_out(tmp_path: Path) -> None:
    nodes = [NODE("Einsum", ["x"], ["e"], equation="abcd->a"), NODE("Relu", ["x"], ["y"])]
    assert ours(tmp_path, made(nodes, {}, ("n", 4, 6, 6))).names == ["relu1"]


def test_float64_stays_float64(tmp_path: Path) -> None:
    w = weights(3, 24).astype(np.float64)
    model = made([NODE("Gemm", ["x", "w"], ["y"], transB=1)], {"w": w}, ("n", 24), kind=TensorProto.DOUBLE)
    x = np.random.default_rng(1).standard_normal((5, 24))
    loaded = agree(tmp_path, model, x, 1e-14)
    assert loaded.dtype == np.float64


def test_what_is_imported_saved_and_loaded_gives_the_same_bits(tmp_path: Path) -> None:
    nodes = [NODE("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), NODE("Add", ["c", "x"], ["y"])]
    model = ours(tmp_path, made(nodes, {"w": weights(4, 4, 3, 3)}, ("n", 4, 6, 6)))
    model.save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors", engine="numpy")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


SHAPE = ("n", 4, 6, 6)
REFUSED: dict[str, tuple[list[Any], dict[str, Any], tuple[Any, ...], int, str]] = {
    "an operator": ([NODE("Det", ["x"], ["y"], "det")], {}, SHAPE, 21, "Det 'det': .*no layer"),
    "a domain": ([NODE("Relu", ["x"], ["y"], domain="com.other")], {}, SHAPE, 21, "Relu.*'com.other'"),
    "an attribute": (
        [NODE("MaxPool", ["x"], ["y"], "p", kernel_shape=[2, 2], auto_pad="NONE")],
        {},
        SHAPE,
        21,
        r"MaxPool 'p': auto_pad 'NONE'; expected NOTSET",
    ),
    "a kernel that is computed": ([NODE("Conv", ["x", "x"], ["y"])], {}, SHAPE, 21, "input 2 depends on"),
    "another batch axis": ([NODE("Transpose", ["x"], ["y"], perm=[1, 0, 2, 3])], {}, SHAPE, 21, "perm"),
    "samples that are mixed": ([NODE("Reshape", ["x", "s"], ["y"])], {"s": np.array([2, -1])}, SHAPE, 21, "batch axis"),
    "softmax over samples": ([NODE("Softmax", ["x"], ["y"], axis=0)], {}, SHAPE, 21, "axis 0 of"),
    "an old opset": ([NODE("Relu", ["x"], ["y"])], {}, SHAPE, 5, "version 5 of the operators; expected 6"),
    "a size that is unknown": ([NODE("Relu", ["x"], ["y"])], {}, ("n", 3, "h", "w"), 21, r"unknown sizes \(h, w\)"),
    "five axes": ([NODE("Relu", ["x"], ["y"])], {}, ("n", 3, 4, 5, 6), 21, "5 axes"),
    "no input": ([NODE("Identity", ["c"], ["y"])], {"c": np.ones(3)}, SHAPE, 21, "does not depend on its input"),
    "a wrong size": ([NODE("Conv", ["x", "w"], ["y"])], {"w": weights(2, 3, 3, 3)}, SHAPE, 21, "Conv → 'y': "),
}
STATISTICS = {name: np.ones(4, np.float32) for name in ("s", "b", "m", "v")}
RATE = {"r": np.float32(0.5), "t": np.array(True)}
TRAINING: dict[str, tuple[Any, dict[str, Any], int, str]] = {
    "batch statistics by a test mode": (NODE("BatchNormalization", [*"xsbmv"], ["y"], is_test=0), STATISTICS, 6, "is_"),
    "batch statistics by default": (NODE("BatchNormalization", [*"xsbmv"], ["y"]), STATISTICS, 6, "is_test 0"),
    "batch statistics by outputs": (NODE("BatchNormalization", [*"xsbmv"], [*"ypqkl"]), STATISTICS, 9, "5 outputs"),
    "batch statistics by an attribute": (
        NODE("BatchNormalization", [*"xsbmv"], [*"ypq"], training_mode=1),
        STATISTICS,
        15,
        "training_mode 1",
    ),
    "another normalization for each entry": (
        NODE("BatchNormalization", [*"xsbmv"], ["y"], spatial=0),
        {name: np.ones((4, 6, 6), np.float32) for name in STATISTICS},
        8,
        "spatial 0",
    ),
    "dropout by a test mode": (NODE("Dropout", ["x"], ["y"], is_test=0), {}, 6, "is_test 0, ratio 0.5"),
    "dropout by default": (NODE("Dropout", ["x"], ["y"]), {}, 6, "is_test 0, ratio 0.5"),
    "dropout by an input": (NODE("Dropout", [*"xrt"], ["y"]), RATE, 13, "training_mode true, ratio 0.5"),
}
REFUSED |= {what: ([node], values, SHAPE, opset, text) for what, (node, values, opset, text) in TRAINING.items()}
REFUSED["dropout of a constant"] = (
    [NODE("Dropout", [*"crt"], ["d"]), NODE("Add", ["x", "d"], ["y"])],
    RATE | {"c": np.ones(6, np.float32)},
    SHAPE,
    13,
    "Dropout → 'd': training_mode true",
)


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_expressed_is_refused_by_name(what: str, tmp_path: Path) -> None:
    nodes, constants, shape, opset, text = REFUSED[what]
    with pytest.raises(FormatError, match=text) as refused:
        ours(tmp_path, made(nodes, constants, shape, opset))
    assert re.match(r"\S*some\.onnx: ", str(refused.value))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("node", "constants", "opset"),
    [
        (NODE("Dropout", [*"xrt"], ["d"]), {"r": np.float32(0), "t": np.array(True)}, 13),
        (NODE("Dropout", [*"xrt"], ["d"]), {"r": np.float32(0.5), "t": np.array(False)}, 13),
        (NODE("Dropout", ["x"], ["d"], ratio=0.4), {}, 7),
        (NODE("BatchNormalization", [*"xsbmv"], ["d"]), STATISTICS, 9),
        (NODE("BatchNormalization", [*"xsbmv"], ["d"], training_mode=0), STATISTICS, 14),
    ],
)
def test_inference_is_not_taken_for_training(node: Any, constants: dict[str, Any], opset: int, tmp_path: Path) -> None:
    agree(tmp_path, made([node, NODE("Tanh", ["d"], ["y"])], constants, SHAPE, opset), X)


def test_inference_that_old_versions_state(tmp_path: Path) -> None:
    """ONNX Runtime has no such old operators: what they compute is y = (x − m) / √(v + ε), and the input."""
    constants = {name: np.full(4, value, np.float32) for name, value in zip("sbmv", (1, 0, 5, 4), strict=True)}
    nodes = [NODE("BatchNormalization", [*"xsbmv"], ["n"], is_test=1), NODE("Dropout", ["n"], ["y"], is_test=1)]
    loaded = ours(tmp_path, made(nodes, constants, SHAPE, 6))
    np.testing.assert_allclose(loaded.predict(X), (X - 5) / np.sqrt(4 + 1e-5), atol=1e-6)


def test_computed_constants_are_bounded(tmp_path: Path) -> None:
    """Each of them is allowed, and needs hundreds of megabytes; views of one number are free."""
    nodes = [NODE("Expand", ["one", "size"], ["e0"])]
    nodes += [NODE("Add", ["e0", "one"], [f"e{k}"]) for k in range(1, 9)]
    nodes += [NODE("Sum", [f"e{k}" for k in range(9)], ["c"]), NODE("MatMul", ["x", "c"], ["y"])]
    constants = {"one": np.int8(1), "size": np.array([24, 2**22])}
    with pytest.raises(FormatError, match=r"Add → 'e\d': computed constants of .* expected at most"):
        ours(tmp_path, made(nodes, constants, ("n", 24)))
    with pytest.raises(FormatError, match="a constant of shape"):
        ours(tmp_path, made(nodes, constants | {"size": np.array([2**20, 2**20])}, ("n", 24)))
