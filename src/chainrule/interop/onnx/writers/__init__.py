"""The operators of ONNX that operations of a plan become, one family per file.

Each is a function of the graph and an operation, and returns the operation's first result.
"""

from collections.abc import Callable

from chainrule.core.plan import Operation, Plan
from chainrule.errors import OptionError
from chainrule.interop.onnx.export_graph import GraphResult, GraphWriter
from chainrule.interop.onnx.writers import activations, convolution, merging, moving, normalization, pooling

OPERATORS: dict[str, Callable[[GraphWriter, Operation], GraphResult]] = {
    name: translate
    for family in (convolution, activations, pooling, normalization, merging, moving)
    for name, translate in family.OPERATORS.items()
}


def translate(graph: GraphWriter, plan: Plan) -> None:
    """Add the nodes for the operations of an inference plan; OptionError for one that ONNX cannot express."""
    for operation in plan.forward:
        result = operation.writes[0]
        graph.layer = result.name.rpartition(".")[0]
        if operation.call is not None:
            what = "is your own code, which no ONNX operator stands for; build it from layers of chainrule"
            raise OptionError(f"layer {graph.layer!r} cannot be written: {operation.name.rpartition('.')[0]} {what}")
        if operation.name not in OPERATORS:
            raise OptionError(f"layer {graph.layer!r} cannot be written: no ONNX operator computes {operation.name}")
        graph.store(result, OPERATORS[operation.name](graph, operation))
