"""Images of one or two axes: operations here have two, and what has one axis is written with one."""

from typing import Any

from chainrule.core.plan import Operation, Tensor
from chainrule.interop.onnx.export_graph import GraphResult, GraphWriter


def image(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return what an operation reads as (C, W) where it was computed so and has one row throughout, else (C, H, W)."""
    tensor, found = operation.reads[0], graph.stored(operation.reads[0])
    flat = tensor is not None and len(found.shape) == 2 and tensor.shape == (found.shape[0], 1, found.shape[1])
    one_row = not any(operation.attributes["padding"][0]) and operation.writes[0].shape[1] == 1  # so the window has one
    return found if flat and one_row else graph.view(tensor)


def result_shape(x: GraphResult, result: Tensor) -> tuple[int, ...]:
    """Return the shape of a result with as many axes as the image x."""
    return (result.shape[0], *result.shape[4 - len(x.shape) :])


def options(x: GraphResult, operation: Operation, **names: str) -> dict[str, Any]:
    """Return attributes of an operation under their names in ONNX, for as many axes as the image x has."""
    axes = len(x.shape) - 1
    return {theirs: operation.attributes[ours][-axes:] for ours, theirs in names.items()}
