"""Functions of every element, softmax and the parametric ReLU."""

from collections.abc import Callable
from typing import Any

from chainrule.core.plan import Operation
from chainrule.interop.onnx.export_graph import GraphResult, GraphWriter

Translation = Callable[[GraphWriter, Operation], GraphResult]


def plain(operator: str, **options: Any) -> Translation:
    """Return the translation of a function of every element, with fixed options."""
    return lambda graph, operation: graph.node(operator, graph.stored(operation.reads[0]), **options)


def with_option(operator: str, theirs: str, ours: str) -> Translation:
    """Return the translation of a function of every element with one option."""

    def translate(graph: GraphWriter, operation: Operation) -> GraphResult:
        options: dict[str, Any] = {theirs: float(operation.attributes[ours])}
        return graph.node(operator, graph.stored(operation.reads[0]), **options)

    return translate


def clip(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Clip."""
    bounds = [
        graph.constant(graph.number(operation.attributes[name]), f"{graph.layer}.{name}") for name in ("low", "high")
    ]
    return graph.node("Clip", graph.stored(operation.reads[0]), *bounds)


def silu(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return x times its Sigmoid."""
    x = graph.stored(operation.reads[0])
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def softmax(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Softmax over the channels."""
    return graph.node("Softmax", graph.channels(operation.reads[0]), axis=1)


def prelu(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return PRelu with a slope for each channel."""
    x = graph.channels(operation.reads[0])
    ones = (1,) * (len(x.shape) - 1)
    return graph.node("PRelu", x, graph.weight(operation.reads[1], (x.shape[0], *ones)))


OPERATORS: dict[str, Translation] = {
    "sigmoid": plain("Sigmoid"),
    "tanh": plain("Tanh"),
    "arctan": plain("Atan"),
    "relu": plain("Relu"),
    "leaky_relu": with_option("LeakyRelu", "alpha", "slope"),
    "elu": with_option("Elu", "alpha", "alpha"),
    "softplus": plain("Softplus"),
    "gelu": plain("Gelu", approximate="tanh"),
    "exact_gelu": plain("Gelu", approximate="none"),
    "clip": clip,
    "silu": silu,
    "hard_sigmoid": plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_swish": plain("HardSwish"),
    "softmax": softmax,
    "prelu": prelu,
}
