"""Import of Keras files: .keras, an archive of the configuration and weights, and .h5, a whole model in HDF5.

Importing a file never runs code from it: the configuration is read as data, and custom classes are refused. Every call
of a layer is translated once, after the calls that compute its inputs.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from chainrule._io.budget import Budget
from chainrule._io.files import expect, expect_object, parse
from chainrule.errors import FormatError, quoted
from chainrule.interop.assembly import Assembly, Imported, Sizes, complete_shape
from chainrule.interop.keras.activations import with_activation
from chainrule.interop.keras.config import (
    KerasLayer,
    KerasModel,
    Source,
    TensorReference,
    parse_model,
    with_shared_layers,
)
from chainrule.interop.keras.layer_call import LayerCall
from chainrule.interop.keras.operations import LAYERS, OPERATIONS
from chainrule.interop.keras.values import as_list, is_whole
from chainrule.interop.keras.weights import (
    ReadWeights,
    archived_weights,
    legacy_weights,
    numbered_name,
    opened,
    renumbered,
)
from chainrule.interop.onnx.node_builder import BATCH
from chainrule.interop.onnx.operator_call import Feature, Value
from chainrule.interop.onnx.operators.moved_elements import materialized
from chainrule.layers import Input, Node

MAX_CONFIG = 16 << 20
STEPS_PER_CALL = 24
Call = tuple[str, int]  # layer, index of the call


def read_keras(path: Path, outputs: Sequence[str] | None = None, shape: Sizes | None = None) -> Imported:
    """Return the network of a Keras file.

    outputs   names of the outputs to import, which are those of their layers; None: all outputs
    shape     shape of a sample, channels first, for inputs with unknown sizes

    Errors    FormatError for a damaged file or an unsupported layer
    """
    with opened(path) as (file, member):
        if member:
            metadata = expect_object(parse(member("metadata.json", MAX_CONFIG)), "metadata.json")
            config = member("config.json", MAX_CONFIG)
            version = _major_version(metadata.get("keras_version"))
        else:
            config = file.attribute(file.root, "model_config")
            if config is None:
                raise FormatError(
                    "it holds weights without their network; expected a whole model, written by model.save"
                )
            version = _major_version(file.attribute(file.root, "keras_version") or "2")
        if not isinstance(config, str | bytes):
            config = ""
        model = with_shared_layers(parse_model(parse(config, MAX_CONFIG), version))
        weights = archived_weights(file, model) if member else legacy_weights(file)
        return network(model, weights, version, file.floats, file.budget, outputs, shape)


def _major_version(value: object) -> int:
    """Return the version of Keras that wrote a file: 2 (including earlier versions) or 3 (including later versions)."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    text = expect(str, value, "keras_version")
    first = text.split(".")[0]
    if not first.isdigit() or len(first) > 4:
        raise FormatError(f"keras_version is {quoted(text)}; expected a version such as 3.8.0")
    return 3 if int(first) >= 3 else 2


def network(
    model: KerasModel,
    read_weights: ReadWeights,
    version: int,
    floats: set[np.dtype[np.generic]],
    budget: Budget,
    output_names: Sequence[str] | None = None,
    sample: Sizes | None = None,
) -> Imported:
    """Translate a model to a network.

    read_weights  function that returns the weights of a layer
    version       version of Keras that wrote the file: 2 or 3
    floats        dtypes of the weights; filled while the weights are read
    budget        budget of the file
    output_names  as in `read_keras`
    sample        shape of a sample for inputs with unknown sizes, as in `read_keras`

    Errors        FormatError for a layer that chainrule cannot express, or an unknown output
    """
    layer_names, numbered = renumbered(model)
    model = _with_outputs(model, output_names)
    assembly = Assembly(budget)
    assembly.layer_names = layer_names
    assembly.numbered = numbered
    has_channels_last = _has_channels_last(model)
    inputs: dict[str, Input] = {}
    values: list[Feature] = []
    is_double = False
    for reference in model.inputs:
        layer = _input_layer(model, reference)
        sizes = _sample_sizes(layer)
        if has_channels_last:
            sizes = [sizes[-1], *sizes[:-1]]
        x = Input(complete_shape(quoted(layer.name), sizes, sample))
        inputs[layer.name] = x
        value = Feature(x, BATCH)
        if has_channels_last:
            value = LayerCall(layer, [], assembly, read_weights, version).moved_axis(value, 1, -1)
        values.append(value)
        is_double |= layer.options.get("dtype") == "float64"
    results = ModelTranslator(assembly, read_weights, version).run(model, values)
    outputs: dict[str, Node] = {}
    for name, result in zip(_output_names(model), results, strict=True):
        if has_channels_last:
            layer = model.layers[model.outputs[0].layer]
            result = LayerCall(layer, [], assembly, read_weights, version).moved_axis(result, -1, 1)
        outputs[name] = materialized(result).node
    is_double |= np.dtype("float64") in floats
    return assembly.finish(inputs, outputs, "float64" if is_double else "float32")


def _input_layer(model: KerasModel, reference: TensorReference) -> KerasLayer:
    """Return the layer of an input of the model; FormatError for a layer that is no input."""
    layer = model.layers.get(reference.layer)
    if layer is None or layer.kind != "InputLayer":
        raise FormatError(f"the model's input {quoted(reference.layer)} is not an InputLayer")
    return layer


def _output_names(model: KerasModel) -> list[str]:
    """Return the names of the outputs: the keys of a dictionary, or the names of the layers.

    If several outputs have the same layer, a number follows.
    """
    if model.output_names is not None:
        return [*model.output_names]
    names: list[str] = []
    counts = Counter[str]()
    for reference in model.outputs:
        names.append(numbered_name(reference.layer, counts[reference.layer]))
        counts[reference.layer] += 1
    return names


