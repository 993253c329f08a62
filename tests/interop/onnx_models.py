"""ONNX models made for tests, and what ONNX Runtime computes with them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numerical import ROUNDINGS, assert_close
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper, parser

import chainrule as cr

Array = NDArray[Any]
OPSET = 21


def parsed(nodes: str) -> list[NodeProto]:
    """Return nodes written in the textual syntax of ONNX, one a line: ``y = Softmax<axis = 1>(x)``."""
    return [*parser.parse_graph(f"graph (float x) => (float y) {{ {nodes} }}").node]


def made(
    nodes: str | list[Any], constants: dict[str, Array], shape: tuple[Any, ...], opset: int = OPSET, **types: int
) -> bytes:
    """Return a model from x to y of these nodes."""
    nodes = parsed(nodes) if isinstance(nodes, str) else nodes
    x, y = (
        helper.make_tensor_value_info(name, types.get("kind", TensorProto.FLOAT), size)
        for name, size in (("x", shape), ("y", None))
    )
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    return model.SerializeToString()


def theirs(model: bytes, x: Array) -> Array:
    """Return the output of ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def ours(folder: Path, model: bytes, engine: str = "numpy") -> Any:
    """Return the model as it is loaded here."""
    path = folder / "some.onnx"
    path.write_bytes(model)
    return cr.load(path, engine=engine)


def agree(folder: Path, model: bytes, x: Array, roundings: float = ROUNDINGS, engine: str = "numpy") -> Any:
    """Compare the outputs of both for a batch, and return our model."""
    loaded = ours(folder, model, engine)
    expected = theirs(model, x)
    actual = loaded.predict(x)
    assert_close(actual.reshape(expected.shape), expected, roundings, magnitude=1e-3)
    return loaded
