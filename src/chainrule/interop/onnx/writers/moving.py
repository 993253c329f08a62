"""Operations that move values without computing with them."""

from chainrule.core.plan import Operation
from chainrule.interop.onnx.export_graph import GraphResult, GraphWriter


def pad(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Pad, with zeros."""
    ends = graph.whole_numbers((0, *operation.attributes["before"], 0, *operation.attributes["after"]))
    return graph.node("Pad", graph.view(operation.reads[0]), ends, shape=operation.writes[0].shape)


def crop(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Slice, of all axes of a sample that are cut."""
    before, shape = operation.attributes["before"], operation.writes[0].shape
    x = graph.view(operation.reads[0])
    cut = [axis for axis in range(len(shape)) if x.shape[axis] != shape[axis]]
    starts, stops = [before[axis] for axis in cut], [before[axis] + shape[axis] for axis in cut]
    names = [graph.whole_numbers(each) for each in (starts, stops, [axis + 1 for axis in cut])]
    return graph.node("Slice", x, *names, shape=shape) if cut else x


def permute(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Transpose."""
    order = (0, *(axis + 1 for axis in operation.attributes["axes"]))
    return graph.node("Transpose", graph.view(operation.reads[0]), shape=operation.writes[0].shape, perm=order)


OPERATORS = {"pad": pad, "crop": crop, "permute": permute}
