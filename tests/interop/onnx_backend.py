"""A backend for ONNX's own tests (`onnx.backend.test`): a model is run on inputs that are given with it.

Inputs of floats with the same batch axis become one input of the network, cut into its parts; what cannot be an input
here is a constant. Where no such choice gives a result, inputs of one axis, and results, are those of one sample.
`computed` counts the results of networks, `folded` those of constants alone.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from onnx.backend.base import Backend, BackendRep

import chainrule as cr
from chainrule._io.budget import Budget
from chainrule.errors import ChainruleError
from chainrule.interop.assembly import Assembly, reshaped
from chainrule.interop.onnx import messages, tensors
from chainrule.interop.onnx.graph_translation import GraphTranslator
from chainrule.interop.onnx.graphs import checked_graph
from chainrule.interop.onnx.operator_call import Feature, Value

Array = NDArray[Any]
COUNTS: Counter[str] = Counter()


class ChainruleRep(BackendRep):
    """A model that is built when its inputs are known."""

    def __init__(self, model: ModelProto) -> None:
        self._message = messages.parse(memoryview(model.SerializeToString()), Budget(0))

    def run(self, inputs: Sequence[Any], **kwargs: Any) -> tuple[Array, ...]:
        """Return the outputs; ChainruleError when no choice of inputs and constants gives a network."""
        graph, opset = checked_graph(self._message)
        constants = {each.name: tensors.array(each, None, Budget(0)) for each in graph.initializers}
        names = [value.name for value in graph.inputs if value.name not in constants]
        given = {name: np.asarray(value) for name, value in zip(names, inputs, strict=False)}
        lifted = {name: value[None] for name, value in given.items() if value.ndim == 1 and value.dtype.kind == "f"}
        rows = {**given, **lifted}
        error: ChainruleError | None = None
        for values, features in (*((given, names) for names in choices(given)), (rows, next(choices(rows)))):
            try:
                results = [output(graph, opset, each.name, {**constants, **values}, features) for each in graph.outputs]
            except ChainruleError as refused:
                error = error or refused
                continue
            COUNTS["computed" if any(computed for _, computed in results) else "folded"] += 1
            return tuple(result if values is given else result[0] for result, _ in results)
        raise error or AssertionError("no choice of inputs")


class ChainruleBackend(Backend):
    """The backend, for the processor."""

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> ChainruleRep:
        """Return the model, ready to run."""
        return ChainruleRep(model)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Return whether the device is the processor."""
        return device == "CPU"


def choices(given: dict[str, Array]) -> Iterator[tuple[str, ...]]:
    """Yield the names of inputs that may depend on the network's input: all of one batch axis, one alone, none."""
    floats = [name for name, value in given.items() if value.dtype in (np.float32, np.float64) and value.ndim > 1]
    floats = [name for name in floats if given[name].size]
    together = tuple(name for name in floats if len(given[name]) == len(given[floats[0]]))
    yield from dict.fromkeys((together, *((name,) for name in floats), ()))


def output(
    graph: Any, opset: int, name: str, values: dict[str, Array], features: tuple[str, ...]
) -> tuple[Array, bool]:
    """Return an output, and whether a network computed it."""
    samples = [values[each].reshape(len(values[each]), -1) for each in features]
    known: dict[str, Value] = dict(values)
    x, assembly = None, Assembly(Budget(0))
    if len(features) == 1 and values[features[0]].ndim <= 4:
        x = cr.Input(values[features[0]].shape[1:])
        known[features[0]] = Feature(x, len(samples[0]))
    elif features:
        x, end = cr.Input((sum(part.shape[1] for part in samples),)), 0
        for each, part in zip(features, samples, strict=True):
            start, end = end, end + part.shape[1]
            piece = cr.Slice(0, start, end)(x) if len(samples) > 1 else x
            known[each] = Feature(reshaped(piece, values[each].shape[1:]), len(part))
    y = GraphTranslator(graph, opset, known, assembly).outputs([name])[name]
    if x is None or not isinstance(y, Feature):
        return np.asarray(y), False
    node = y.node if y.node is not x else cr.Reshape(x.shape)(x)
    dtype = "float64" if samples[0].dtype == np.float64 else "float32"
    model = cr.Graph(x, node, weights=assembly.weights, engine="numpy", dtype=dtype)
    result = model.apply(np.concatenate(samples, 1).reshape(-1, *x.shape))
    return result.reshape(y.shape), True
