"""Functions of keras.ops, rare activations, and TensorFlow functions in files of Keras 2."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from interop.keras_models import agree, keras
from numerical import assert_close

import chainrule as cr
from chainrule.errors import FormatError

L, ops = keras.layers, keras.ops
X = np.random.default_rng(0).standard_normal((3, 6, 5, 4)).astype(np.float32)
VECTOR = np.array([1.0, -2.0, 0.5, 3.0], np.float32)

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "arithmetic": lambda x: 2 / (1 + abs(3 - x) + x * x) - x / 4 + x**3 - x**2,
    "vectors": lambda x: ops.divide(VECTOR, 2 + abs(ops.multiply(VECTOR, x) - VECTOR)),
    "elementary": lambda x: ops.sqrt(ops.exp(x)) + ops.log(1 + ops.square(x)) - ops.rsqrt(2 + ops.square(x)),
    "bounds": lambda x: ops.maximum(ops.minimum(x, 0.7), -x) + ops.maximum(x, 0.2) + ops.clip(x, -0.5, 0.3),
    "activations": lambda x: (
        ops.relu(x)
        + ops.leaky_relu(x, 0.1)
        + ops.silu(x)
        + ops.gelu(x)
        + ops.elu(x, 0.5)
        + ops.celu(x, 0.3)
        + ops.hard_shrink(x, 0.4)
        - ops.soft_shrink(x, 0.7)
    ),
    "softmax": lambda x: (
        ops.softmax(x, axis=2)
        + ops.gelu(x, approximate=False)
        + ops.log_softmax(x, axis=1)
        + ops.threshold(x, 0.3, -1.0)
    ),
    "means": lambda x: ops.mean(x, axis=(1, 2)) + ops.sum(ops.max(x, axis=2), axis=1) - ops.min(x, axis=(1, 2)),
    "kept axes": lambda x: (
        x * ops.mean(x, axis=(1, 2), keepdims=True)
        + ops.max(x, axis=-1, keepdims=True)
        + ops.sum(x, axis=(1, 2, 3), keepdims=True)
    ),
    "shapes": lambda x: ops.reshape(ops.transpose(ops.relu(x), (0, 3, 1, 2)), (-1, 10, 12)),
    "moved axes": lambda x: ops.squeeze(ops.expand_dims(ops.moveaxis(ops.swapaxes(ops.sigmoid(x), 1, 2), -1, 1), 2), 2),
    "joined": lambda x: ops.concatenate([ops.stack([x, 2 * x], axis=3)[:, :, :, 1], ops.flip(x, axis=1)], axis=-1),
    "indices": lambda x: ops.concatenate(
        [x[:, 1:5, ::2], ops.pad(x, ((0, 0), (1, 1), (0, 1), (0, 0)))[:, ::-2, :3]], 3
    ),
    "one index": lambda x: ops.relu(x[:, -1, ..., None])[..., 0] + x[:, 0],
    "indices in lists": lambda x: ops.take(x, [[1, 2]], 1)[:, 0] + ops.take(x[:, :2], [3], 3),
    "resized": lambda x: ops.image.resize(x, (9, 4)),
    "constants of several axes": lambda x: (x + X[:1]) * X[0, 0] + X[0, :, :1] - X[0, :, 0, :].reshape(6, 1, 4),
    "broadcasts": lambda x: (x[:, :1, :, :1] + x[:, :, :1, 1:2]) * x[:, :1, :1] + x,
    "comparisons": lambda x: (
        ops.where(ops.logical_and(x > 0.2, ops.less_equal(x, 1.0)), x, 2 * x[:, ::-1])
        + ops.cast(ops.not_equal(x, X[0]), "float32") * ops.sign(x)
        + ops.where(ops.logical_not(x >= x[:, :, :1]), -1.0, x)
    ),
    "parts": lambda x: (
        ops.split(x, [1, 3], -1)[1] * ops.unstack(x, axis=1)[2][:, None, :, :2] + ops.split(x, 2, axis=3)[1]
    ),
    "repeated": lambda x: ops.roll(ops.repeat(x, 2, axis=1)[:, 3:9] + ops.tile(x[:, :2], (1, 3, 1, 1)), 1, axis=2),
    "padded": lambda x: (
        ops.pad(x, ((0, 0), (2, 0), (0, 1), (1, 1)), "reflect")
        + ops.pad(x, ((0, 0), (2, 0), (0, 1), (1, 1)), "symmetric")
        + ops.pad(x, ((0, 0), (2, 0), (0, 1), (1, 1)))
        + ops.pad(x, ((0, 0), (2, 0), (0, 1), (1, 1)), constant_values=0.5)
    ),
    "products": lambda x: ops.prod(x, axis=(1, 3)) + ops.min(x, axis=(3, 1)),
    "several inputs": lambda x: L.Maximum()([x, -x, 2 * x]) - L.Minimum()([x, 3 * x]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str, tmp_path: Path) -> None:
    x = keras.Input(X.shape[1:])
    agree(tmp_path, keras.Model(x, FUNCTIONS[name](x)), 1)


def lambda_layer(name: str, function: str, *nodes: Any) -> dict[str, Any]:
    return {
        "class_name": "TFOpLambda",
        "name": name,
        "config": {"name": name, "function": function},
        "inbound_nodes": [*nodes],
    }


def op_layer(name: str, op: str, constants: Any, *nodes: Any, **attributes: Any) -> dict[str, Any]:
    node = {"name": name, "op": op, "attr": {key: {"b": value} for key, value in attributes.items()}}
    config = {"name": name.removeprefix("tf_op_layer_"), "node_def": node, "constants": constants}
    return {"class_name": "TensorFlowOpLayer", "name": name, "config": config, "inbound_nodes": [*nodes]}


OLD_FILES: dict[str, tuple[list[dict[str, Any]], Callable[[Any], Any]]] = {
    "numbers": (
        [
            lambda_layer("a", "__operators__.add", ["x", 0, 0, {"y": 0.5, "name": None}]),
            lambda_layer("b", "math.subtract", ["_CONSTANT_VALUE", -1, 2.0, {"y": ["a", 0, 0], "name": None}]),
            lambda_layer("c", "math.multiply", ["b", 0, 0, {"y": ["x", 0, 0], "name": None}]),
            lambda_layer("d", "nn.relu", ["c", 0, 0, {"name": None}]),
        ],
        lambda x: np.maximum((1.5 - x) * x, 0),
    ),
    "axes": (
        [
            lambda_layer("a", "concat", [["x", 0, 0, {"axis": -1}], ["x", 0, 0, {"axis": -1}]]),
            lambda_layer("b", "math.reduce_mean", ["a", 0, 0, {"axis": [1, 2], "keepdims": True}]),
            lambda_layer("c", "reshape", ["b", 0, 0, {"shape": [-1, 8]}]),
        ],
        lambda x: np.concatenate([x, x], -1).mean((1, 2)),
    ),
    "a layer that Keras 3 does not have": (
        [
            {
                "class_name": "ThresholdedReLU",
                "config": {"name": "t", "theta": 0.3},
                "name": "t",
                "inbound_nodes": [[["x", 0, 0, {}]]],
            }
        ],
        lambda x: np.where(x > 0.3, x, 0),
    ),
    "operations": (
        [
            op_layer("tf_op_layer_a", "Sub", {"0": 1.0}, [["x", 0, 0, {}]]),
            op_layer("tf_op_layer_b", "AddV2", None, [["tf_op_layer_a", 0, 0, {}], ["x", 0, 0, {}]]),
            op_layer("tf_op_layer_c", "Mul", {"1": 3.0}, [["tf_op_layer_b", 0, 0, {}]]),
            op_layer("tf_op_layer_d", "Mean", {"1": [1, 2]}, [["x", 0, 0, {}]], keep_dims=True),
            op_layer("tf_op_layer_e", "Sub", None, [["tf_op_layer_c", 0, 0, {}], ["tf_op_layer_d", 0, 0, {}]]),
        ],
        lambda x: 3.0 - x.mean((1, 2), keepdims=True) + 0 * x,
    ),
}


def written(folder: Path, layers: list[dict[str, Any]]) -> Path:
    """Return a file of Keras 2 without weights."""
    shape = [None, *X.shape[1:]]
    first = {
        "class_name": "InputLayer",
        "config": {"name": "x", "batch_input_shape": shape},
        "name": "x",
        "inbound_nodes": [],
    }
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [[layers[-1]["name"], 0, 0]]}
    config = {"class_name": "Functional", "config": {"name": "m", "layers": [first, *layers], **ends}}
    with h5py.File(folder / "m.h5", "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.4.0"
    return folder / "m.h5"


@pytest.mark.parametrize("name", OLD_FILES)
def test_functions_of_tensorflow_in_old_files(name: str, tmp_path: Path) -> None:
    layers, expected = OLD_FILES[name]
    actual = cr.load(written(tmp_path, layers), engine="numpy").predict(np.ascontiguousarray(np.moveaxis(X, -1, 1)))
    outputs = expected(X)
    assert_close(actual, np.moveaxis(outputs, -1, 1) if outputs.ndim > 2 else outputs)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (lambda_layer("a", "linalg.matmul", ["x", 0, 0, {"b": ["x", 0, 0]}]), "the TensorFlow function 'matmul'"),
        (lambda_layer("a", "nn.relu", ["x", 0, 0, {"something": 3}]), "'a' is called with 'something' 3"),
        (op_layer("a", "Sub", {"7": 1.0}, [["x", 0, 0, {}]]), "'a' has constants"),
        (lambda_layer("a", "nn.relu", 3), "'a' reads 3"),
    ],
)
def test_functions_of_tensorflow_that_are_refused(layer: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=text):
        cr.load(written(tmp_path, [layer]))
