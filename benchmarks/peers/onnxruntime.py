"""ONNX Runtime sessions of our networks, as exported by `chainrule export`."""

import importlib
from typing import Any

from chainrule.interop.onnx.exporter import message_of
from chainrule.interop.onnx.messages import serialize
from chainrule.network.network import Network


def session(network: Network, threads: int) -> Any:
    """Return a session for a network's inference plan, x (N, …) → y (N, …), on a number of threads."""
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    content = serialize(message_of(network))
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
