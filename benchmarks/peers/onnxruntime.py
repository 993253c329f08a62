"""Our networks as ONNX graphs, translated from the forward operations of their plan, and ONNX Runtime sessions."""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.peers.differences import difference_reason
from chainrule.engines import Array
from chainrule.network import Network
from chainrule.plan import Operation, Plan, Tensor
from chainrule.shapes import resampling_weights

onnx: Any = importlib.import_module("onnx")
helper: Any = importlib.import_module("onnx.helper")
numpy_helper: Any = importlib.import_module("onnx.numpy_helper")

OPSET, IR_VERSION = 20, 9  # opset 20 introduced GELU


@dataclass
class Graph:
    """Nodes and the arrays they read. `head` is the name of the last node's result.

    known  the name and the shape of what was made, by its storage in the plan
    """

    network: Network
    nodes: list[Any] = field(default_factory=list[Any])
    arrays: list[Any] = field(default_factory=list[Any])
    head: str = "x"
    known: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict[str, tuple[str, tuple[int, ...]]])

    def value(self, tensor: Tensor) -> str:
        """Return the name of a result in the shape of a tensor, which becomes the head."""
        self.head, shape = self.known[tensor.storage]
        if shape != tensor.shape:
            self.node("Reshape", self.array(np.array([-1, *tensor.shape], np.int64)))
        return self.head

    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> None:
        """Append a node that reads the head and other inputs; its first result is the new head."""
        names = [f"{kind}_{len(self.nodes)}", *(f"{kind}_{len(self.nodes)}_{place}" for place in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, [self.head, *inputs], names, **attributes))
        self.head = names[0]

    def array(self, value: Array, name: str = "") -> str:
        """Add an array to the graph and return its name."""
        made = name or f"constant_{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.ascontiguousarray(value), made))
        return made

    def weight(self, tensor: Tensor | None, shape: tuple[int, ...] | None = None) -> Array:
        """Return the value of a parameter or running statistic, in the shape of its tensor or another."""
        if tensor is None:
            raise ValueError("no tensor")
        return self.network.weights[tensor.name].reshape(shape or tensor.shape)


def model(network: Network, plan: Plan) -> Any:
    """Translate an inference plan of a network into an ONNX model x (N, …) → y (N, …)."""
    graph = Graph(network, known={plan.input.storage: ("x", plan.input.shape)})
    for operation in plan.forward:
        source, result = operation.reads[0], operation.writes[0]
        if operation.name not in NODES:
            raise difference_reason("ONNX", operation.name, NODES)
        if source is not None:
            graph.value(source)
        NODES[operation.name](graph, operation)
        graph.known[result.storage] = graph.head, result.shape
    graph.value(plan.output)
    graph.nodes.append(helper.make_node("Identity", [graph.head], ["y"]))
    return _whole(graph, plan)


def session(network: Network, plan: Plan, threads: int) -> Any:
    """Return an ONNX Runtime session with a number of threads."""
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    made = model(network, plan).SerializeToString()
    return runtime.InferenceSession(made, options, providers=["CPUExecutionProvider"])


def _whole(graph: Graph, plan: Plan) -> Any:
    kind = helper.np_dtype_to_tensor_dtype(graph.network.dtype)
    ends = [
        helper.make_tensor_value_info(name, kind, ["N", *shape])
        for name, shape in (("x", plan.input.shape), ("y", plan.output.shape))
    ]
    made = helper.make_graph(graph.nodes, "chainrule", ends[:1], ends[1:], graph.arrays)
    opsets = [helper.make_opsetid("", OPSET)]
    found = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="chainrule")
    onnx.checker.check_model(found)
    return found


def _pads(padding: Any) -> list[int]:
    """Return the padding in ONNX's order: the beginnings of all axes, then the ends."""
    return [before for before, _ in padding] + [after for _, after in padding]


def _convolution(graph: Graph, operation: Operation) -> None:
    _, w, b = operation.reads
    options = operation.attributes
    weight = graph.weight(w)
    weight = weight[:, :, ::-1, ::-1] if options["flip"] else weight
    tied = b is not None and len(b.shape) == 1
    inputs = [graph.array(weight, w.name if w else "")]
    inputs += [graph.array(graph.weight(b), b.name)] if b is not None and tied else []
    graph.node(
        "Conv",
        *inputs,
        kernel_shape=weight.shape[2:],
        strides=options["stride"],
        dilations=options["dilation"],
        pads=_pads(options["padding"]),
        group=options["groups"],
    )
    if b is not None and not tied:
        graph.node("Add", graph.array(graph.weight(b), b.name))


