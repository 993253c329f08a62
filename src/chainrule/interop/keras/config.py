"""Configurations of Keras models: layers, the inputs of their calls, and nested models."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np

from chainrule._io.files import expect, expect_list, expect_object
from chainrule.core.arrays import Array
from chainrule.errors import FormatError, quoted
from chainrule.interop.keras.values import ARRAYS, as_dict, as_list, decode

FUNCTIONS_OF_TENSORFLOW = ("TFOpLambda", "TensorFlowOpLayer")  # in files of Keras 2
MODELS = ("Sequential", "Functional", "Model")
KERAS_MODULE = re.compile(r"(tf_)?keras(\.\w+)*")


class TensorReference(NamedTuple):
    """The result of a call of a layer: name of the layer, index of the call, index of the result."""

    layer: str
    call: int
    result: int


Source = TensorReference | Array  # a result, or a constant operand of a function of keras.ops


@dataclass(frozen=True)
class KerasLayer:
    """A layer of a Keras model.

    kind       name of the layer's class, or of a function of keras.ops if `operation` is true
    options    configuration of the layer
    calls      inputs of each call of the layer: results of other layers, or constants
    path       names of the enclosing models, from the outside, and of the layer
    operation  whether the layer is a function of keras.ops
    model      the nested model, if the layer is a model; otherwise None
    """

    kind: str
    name: str
    options: Mapping[str, object]
    calls: tuple[tuple[Source, ...], ...]
    path: tuple[str, ...]
    operation: bool = False
    model: "KerasModel | None" = None


@dataclass(frozen=True)
class KerasModel:
    """A Sequential or functional model: its layers by name, in the order of the file, its inputs and its outputs.

    output_names   keys of the outputs if they are a dictionary; otherwise None
    """

    layers: Mapping[str, KerasLayer]
    inputs: tuple[TensorReference, ...]
    outputs: tuple[TensorReference, ...]
    output_names: tuple[str, ...] | None = None


def parse_model(value: object, version: int, path: tuple[str, ...] = ()) -> KerasModel:
    """Parse the configuration of a model; FormatError if it is invalid or contains a custom class.

    version   version of Keras that wrote the file: 2 or 3
    path      names of the enclosing models and of this model
    """
    description = expect_object(value, "the configuration")
    kind = expect(str, description.get("class_name"), "class_name")
    if kind not in MODELS or not _is_builtin(description):
        raise FormatError(f"the model is a {quoted(kind)}; expected a Sequential or a functional model")
    options = expect_object(description.get("config"), "config of the model")
    layer_configs: list[dict[str, object]] = []
    layers: list[KerasLayer] = []
    for entry in expect_list(object, options.get("layers"), "layers"):
        layer_configs.append(expect_object(entry, "a layer"))
    for layer_config in layer_configs:
        layers.append(_parse_layer(layer_config, version, path))
    if kind == "Sequential":
        build_shape = decode(options.get("build_input_shape"))
        return _sequential(layers, build_shape or _build_input_shape(layer_configs), path)
    return _functional(layers, options, version)


def _functional(layer_list: list[KerasLayer], options: Mapping[str, object], version: int) -> KerasModel:
    """Return a functional model, with the calls of all layers numbered from 0.

    Files number the calls of layers from 0, but those of some nested models from 1. If "encoder" is a functional model
    that is called once, a reference to its first result is:

        file of        as the input of a layer    as an output
        Keras 2        ("encoder", 1, 0)          ("encoder", 1, 0)
        Keras 3        ("encoder", 0, 0)          ("encoder", 1, 0)    but ("encoder", 0, 0) if it is Sequential
        the result     ("encoder", 0, 0)          ("encoder", 0, 0)
    """
    layers = _by_name(layer_list)
    counted_from_one_in_calls = set[str]()
    counted_from_one_in_outputs = set[str]()
    for layer in layer_list:
        if layer.model is not None and version < 3:
            counted_from_one_in_calls.add(layer.name)
        if layer.model is not None and (version < 3 or layer.kind != "Sequential"):
            counted_from_one_in_outputs.add(layer.name)
    for layer in layer_list:
        calls: list[tuple[Source, ...]] = []
        for call in layer.calls:
            calls.append(tuple(_counted_from_zero(source, counted_from_one_in_calls) for source in call))
        layers[layer.name] = replace(layer, calls=tuple(calls))
    outputs: list[TensorReference] = []
    for source in _parse_references(options.get("output_layers")):
        outputs.append(_counted_from_zero(source, counted_from_one_in_outputs))
    names = tuple(as_dict(options.get("output_layers")))
    return KerasModel(layers, _parse_references(options.get("input_layers")), tuple(outputs), names or None)


S = TypeVar("S", bound=Source)


def _counted_from_zero(source: S, models: Collection[str]) -> S:
    """Return a reference whose call is counted from 0 instead of 1 if its layer is one of these models."""
    if isinstance(source, TensorReference) and source.layer in models:
        return source._replace(call=source.call - 1)
    return source


def _sequential(layers: list[KerasLayer], build_shape: object, path: tuple[str, ...]) -> KerasModel:
    """Return a Sequential model. Each layer reads the result of the previous one.

    build_shape   input shape with the batch axis, used if the options of the first layer do not contain one
    """
    if layers and layers[0].kind != "InputLayer":
        options = layers[0].options
        shape = options.get("batch_input_shape") or options.get("batch_shape") or build_shape
        start = KerasLayer("InputLayer", "the input", {"batch_shape": shape}, (), (*path, "the input"))
        layers = [start, *layers]
    if len(layers) < 2:
        raise FormatError("a model has no layers")
    first, *others = layers
    chain = [first]
    previous = first
    for layer in others:
        chain.append(replace(layer, calls=((TensorReference(previous.name, 0, 0),),)))
        previous = layer
    return KerasModel(_by_name(chain), (TensorReference(first.name, 0, 0),), (TensorReference(previous.name, 0, 0),))


def _build_input_shape(layer_configs: list[dict[str, object]]) -> object:
    """Return the input shape of the first layer; None if it is not in the file."""
    if not layer_configs:
        return None
    return as_dict(layer_configs[0].get("build_config")).get("input_shape")


def _by_name(layers: list[KerasLayer]) -> dict[str, KerasLayer]:
    by_name: dict[str, KerasLayer] = {}
    for layer in layers:
        if by_name.setdefault(layer.name, layer) is not layer:
            raise FormatError(f"two layers are called {quoted(layer.name)}")
    return by_name


def _parse_layer(description: dict[str, object], version: int, path: tuple[str, ...]) -> KerasLayer:
    """Parse the configuration of a layer; FormatError for a class that is not part of Keras.

    A file describes a layer as {"class_name": "Dense", "config": {"name": "dense", "units": 3}, "inbound_nodes": […]},
    with one inbound node for each call.
    """
    kind = expect(str, description.get("class_name"), "class_name of a layer")
    config = expect_object(description.get("config"), f"config of a {quoted(kind)}")
    name = expect(str, decode(config.get("name", description.get("name"))), f"the name of a {quoted(kind)}")
    if not _is_builtin(description):
        problem = f"{kind} {quoted(name)}: a custom class, whose code would have to run"
        raise FormatError(f"{problem}; expected layers of Keras itself")
    if kind in FUNCTIONS_OF_TENSORFLOW:
        raise FormatError(f"{kind} {quoted(name)}: a function of TensorFlow; convert the network to ONNX with tf2onnx")
    options = {option: decode(value) for option, value in config.items()}
    if options.get("data_format") == "channels_first":
        raise FormatError(f"{kind} {quoted(name)}: data_format 'channels_first'; expected channels_last")
    # A function of keras.ops has its options among the arguments of its calls, a layer in its configuration.
    is_operation = ".ops" in str(description.get("module", ""))
    augments = version >= 3 and (kind.startswith("Random") or kind == "Resizing")
    calls: list[tuple[Source, ...]] = []
    for node in expect_list(object, description.get("inbound_nodes", []), "inbound_nodes"):
        call = _without_options(node, kind, options) if is_operation else node
        calls.append(_parse_call(call, name, augments))
    own_path = (*path, name)
    model = None
    if kind in MODELS:  # a model may be a layer of another
        model = parse_model(description, version, own_path)
    return KerasLayer(kind, name, options, tuple(calls), own_path, is_operation, model)


def _without_options(node: object, kind: str, options: dict[str, object]) -> object:
    """Return a call of a function with the results of layers as the only arguments; others are added to the options.

    These are the keyword arguments and, if the kind is GetItem, the index of x[index].
    """
    if not as_dict(node):
        return node
    arguments: list[object] = as_list(as_dict(node).get("args")) or []
    for name, value in as_dict(as_dict(node).get("kwargs")).items():
        if value is not None:
            options[name] = decode(value)
    if kind == "GetItem" and len(arguments) == 2:
        x, index = arguments
        options["index"] = [index] if as_list(index) is None else index
        arguments = [x]
    return {"args": arguments, "kwargs": {}}


def _is_builtin(description: Mapping[str, object]) -> bool:
    """Return whether a class is part of Keras. Built-in classes have no module in .h5 files and before Keras 3."""
    module = description.get("module")
    return module is None or (isinstance(module, str) and KERAS_MODULE.fullmatch(module) is not None)


def _parse_call(value: object, name: str, augments: bool) -> tuple[Source, ...]:
    """Parse the inputs of a call: [[layer, call, result, options], …] in Keras 2, or the arguments in Keras 3.

    augments   whether the layer augments images. For these layers, Keras 3 writes the default training=True, although
               `predict` passes False; it is ignored
    """
    entries = as_list(value)
    if entries is not None:
        return tuple(_parse_legacy_reference(argument, name) for argument in _several(entries))
    arguments = expect_object(value, f"a call of {quoted(name)}")
    keywords = expect_object(arguments.get("kwargs", {}), f"the arguments of {quoted(name)}")
    if augments:
        keywords = keywords | {"training": False}
    _check_keywords(keywords, name)
    sources: list[Source] = []
    pending = [*reversed(expect_list(object, arguments.get("args", []), "args"))]
    while pending:
        argument: object = pending.pop()
        inner = as_list(argument)
        if _has_numbers(argument) or as_dict(argument).get("class_name") in ARRAYS:
            sources.append(_parse_constant(decode(argument), name))
        elif inner is not None:
            pending += reversed(inner)
        else:
            sources.append(_parse_tensor(argument, name))
    return tuple(sources)


def _has_numbers(argument: object) -> bool:
    """Return whether an argument is a number, or nested lists of numbers, and not a result or a list of results."""
    while inner := as_list(argument):
        argument = inner[0]
    return isinstance(argument, (int, float)) and not isinstance(argument, bool)


def _parse_constant(value: object, name: str) -> Array:
    """Parse a number, or nested lists of numbers, as an array."""
    try:
        array = np.array(value)
    except ValueError:  # lists of different lengths
        array = np.empty(0, object)
    if array.dtype.kind not in "iufb" or not array.size:
        raise FormatError(f"{quoted(name)} is applied to {quoted(value)}; expected numbers, or results of layers")
    return array.astype(np.float64)


def _parse_tensor(value: object, name: str) -> TensorReference:
    """Parse a tensor in the format of Keras 3 as (layer, call, result); FormatError for a constant."""
    tensor = as_dict(value)
    if tensor.get("class_name") != "__keras_tensor__":
        raise FormatError(f"{quoted(name)} is applied to {quoted(value)}; expected results of layers")
    history = expect_object(tensor.get("config"), "config of a tensor").get("keras_history")
    return _parse_reference(history, name)


def _parse_legacy_reference(value: object, name: str) -> TensorReference:
    entries = as_list(value) or []
    if len(entries) == 4:
        _check_keywords(entries[3], name)
    return _parse_reference(entries[:3], name)


def _check_keywords(arguments: object, name: str) -> None:
    """Raise FormatError if keyword arguments of a call affect inference."""
    for key, value in expect_object(arguments, f"the arguments of {quoted(name)}").items():
        if value not in (None, False):
            raise FormatError(
                f"{quoted(name)} is called with {quoted(key)} {quoted(value)}; expected results of layers"
            )


def _parse_reference(value: object, name: str) -> TensorReference:
    entries = as_list(value) or []
    if len(entries) != 3:
        raise FormatError(f"{quoted(name)} reads {quoted(value)}; expected [layer, call, result]")
    what = f"what {quoted(name)} reads"
    layer, call, result = entries
    number = expect(int, call, what)
    result_number = expect(int, result, what)
    return TensorReference(expect(str, layer, what), number, result_number)


def _parse_references(value: object) -> tuple[TensorReference, ...]:
    """Parse the inputs or outputs of a functional model: a single reference, or references in a list or by name."""
    entries = as_list(value) or list(as_dict(value).values())
    return tuple(_parse_reference(entry, "the model") for entry in _several(entries))


def _several(entries: list[object]) -> list[object]:
    """Return references as a list of them, also for a single one: a list that begins with the name of its layer."""
    if entries and isinstance(entries[0], str):
        return [entries]
    return entries
