"""ONNX models made for tests, and what ONNX Runtime computes with them."""

from collections.abc import Sequence
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
    nodes: str | list[Any],
    constants: dict[str, Array],
    shape: tuple[Any, ...] | dict[str, tuple[Any, ...]],
    opset: int = OPSET,
    outputs: Sequence[str] = ("y",),
    **kinds: int,
) -> bytes:
    """Return a model of these nodes.

    shape   shape of the input x, or of each input by name
    kinds   types of inputs and outputs by name, or of all of them as `kind`
    """
    shapes = shape if isinstance(shape, dict) else {"x": shape}
    ends = [
        helper.make_tensor_value_info(name, kinds.get(name, kinds.get("kind", TensorProto.FLOAT)), size)
        for name, size in (shapes | dict.fromkeys(outputs)).items()
    ]
    arrays = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    listed = parsed(nodes) if isinstance(nodes, str) else nodes
    graph = helper.make_graph(listed, "g", ends[: len(shapes)], ends[len(shapes) :], arrays)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def theirs(model: bytes, x: Any) -> Any:
    """Return the output of ONNX Runtime, or its outputs by name if the inputs are given by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    results = session.run(None, {name: x[name] for name in names} if isinstance(x, dict) else {names[0]: x})
    return (
        dict(zip((each.name for each in session.get_outputs()), results, strict=True))
        if isinstance(x, dict)
        else results[0]
    )


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
