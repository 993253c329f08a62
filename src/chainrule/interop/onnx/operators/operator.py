"""An ONNX operator with its reader and its writers. Each file of operators ends with a table of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.messages import ONNX_DOMAINS
from chainrule.interop.onnx.operator_call import Call, Value

Results = Value | tuple[Value, ...]
Reader = Callable[[Call], Results]
Writer = Callable[[GraphWriter, Operation], GraphResult]


@dataclass(frozen=True)
class Operator:
    """An ONNX operator.

    name   name in ONNX
    read   reader: function that adds layers for a node and returns the node's results; None: the operator is not read
    write  writers by the name of the plan's operation: functions that add nodes to the graph and return the
           operation's result. An operation that needs several operators is listed under one of them. An operation
           that has alternative operators is listed under each of them
    domains   domains whose operators of this name are read
    """

    name: str
    read: Reader | None = None
    write: Mapping[str, Writer] = field(default_factory=dict[str, Writer])
    domains: tuple[str, ...] = ONNX_DOMAINS
