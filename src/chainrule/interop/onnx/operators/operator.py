"""An ONNX operator: its reader and its writers. Each family of operators is a table of these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature

Reader = Callable[[Call], Any]
Writer = Callable[[GraphWriter, Operation], GraphResult]


@dataclass(frozen=True)
class Operator:
    """An ONNX operator.

    name   name in ONNX
    read   function of a node that adds layers and returns the node's results; None: the operator is not read
    write  functions that write an operation of a plan with this operator, by the operation's name. Each adds nodes
           to the graph and returns the operation's result. An operation that is written with several operators is
           listed under the main one; one that has alternative operators is listed under each of them
    """

    name: str
    read: Reader | None = None
    write: Mapping[str, Writer] = field(default_factory=dict[str, Writer])


def read_as(kind: str) -> Reader:
    """Return the reader of an operator that becomes a layer without options."""

    def read(call: Call) -> Feature:
        return call.layer(kind, call.feature())

    read.__doc__ = f"Return {kind}."
    return read


def write_as(operator: str, **options: Any) -> Writer:
    """Return the writer of an element-wise operation, which becomes one node with fixed attributes."""
    return lambda graph, operation: graph.node(operator, graph.stored(operation.reads[0]), **options)