def _with_outputs(model: KerasModel, names: Sequence[str] | None) -> KerasModel:
    """Return a model with some of its outputs; None: with all of them. FormatError for an unknown name."""
    if not model.inputs or not model.outputs:
        raise FormatError(f"the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs")
    available = dict(zip(_output_names(model), model.outputs, strict=True))
    if names is None:
        names = [*available]
    selected: dict[str, TensorReference] = {}
    for name in names:
        if name not in available:
            raise FormatError(f"it has no output {quoted(name)}; expected one of {', '.join(available)}")
        selected[name] = available[name]
    return replace(model, outputs=tuple(selected.values()), output_names=tuple(selected))


def _has_channels_last(model: KerasModel) -> bool:
    """Return whether channels are the last axis: True unless a layer has the option channels_first."""
    for layer in model.layers.values():
        if layer.options.get("data_format") == "channels_first":
            return False
        if layer.model is not None and not _has_channels_last(layer.model):
            return False
    return True


def _sample_sizes(layer: KerasLayer) -> list[int | str]:
    """Return the sizes of a sample, without the batch axis; "?" for an unknown one."""
    shape = layer.options.get("batch_shape") or layer.options.get("batch_input_shape")
    entries = as_list(shape) or []
    sizes: list[int | str] = []
    for size in entries[1:]:
        if size is None:
            sizes.append("?")
        elif is_whole(size, 1):
            sizes.append(size)
    if not 1 <= len(sizes) <= 3 or len(sizes) != len(entries) - 1:
        raise FormatError(
            f"InputLayer {quoted(layer.name)} has shape {quoted(shape)}; expected (N, H, W, C), (N, W, C) or (N, F)"
        )
    return sizes


class ModelTranslator:
    """A translator of Keras models. Only the calls that contribute to the outputs are translated.

    version  version of Keras that wrote the file: 2 or 3
    """

    def __init__(self, assembly: Assembly, read_weights: ReadWeights, version: int) -> None:
        self._assembly = assembly
        self._read_weights = read_weights
        self._version = version

    def run(self, model: KerasModel, inputs: Sequence[Feature]) -> list[Feature]:
        """Translate a model for the given inputs, and return its outputs.

        Calls are translated after the calls whose results they read, from the outputs back to the inputs. A call with
        missing sources is put back below them on the stack; if it is reached again while it waits, there is a cycle.
        """
        if len(inputs) != len(model.inputs):
            raise FormatError(f"a model of {len(model.inputs)} inputs is applied to {len(inputs)}")
        results: dict[Call, list[Feature]] = {}
        for reference, value in zip(model.inputs, inputs, strict=True):
            results[reference.layer, 0] = [value]
        waiting: set[Call] = set()  # calls whose sources are translated first
        pending = [*map(_call_of, model.outputs)]
        while pending:
            call = pending.pop()
            if call in results:
                continue
            sources = self._sources(model, call)
            missing: list[Call] = []
            for source in sources:
                if isinstance(source, TensorReference) and _call_of(source) not in results:
                    missing.append(_call_of(source))
            name, _ = call
            if missing and call in waiting:
                raise FormatError(f"layer {quoted(name)} depends on its own result")
            if missing:
                waiting.add(call)
                pending += [call, *missing]
                continue
            layer = model.layers[name]
            values = [_result(results, part) if isinstance(part, TensorReference) else part for part in sources]
            results[call] = self._apply(layer, values)
        return [_result(results, reference) for reference in model.outputs]

    def _sources(self, model: KerasModel, call: Call) -> tuple[Source, ...]:
        """Return the inputs of a call; FormatError if the call does not exist."""
        name, number = call
        layer = model.layers.get(name)
        if layer is None or not 0 <= number < len(layer.calls):
            raise FormatError(f"a layer reads call {number} of layer {quoted(name)}, which the file does not have")
        return layer.calls[number]

    def _apply(self, layer: KerasLayer, values: Sequence[Value]) -> list[Feature]:
        """Translate a call of a layer or a nested model, and return the results of the call."""
        self._assembly.budget.visit(STEPS_PER_CALL + len(values), f"{layer.kind} {quoted(layer.name)}")
        if layer.model is not None:
            return self.run(layer.model, [value for value in values if isinstance(value, Feature)])
        call = LayerCall(layer, values, self._assembly, self._read_weights, self._version)
        has_numbers = len(call.inputs) < len(values)  # only operations have numbers; .h5 files do not mark operations
        translations = OPERATIONS if layer.operation or has_numbers else LAYERS
        if layer.kind == "Lambda":
            raise call.unsupported("Python code, which is never run", "a layer in docs/importing.md")
        if layer.kind not in translations:
            raise call.unsupported("chainrule has no such layer", "a layer in docs/importing.md")
        if not call.inputs:
            raise call.unsupported("no input", "results of other layers")
        with call.named_errors():
            results = translations[layer.kind](call)
            if not isinstance(results, list):
                results = [results]
            results = [with_activation(call, value) for value in results]
        call.check_options()
        return results


def _call_of(reference: TensorReference) -> Call:
    return reference.layer, reference.call


def _result(results: Mapping[Call, list[Feature]], reference: TensorReference) -> Feature:
    values = results[_call_of(reference)]
    if not 0 <= reference.result < len(values):
        raise FormatError(
            f"a layer reads result {reference.result} of layer {quoted(reference.layer)}, which has {len(values)}"
        )
    return values[reference.result]
