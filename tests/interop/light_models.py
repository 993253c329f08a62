"""The networks that come with ONNX, with random weights in place of their constants."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = [
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
]


def model_of(name: str) -> bytes:
    """Return a network of `NAMES` with random weights, as the content of a file."""
    return with_random_weights(onnx.load(LIGHT / f"light_{name}.onnx"))


def image() -> NDArray[np.float32]:
    """Return the image that both sides are given, (1, 3, 224, 224)."""
    return np.random.default_rng(1).standard_normal((1, 3, 224, 224)).astype(np.float32)


def with_random_weights(model: Any) -> bytes:
    """Return a model with normal numbers where it fills tensors with a constant; variances are positive.

    A softmax at the end is left out: with such weights it gives 1 for one class, whatever the others are.
    """
    random = np.random.default_rng(0)
    shapes = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    filled = {node.output[0]: shapes[node.input[0]] for node in model.graph.node if node.op_type == "ConstantOfShape"}
    kept = [node for node in model.graph.node if node.op_type != "ConstantOfShape"]
    if kept[-1].op_type == "Softmax":
        model.graph.output[0].name = kept.pop().input[0]
    positive = {
        name for node in kept if node.op_type == "BatchNormalization" for name in (node.input[1], node.input[4])
    }
    for name, shape in filled.items():
        deviation = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        values = (random.standard_normal(tuple(shape)) * deviation).astype(np.float32)
        values = np.abs(values) + np.float32(0.5) if name in positive else values
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model.SerializeToString()
