"""ONNX Runtime sessions of our networks, as exported by `chainrule export`."""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

from chainrule.engines.protocol import Array
from chainrule.interop.onnx.exporter import message_of
from chainrule.interop.onnx.messages import serialize
from chainrule.network.network import Network

SUFFIX = "_kernel_time"  # of the name of an event that is the computation of a node


def session(network: Network, threads: int, profile: str = "") -> Any:
    """Return a session for a network's inference plan, x (N, …) → y (N, …), on a number of threads.

    profile  prefix of the name of a file with the times of all nodes; "": they are not measured
    """
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.enable_profiling, options.profile_file_prefix = bool(profile), profile
    content = serialize(message_of(network))
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def node_times(network: Network, x: Array, calls: int) -> dict[str, float]:
    """Return the shortest time of each node in seconds, on one thread. Nodes are named after their results."""
    with tempfile.TemporaryDirectory() as folder:
        runs = session(network, 1, str(Path(folder) / "profile"))
        for _ in range(calls):
            runs.run(None, {"x": x})
        events = json.loads(Path(runs.end_profiling()).read_text(encoding="utf-8"))
    times: dict[str, float] = {}
    for event in events:
        if event["name"].endswith(SUFFIX):
            name = event["name"].removesuffix(SUFFIX).removesuffix("_nchwc")  # suffix of nodes in its own layout
            times[name] = min(times.get(name, 1.0), 1e-6 * event["dur"])
    return times