def _transposed(graph: Graph, operation: Operation) -> None:
    source, w = operation.reads[:2]
    options = operation.attributes
    weight = graph.weight(w)
    reach = [d * (k - 1) + 1 for d, k in zip(options["dilation"], weight.shape[2:], strict=True)]
    sizes = zip(source.shape[1:] if source else (), options["stride"], reach, options["padding"], strict=True)
    plain = [s * (n - 1) + r - before - after for n, s, r, (before, after) in sizes]
    graph.node(
        "ConvTranspose",
        graph.array(weight, w.name if w else ""),
        kernel_shape=weight.shape[2:],
        strides=options["stride"],
        dilations=options["dilation"],
        pads=_pads(options["padding"]),
        group=options["groups"],
        output_padding=[size - known for size, known in zip(options["size"], plain, strict=True)],
    )


def _add_bias(graph: Graph, operation: Operation) -> None:
    _, b = operation.reads
    value = graph.weight(b)
    axes = len(operation.writes[0].shape)
    graph.node("Add", graph.array(value if value.ndim == axes else value.reshape(-1, *(1,) * (axes - 1))))


def _dense(graph: Graph, operation: Operation) -> None:
    _, w, b = operation.reads
    inputs = [graph.array(graph.weight(tensor), tensor.name) for tensor in (w, b) if tensor is not None]
    graph.node("Gemm", *inputs, transB=1)


def _max_pool(graph: Graph, operation: Operation) -> None:
    options = operation.attributes
    graph.node("MaxPool", kernel_shape=options["window"], strides=options["stride"], pads=_pads(options["padding"]))


def _average_pool(graph: Graph, operation: Operation) -> None:
    options = operation.attributes
    graph.node(
        "AveragePool",
        kernel_shape=options["window"],
        strides=options["stride"],
        pads=_pads(options["padding"]),
        count_include_pad=int(options["divisor"] != "cells"),
    )
    if options["divisor"] == "one":
        graph.node("Mul", graph.array(np.array(math.prod(options["window"]), graph.network.dtype)))


def _resample(graph: Graph, operation: Operation) -> None:
    """Resize; ONNX has no adaptive pooling, which is two products with the matrices of its weights."""
    outputs, mode, source = operation.attributes["outputs"], operation.attributes["mode"], operation.reads[0]
    size = source.shape[1:] if source else ()
    if mode == "average":
        for cells, many in reversed(list(zip(size, outputs, strict=True))):
            matrix = np.zeros((cells, many), graph.network.dtype)
            for i in range(many):
                for cell, weight in resampling_weights(mode, cells, many, i):
                    matrix[cell, i] = weight
            graph.node("MatMul", graph.array(matrix))
            graph.node("Transpose", perm=[0, 1, 3, 2])
        return
    scales = np.array([1, 1, *(many / cells for many, cells in zip(outputs, size, strict=True))], np.float32)
    nearest: dict[str, Any] = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    }
    linear: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    graph.node("Resize", "", graph.array(scales), **(nearest if mode == "nearest" else linear))


def _pad(graph: Graph, operation: Operation) -> None:
    options = operation.attributes
    graph.node("Pad", graph.array(np.array([0, *options["before"], 0, *options["after"]], np.int64)))


def _crop(graph: Graph, operation: Operation) -> None:
    before = operation.attributes["before"]
    ends = [front + size for front, size in zip(before, operation.writes[0].shape, strict=True)]
    axes = range(1, len(before) + 1)
    graph.node("Slice", *(graph.array(np.array(each, np.int64)) for each in (before, ends, axes)))


def _permute(graph: Graph, operation: Operation) -> None:
    graph.node("Transpose", perm=[0, *(axis + 1 for axis in operation.attributes["axes"])])


def _batch_norm(graph: Graph, operation: Operation) -> None:
    inputs = [graph.array(graph.weight(tensor), tensor.name) for tensor in operation.reads[1:] if tensor is not None]
    graph.node("BatchNormalization", *inputs, epsilon=operation.attributes["epsilon"])


