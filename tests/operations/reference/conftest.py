"""ONNX as an oracle, one operator at a time: ONNX Runtime, or ONNX's reference evaluator for operators it lacks.

Models are written by hand; the `onnx` package is needed for the evaluator alone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

ELEMENT = {np.dtype(np.float32): 1, np.dtype(np.int64): 7, np.dtype(np.bool_): 9, np.dtype(np.float64): 11}
IR_VERSION = 9


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    groups = [number & 127]
    while number := number >> 7:
        groups[-1] |= 128
        groups.append(number & 127)
    return bytes(groups)


def field(tag: int, value: int | float | str | bytes) -> bytes:
    """Encode one protobuf field: an integer, a float, or a length-delimited string or message."""
    if isinstance(value, int):
        return varint(tag << 3) + varint(value)
    if isinstance(value, float):
        return varint(tag << 3 | 5) + np.float32(value).tobytes()
    content = value.encode() if isinstance(value, str) else value
    return varint(tag << 3 | 2) + varint(len(content)) + content


def attribute(name: str, value: int | float | str | Sequence[int]) -> bytes:
    if isinstance(value, float):
        content, kind = field(2, value), 1
    elif isinstance(value, int):
        content, kind = field(3, value), 2
    elif isinstance(value, str):
        content, kind = field(4, value), 3
    else:
        content, kind = b"".join(field(8, number) for number in value), 7
    return field(1, name) + content + field(20, kind)


def model(
    operator: str, inputs: Sequence[np.ndarray], outputs: int, attributes: dict[str, Any], opset: int, domain: str = ""
) -> bytes:
    names = [f"x{place}" for place in range(len(inputs))]
    results = [f"y{place}" for place in range(outputs)]
    node = b"".join(field(1, name) for name in names) + b"".join(field(2, name) for name in results)
    node += field(4, operator) + b"".join(field(5, attribute(*item)) for item in attributes.items())
    node += field(7, domain) if domain else b""
    graph = field(1, node) + field(2, operator)
    for name, array in zip(names, inputs, strict=True):
        graph += field(11, field(1, name) + field(2, field(1, field(1, ELEMENT[array.dtype]))))
    for name in results:
        graph += field(12, field(1, name))
    versions = field(8, field(2, opset))
    versions += field(8, field(1, domain) + field(2, 1)) if domain else b""
    return field(1, IR_VERSION) + versions + field(7, graph)


@pytest.fixture(scope="session")
def onnx() -> Callable[..., Any]:
    """Return onnx(operator, *arrays, outputs=1, **attributes), which gives the operator's results by ONNX Runtime.

    Operators of another domain than ONNX's own are computed by its reference evaluator.
    """
    runtime = pytest.importorskip("onnxruntime")

    def by_runtime(content: bytes) -> Any:
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def by_evaluator(content: bytes) -> Any:
        return pytest.importorskip("onnx.reference").ReferenceEvaluator(content)

    def run(
        operator: str, *inputs: np.ndarray, outputs: int = 1, opset: int = 20, domain: str = "", **attributes: Any
    ) -> Any:
        content = model(operator, inputs, outputs, attributes, opset, domain)
        made = by_evaluator(content) if domain else by_runtime(content)
        results = made.run(None, {f"x{place}": array for place, array in enumerate(inputs)})
        return results[0] if outputs == 1 else results

    return run
