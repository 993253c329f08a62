"""Normalization of the batch, by running statistics, and within each sample."""

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.onnx.export_graph import GraphResult, GraphWriter


def batch_norm(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return BatchNormalization."""
    x, *weights = operation.reads
    names = [graph.weight(tensor) for tensor in weights]
    return graph.node("BatchNormalization", graph.channels(x), *names, epsilon=operation.attributes["epsilon"])


def group_norm(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return LayerNormalization where all rows share γ and β, else InstanceNormalization of groups, scaled behind."""
    x, gamma, beta = operation.reads
    groups, epsilon = operation.attributes["groups"], operation.attributes["epsilon"]
    given = graph.stored(x)
    assert x is not None
    size = x.size // groups
    if operation.attributes["shared"]:
        rows = given if given.shape[-1] == size else graph.reshaped(given, (groups, size))
        return graph.node("LayerNormalization", rows, graph.weight(gamma), graph.weight(beta), epsilon=epsilon)
    rows = graph.reshaped(given, (groups, size))
    one, zero = (
        graph.constant(np.full((groups,), number, graph.network.dtype), f"{graph.layer}.{name}")
        for number, name in ((1, "ones"), (0, "zeros"))
    )
    y = graph.reshaped(graph.node("InstanceNormalization", rows, one, zero, epsilon=epsilon), x.shape)
    shape = (x.shape[0], *(1,) * (len(x.shape) - 1))
    return graph.node("Add", graph.node("Mul", y, graph.weight(gamma, shape)), graph.weight(beta, shape))


def local_response_norm(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return LRN."""
    known = operation.attributes
    given = {"size": known["size"], "alpha": known["alpha"], "beta": known["beta"], "bias": known["k"]}
    return graph.node("LRN", graph.view(operation.reads[0]), **given)


OPERATORS = {"batch_norm_inference": batch_norm, "group_norm": group_norm, "local_response_norm": local_response_norm}
