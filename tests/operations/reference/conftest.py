"""ONNX as an oracle, one operator at a time: ONNX Runtime, or ONNX's reference evaluator for operators it lacks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

IR_VERSION = 9


def model(operator: str, inputs: Sequence[np.ndarray], outputs: int, domain: str, opset: int, **attributes: Any) -> Any:
    """Return a model of a single node, whose inputs have any shape."""
    onnx: Any = pytest.importorskip("onnx")
    names, results = [f"x{place}" for place in range(len(inputs))], [f"y{place}" for place in range(outputs)]
    kinds = [onnx.helper.np_dtype_to_tensor_dtype(array.dtype) for array in inputs]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, names, results, domain=domain, **attributes)],
        operator,
        [onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in zip(names, kinds, strict=True)],
        [onnx.ValueInfoProto(name=name) for name in results],
    )
    versions = [onnx.helper.make_opsetid("", opset), *([onnx.helper.make_opsetid(domain, 1)] if domain else [])]
    return onnx.helper.make_model(graph, ir_version=IR_VERSION, opset_imports=versions)


@pytest.fixture(scope="session")
def onnx() -> Callable[..., Any]:
    """Return onnx(operator, *inputs, outputs=1, **attributes), which gives the operator's results by ONNX Runtime.

    A number with a point gets the dtype of the first array; a list of whole numbers is an array of int64. Operators of
    another domain than ONNX's own are computed by its reference evaluator.
    """
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1

    def run(operator: str, *given: Any, outputs: int = 1, opset: int = 20, domain: str = "", **attributes: Any) -> Any:
        dtype = next(value.dtype for value in given if isinstance(value, np.ndarray))
        inputs = [np.array(value, dtype) if isinstance(value, float) else np.asarray(value) for value in given]
        made = model(operator, inputs, outputs, domain, opset, **attributes)
        if domain:
            session = pytest.importorskip("onnx.reference").ReferenceEvaluator(made)
        else:
            session = runtime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results = session.run(None, {f"x{place}": array for place, array in enumerate(inputs)})
        return results[0] if outputs == 1 else results

    return run
