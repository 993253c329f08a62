"""Operations that join results: sums, products, concatenation. ONNX repeats sizes of 1 by itself."""

from collections.abc import Callable

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.onnx.export_graph import GraphResult, GraphWriter, repeats


def elementwise(operator: str) -> Callable[[GraphWriter, Operation], GraphResult]:
    """Return the translation of an operation on two results of the same shape, or repeated to it."""

    def translate(graph: GraphWriter, operation: Operation) -> GraphResult:
        inputs = [_operand(graph, operation, place) for place in range(2)]
        return graph.node(operator, *inputs, shape=np.broadcast_shapes(*(each.shape for each in inputs)))

    return translate


def _operand(graph: GraphWriter, operation: Operation, place: int) -> GraphResult:
    tensor = operation.reads[place]
    found = graph.stored(tensor)
    return found if tensor is None or repeats(found, tensor) else graph.view(tensor)


def repeated(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return the value with sizes of 1 where it is repeated: (C, 1, 1) or (1, H, W)."""
    shape = operation.writes[0].shape
    ones = (shape[0], 1, 1) if operation.name == "expand_positions" else (1, *shape[1:])
    return graph.reshaped(graph.stored(operation.reads[0]), ones)


def concatenate(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Concat."""
    inputs = [graph.view(tensor) for tensor in operation.reads]
    return graph.node("Concat", *inputs, shape=operation.writes[0].shape, axis=operation.attributes["axis"] + 1)


OPERATORS = {
    "add": elementwise("Add"),
    "multiply": elementwise("Mul"),
    "expand_positions": repeated,
    "expand_channels": repeated,
    "concatenate": concatenate,
}
