"""Functions of keras.ops with drawn arguments, and TensorFlow functions in files of Keras 2."""

import inspect
import json
import re
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import pytest
from interop.keras_models import agree, keras
from selection import draws

import chainrule as cr
from chainrule.errors import FormatError
from chainrule.interop.keras.operations import OPERATIONS

ops = keras.ops
COUNT = draws(2)
X = np.random.default_rng(0).standard_normal((3, 6, 5, 4)).astype(np.float32)
OF_POSITIVE = ("log", "sqrt", "rsqrt", "reciprocal")
OF_BOOLEANS = ("logical_and", "logical_or", "logical_xor", "logical_not")


def _function(operation: str) -> Any:
    """Return the function of keras.ops of an operation's class, such as log_softmax of LogSoftmax; None: none."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
    return operation_of_index if operation == "GetItem" else getattr(ops, name, None)


def operation_of_index(x: Any, key: Any) -> Any:
    return x[key]


def arguments(random: Random, name: str, x: Any) -> dict[str, Any]:
    """Return a drawn value for every argument of the functions by name, for a tensor of shape (N, 6, 5, 4)."""
    axis = random.choice((1, 2, 3, -1, -2))
    axes = random.choice((axis, tuple(random.sample((1, 2, 3), random.randint(1, 3)))))
    constants = (0.7, X[0, 0, 0], X[0, 0], X[0, :, :1], X[:1], X[0, :, 0, :].reshape(6, 1, 4), 1 - x, x[:, :1, :, :1])
    pair = [x, random.choice(constants)]
    random.shuffle(pair)
    parts = (slice(1, 5), slice(None, None, 2), slice(None, None, -2), slice(None, 3), 0, -1)
    key = (slice(None), *random.choices(parts, k=random.randint(1, 3)))
    values = {
        "x": x,
        "x1": pair[0],
        "x2": pair[1],
        "xs": [x, 2 * x],
        "alpha": 0.5,
        "condition": x > 0.2,
        "axis": axis,
        "keepdims": random.random() < 0.5,
        "approximate": random.random() < 0.5,
        "negative_slope": 0.1,
        "threshold": 0.4,
        "default_value": -1.0,
        "x_min": -0.5,
        "x_max": 0.3,
        "dtype": "float32",
        "key": random.choice((key, (*key[:2], ..., None), (..., key[1]))),
        "newshape": random.choice(((-1, 10, 12), (-1, 120), (-1, 6, 20), (-1, 6, 5, 2, 2))),
        "axes": (0, *random.sample((1, 2, 3), 3)),
    }
    of_function: dict[str, dict[str, Any]] = {
        **{function: {"axis": axes} for function in ("mean", "sum", "max", "min", "prod")},
        **{function: {"x": 1 + x * x} for function in OF_POSITIVE},
        **{function: {"x": x > 0.2, "x1": x > 0.2, "x2": 1 - x > 0.5} for function in OF_BOOLEANS},
        **{function: {"x1": x, "x2": 1 + x * x} for function in ("divide", "true_divide")},
        **{function: {"x1": x, "x2": random.choice((0.7, 1 - x))} for function in ("maximum", "minimum")},
        "power": {"x1": 1 + x * x, "x2": random.choice((2, 3, 0.5, -1))},
        "squeeze": {"x": ops.expand_dims(x, axis), "axis": axis},
        "cast": {"x": x > 0.2},
    }
    return values | of_function.get(name, {})


NAMES = [operation for operation in OPERATIONS if _function(operation) is not None and operation != "Identity"]


@pytest.mark.parametrize("operation", NAMES)
@pytest.mark.parametrize("seed", range(COUNT))
def test_functions(operation: str, seed: int, tmp_path: Path) -> None:
    """Before them is a map whose axes are exchanged."""
    random, function = Random(f"{operation} {seed}"), _function(operation)
    start = keras.Input(X.shape[1:])
    x = (
        ops.transpose(ops.transpose(ops.tanh(start), (0, 3, 1, 2)), (0, 2, 3, 1))
        if random.random() < 0.5
        else 2 * start
    )
    known, values = inspect.signature(function).parameters, arguments(random, function.__name__, x)
    chosen = {name: values[name] for name in known if name in values and (name != "dtype" or operation == "Cast")}
    y = function(**chosen)
    agree(tmp_path, keras.Model(start, y if y.dtype == "float32" else ops.cast(y, "float32")), seed)


def written(folder: Path, layers: Any) -> Path:
    """Return a file of Keras 2 without weights."""
    first = {"class_name": "InputLayer", "name": "x", "inbound_nodes": []}
    first["config"] = {"name": "x", "batch_input_shape": [None, *X.shape[1:]]}
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [[layers[-1]["name"], 0, 0]]}
    config = {"class_name": "Functional", "config": {"name": "m", "layers": [first, *layers], **ends}}
    with h5py.File(folder / "m.h5", "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.4.0"
    return folder / "m.h5"


@pytest.mark.parametrize("kind", ["TFOpLambda", "TensorFlowOpLayer"])
def test_functions_of_tensorflow_are_refused_by_name(kind: str, tmp_path: Path) -> None:
    layer = {"class_name": kind, "name": "a", "config": {"name": "a", "function": "nn.relu"}}
    with pytest.raises(FormatError, match=f"{kind} 'a': a function of TensorFlow"):
        cr.load(written(tmp_path, [{**layer, "inbound_nodes": [["x", 0, 0, {"axis": -1}]]}]))
