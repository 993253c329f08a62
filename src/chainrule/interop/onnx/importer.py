"""Import of ONNX files: nodes that read only constants are folded, and all others are translated into layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chainrule._io.budget import Budget
from chainrule._io.reading import read_bytes
from chainrule.errors import FormatError, quoted
from chainrule.interop.assembly import Assembly, Imported, Sizes
from chainrule.interop.onnx import exported_files, messages
from chainrule.interop.onnx.batch_sizes import for_any_batch
from chainrule.interop.onnx.exported_files import ExportedModel
from chainrule.interop.onnx.graph_translation import GraphTranslator
from chainrule.interop.onnx.graphs import (
    InputType,
    checked_graph,
    checked_outputs,
    constants_of,
    inline_functions,
    input_type,
    inputs_used_by,
    is_quantized,
)
from chainrule.interop.onnx.messages import MAX_BYTES, GraphMessage, ModelMessage
from chainrule.interop.onnx.operator_call import Feature, Value
from chainrule.interop.onnx.operators import quantization
from chainrule.interop.onnx.weight_names import is_parameter
from chainrule.layers import Input, Node
from chainrule.layers.node import ordered


def read_onnx(path: Path, outputs: Sequence[str] | None = None, shape: Sizes | None = None) -> Imported:
    """Return the network of an ONNX file.

    outputs   names of the outputs, or of results of nodes, to import; None: all outputs of the file
    shape     shape of a sample, or sizes by name, for inputs with unknown sizes

    Errors    FormatError for a damaged file or a node that chainrule cannot express
    """
    content = memoryview(read_bytes(path, MAX_BYTES, FormatError))
    budget = Budget(len(content))
    return network(messages.parse(content, budget), path.parent, budget, outputs, shape)


def network(
    message: ModelMessage,
    folder: Path | None,
    budget: Budget,
    output_names: Sequence[str] | None = None,
    shape: Sizes | None = None,
) -> Imported:
    """Return the network in a parsed file.

    folder               folder of the files with external tensors; None: external tensors are refused
    budget               budget of the file
    output_names, shape  as in `read_onnx`
    """
    graph, opset = checked_graph(message)
    inline_functions(message, graph, budget)
    exported = exported_files.exported_model(message, graph)
    if exported is not None:
        graph = exported.graph
    constants = constants_of(graph, folder, budget)
    names = checked_outputs(graph, output_names)
    input_types: dict[str, InputType] = {}
    for value in inputs_used_by(graph, names, constants):
        input_types[value.name] = input_type(value, shape)
    if not input_types:
        raise FormatError("its output does not depend on its input")
    file = FileGraph(graph, opset, folder, budget, constants, input_types, names)
    batch = file.batch_size
    if message.producer != exported_files.PRODUCER:  # in whose files constants are named after options of layers
        is_of_torch = message.producer == "pytorch"
        file.parameters = frozenset(name for name in constants if is_parameter(name, has_bare_names=is_of_torch))

    def for_batch(size: int, values: dict[str, Value]) -> Imported:
        result = file.translated(size, values, has_layer_names=exported is not None)
        return result if exported is None else _described(result, exported, file)

    if batch is not None:
        return for_batch(batch, {})
    return for_any_batch(for_batch, file.trial_count)


@dataclass
class FileGraph:
    """The graph of a file, and what its translation for a batch size reads.

    folder        folder of the files with external tensors; None: they are refused
    output_names  names of the values to import
    parameters    names of constants that are parameters of their own; see `Assembly`
    """

    graph: GraphMessage
    opset: int
    folder: Path | None
    budget: Budget
    constants: Mapping[str, Value]
    input_types: Mapping[str, InputType]
    output_names: Sequence[str]
    parameters: frozenset[str] = frozenset()

    @property
    def batch_size(self) -> int | None:
        """The batch size of all inputs; None if it is unspecified. FormatError if they have different ones."""
        sizes = {name: kind.batch for name, kind in self.input_types.items() if kind.batch is not None}
        if len(set(sizes.values())) > 1:
            raise FormatError(f"its inputs have different batch sizes ({sizes}); expected the same")
        return next(iter(sizes.values()), None)

    @property
    def trial_count(self) -> int:
        """The number of batch sizes to try: one more if a Squeeze would also remove a batch axis of size 1."""
        for node in self.graph.nodes:
            if node.operator == "Squeeze" and len(node.inputs) < 2 and not node.attributes:
                return 3
        return 2

    def translated(self, size: int, values: dict[str, Value], *, has_layer_names: bool) -> Imported:
        """Return the network for a batch size, and store all values of the graph in a dictionary.

        has_layer_names   whether the nodes have the names of layers
        """
        assembly = Assembly(self.budget)
        assembly.parameters = self.parameters
        inputs: dict[str, Input] = {}
        values.update(self.constants)
        dtype = "float32"
        for name, kind in self.input_types.items():
            inputs[name] = Input(kind.sample)
            values[name] = Feature(inputs[name], size)
            if kind.is_double:
                dtype = "float64"
        for value in self.graph.inputs:
            if value.name in inputs and is_quantized(value):
                values[value.name] = quantization.quantized_input(assembly, self.graph, value.name, values)
        is_open = self.batch_size is None
        translator = GraphTranslator(self.graph, self.opset, values, assembly, self.folder, open_batch=is_open)
        outputs: dict[str, Node] = {}
        for name, value in translator.outputs(self.output_names).items():
            if not isinstance(value, Feature):
                raise FormatError(f"its output {quoted(name)} does not depend on its input")
            outputs[name] = value.node
        return assembly.finish(inputs, outputs, dtype, translator.node_names if has_layer_names else None)


def _described(result: Imported, exported: ExportedModel, file: FileGraph) -> Imported:
    """Return a network with its description in a file of chainrule."""
    for node in ordered(result.y):
        node.invented = node.name in exported.invented
    if file.output_names != file.graph.output_names:  # the loss and the task are those of all
        return replace(result, options={"normalization": exported.options.get("normalization")})
    return replace(result, options=exported.options, task=exported.task, thresholds=exported.thresholds)