def _group_norm(graph: Graph, operation: Operation) -> None:
    _, gamma, beta = operation.reads
    groups, shape = operation.attributes["groups"], operation.writes[0].shape
    rows = np.array([0, groups, -1], np.int64)
    graph.node("Reshape", graph.array(rows))
    if operation.attributes["shared"]:
        scale = [graph.array(graph.weight(tensor)) for tensor in (gamma, beta)]
        graph.node("LayerNormalization", *scale, epsilon=operation.attributes["epsilon"])
        graph.node("Reshape", graph.array(np.array([0, *shape], np.int64)))
        return
    fixed = [graph.array(np.full((groups,), float(value), graph.network.dtype)) for value in (1, 0)]
    graph.node("InstanceNormalization", *fixed, epsilon=operation.attributes["epsilon"])
    graph.node("Reshape", graph.array(np.array([0, *shape], np.int64)))
    for kind, tensor in (("Mul", gamma), ("Add", beta)):
        graph.node(kind, graph.array(graph.weight(tensor).reshape(-1, *(1,) * (len(shape) - 1))))


def _prelu(graph: Graph, operation: Operation) -> None:
    axes = len(operation.writes[0].shape)
    graph.node("PRelu", graph.array(graph.weight(operation.reads[1]).reshape(-1, *(1,) * (axes - 1))))


def _response_norm(graph: Graph, operation: Operation) -> None:
    options = dict(operation.attributes)
    graph.node("LRN", bias=options.pop("k"), **options)


def _named(kind: str, **fixed: Any) -> Callable[[Graph, Operation], None]:
    return lambda graph, operation: graph.node(kind, **fixed)


def _clip(graph: Graph, operation: Operation) -> None:
    graph.node("Clip", *(graph.array(np.array(operation.attributes[bound], np.float32)) for bound in ("low", "high")))


def _silu(graph: Graph, operation: Operation) -> None:
    x = graph.head
    graph.node("Sigmoid")
    graph.node("Mul", x)


def _merged(kind: str, **fixed: Any) -> Callable[[Graph, Operation], None]:
    """Return the translation of an operation of several results."""

    def emit(graph: Graph, operation: Operation) -> None:
        first, *others = (graph.value(each) for each in operation.reads if each is not None)
        graph.head = first
        axis = {"axis": operation.attributes["axis"] + 1} if "axis" in operation.attributes else {}
        graph.node(kind, *others, **axis)

    return emit


def _expanded(graph: Graph, operation: Operation) -> None:
    """Repeat at every position, (N, C, 1, 1), or in every channel, (N, 1, H, W)."""
    shape = operation.writes[0].shape
    ones = (shape[0], 1, 1) if operation.name == "expand_positions" else (1, *shape[1:])
    graph.node("Reshape", graph.array(np.array([-1, *ones], np.int64)))
    graph.node("Expand", graph.array(np.array([1, *shape], np.int64)))


NODES: dict[str, Callable[[Graph, Operation], None]] = {
    "cross_correlate": _convolution,
    "cross_correlate_dx": _transposed,
    "add_bias": _add_bias,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "resample": _resample,
    "pad": _pad,
    "crop": _crop,
    "permute": _permute,
    "dense": _dense,
    "add": _merged("Add"),
    "multiply": _merged("Mul"),
    "expand_positions": _expanded,
    "expand_channels": _expanded,
    "concatenate": _merged("Concat"),
    "batch_norm_inference": _batch_norm,
    "group_norm": _group_norm,
    "local_response_norm": _response_norm,
    "prelu": _prelu,
    "sigmoid": _named("Sigmoid"),
    "tanh": _named("Tanh"),
    "arctan": _named("Atan"),
    "relu": _named("Relu"),
    "leaky_relu": lambda graph, operation: graph.node("LeakyRelu", alpha=operation.attributes["slope"]),
    "gelu": _named("Gelu", approximate="tanh"),
    "exact_gelu": _named("Gelu"),
    "clip": _clip,
    "silu": _silu,
    "hard_sigmoid": _named("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_swish": _named("HardSwish"),
    "elu": lambda graph, operation: graph.node("Elu", alpha=operation.attributes["alpha"]),
    "softplus": _named("Softplus"),
    "softmax": _named("Softmax", axis=1),
}
