"""Element-wise functions, softmax and the parametric ReLU."""

import math

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.plan import Operation
from chainrule.interop.assembly import permuted, reshaped
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.operator import Operator, Reader, Writer
from chainrule.interop.onnx.operators.terms import ScaledTerm, align_constant, unary
from chainrule.layers import PEERED, Layer
from chainrule.layers.kinds import ELEMENTWISE
from chainrule.layers.peers import Peer, description


def read_as(kind: type[Layer], peer: Peer) -> Reader:
    """Return the reader of an operator that is the peer of a layer."""
    parameters = kind.parameter_names()

    def read(call: Call) -> Feature:
        x = call.feature()
        options = peer.read(kind, call.real)
        if not parameters:
            return call.layer(kind.__name__, x, **options)
        return per_channel(call, kind, options, parameters)

    read.__doc__ = description(kind, parameters)
    return read


def per_channel(call: Call, kind: type[Layer], options: dict[str, float], names: tuple[str, ...]) -> Feature:
    """Return a layer with parameters for each channel or, after a Reshape, for each element of a sample."""
    x = call.feature()
    shape = x.node.shape
    parameters: dict[str, Array] = {}
    for index, name in enumerate(names, 1):
        parameters[name] = _aligned(call, call.constant(index), x)
    weights: dict[str, Array] = {}
    if all(value.size == len(value) for value in parameters.values()):
        for name, value in parameters.items():
            weights[name] = np.broadcast_to(value.reshape(-1), shape[:1])
        return call.weighted(kind.__name__, x, options, weights)
    call.allocated(shape, 8 * len(parameters))
    for name, value in parameters.items():
        weights[name] = np.broadcast_to(value, shape).reshape(-1)
    flat = call.reshape(x, (math.prod(shape),))
    return call.reshape(call.weighted(kind.__name__, flat, options, weights), shape)


def _aligned(call: Call, value: Array, x: Feature) -> Array:
    """Return a parameter with as many axes as a sample; FormatError if it cannot be broadcast to the sample."""
    shape = x.node.shape
    # In some files, parameters (C,) are meant for channels instead of the last axis.
    if value.shape == shape[:1] and shape[0] != shape[-1]:
        value = value.reshape(-1, *[1] * (len(shape) - 1))
    aligned = np.atleast_1d(align_constant(call, value, x))
    if np.broadcast_shapes(aligned.shape, shape) != shape:
        raise call.invalid(f"a constant of shape {value.shape}", f"a constant that can be broadcast to {x.shape}")
    return aligned


def write_as(kind: type[Layer], peer: Peer) -> Writer:
    """Return the writer of an operation that has an ONNX operator: one node, with parameters for each channel."""
    is_elementwise = kind.kind in ELEMENTWISE

    def write(graph: GraphWriter, operation: Operation) -> GraphResult:
        tensor, *parameters = operation.reads
        x = graph.stored(tensor) if is_elementwise else graph.channels(tensor)
        weights = [graph.channel_weight(parameter, x) for parameter in parameters]
        return graph.node(peer.name, x, *weights, **peer.translated(operation.attributes))

    return write


def _celu(x: ScaledTerm) -> ScaledTerm:
    alpha = x.call.real("alpha", 1.0)
    if not alpha > 0:
        raise x.call.unsupported(f"alpha {alpha}", "a number above 0")
    return (x * (1 / alpha)).layer("ELU") * alpha


def read_gelu(call: Call) -> Feature:
    """Return ExactGELU, or GELU for the tanh approximation."""
    if call.choice("approximate", "none", "tanh") == "tanh":
        return call.layer("GELU", call.feature())
    return call.layer("ExactGELU", call.feature())


def _swish(x: ScaledTerm) -> ScaledTerm:
    alpha = x.call.real("alpha", 1.0)
    if alpha == 1:
        return x.layer("SiLU")
    return x * (x * alpha).layer("Sigmoid")


def write_silu(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Mul of x and Sigmoid(x)."""
    x = graph.stored(operation.reads[0])
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def _hard_sigmoid(x: ScaledTerm) -> ScaledTerm:
    alpha = x.call.real("alpha", 0.2)
    beta = x.call.real("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5:
        return x.layer("HardSigmoid")
    return (x * alpha + beta).layer("Clip", low=0.0, high=1.0)


def read_softmax(call: Call) -> Feature:
    """Return Softmax or LogSoftmax along one axis of a sample.

    Before opset 13, they normalize over `axis` and all later axes together. The layers normalize over the first axis of
    a sample. The value is therefore reshaped to (before, along, after), and the second axis moved to the front and
    back.
    """
    x = call.feature()
    if call.opset >= 13:
        x, (axis,) = call.sample_axes(x, [call.axis("axis", -1, len(x.shape))])
        shape = x.node.shape
        end = axis + 1
    else:
        x, (axis,) = call.sample_axes(x, [call.axis("axis", 1, len(x.shape))])
        shape = x.node.shape
        end = len(shape)
    before = math.prod(shape[:axis])
    along = math.prod(shape[axis:end])
    after = math.prod(shape[end:])
    first = permuted(reshaped(x.node, (before, along, after)), (1, 0, 2))
    others = before * after
    flat = (along,) if others == 1 else (along, others)
    y = call.layer(call.operation.operator, x.with_node(reshaped(first, flat)))
    back = permuted(reshaped(y.node, (along, before, after)), (1, 0, 2))
    return call.reshape(x.with_node(back), shape)


def _writers(name: str) -> dict[str, Writer]:
    """Return the writers of the operations whose layers declare an operator as their peer."""
    writers: dict[str, Writer] = {}
    for kind in PEERED:
        peer = kind.peers.onnx
        if peer is not None and peer.name == name:
            writers[kind.kind] = write_as(kind, peer)
    return writers


def _of_peers() -> list[Operator]:
    """Return the operators that layers declare as their peers, without those in `SPECIAL`."""
    special_names = {operator.name for operator in SPECIAL}
    operators: list[Operator] = []
    for kind in PEERED:
        peer = kind.peers.onnx
        if peer is not None and peer.name not in special_names:
            operators.append(Operator(peer.name, read_as(kind, peer), _writers(peer.name)))
    return operators


SWISH = "SiLU; for α other than 1, the product of x and σ(α x)"
HARD_SIGMOID = "HardSigmoid for α = 1/6 and β = 1/2, otherwise Clip of α x + β to [0, 1]"
SPECIAL = (  # operators that need more than the declaration of a peer
    Operator("Celu", unary("ELU; for α other than 1, α · ELU(x/α)", _celu)),
    Operator("Gelu", read_gelu, _writers("Gelu")),
    Operator("HardSigmoid", unary(HARD_SIGMOID, _hard_sigmoid), _writers("HardSigmoid")),
    Operator("LogSoftmax", read_softmax, _writers("LogSoftmax")),
    Operator("Sigmoid", unary("Sigmoid", lambda x: x.layer("Sigmoid")), {**_writers("Sigmoid"), "silu": write_silu}),
    Operator("Softmax", read_softmax, _writers("Softmax")),
    Operator("Swish", unary(SWISH, _swish), _writers("Swish")),
)
OPERATORS = (*SPECIAL, *_of_peers())
