"""Configurations of Keras models: layers by name, the inputs of their calls, and nested models."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from chainrule._io.files import expect, expect_list, expect_object
from chainrule.errors import FormatError, quoted

MODELS = ("Sequential", "Functional", "Model")
KERAS_MODULE = re.compile(r"(tf_)?keras(\.\w+)*")
Reference = tuple[str, int, int]  # layer, index of its call, index of that call's result
Source = Reference | float


@dataclass(frozen=True)
class KerasLayer:
    """A layer of a Keras model.

    kind       its class; a function of keras.ops if `operation`
    options    as its class stores them
    calls      inputs of each of its calls
    path       names of the layers from the outermost model to this one; a layer that several models contain has its
               path in the first of them
    model      the model, if the layer is one
    shared_id  number that Keras writes when it writes a layer again
    """

    kind: str
    name: str
    options: Mapping[str, Any]
    calls: tuple[tuple[Source, ...], ...]
    path: tuple[str, ...]
    operation: bool = False
    model: "KerasModel | None" = None
    shared_id: object = None


@dataclass(frozen=True)
class KerasModel:
    """A Sequential or functional model: its layers by name, in the file's order, with its inputs and outputs."""

    layers: Mapping[str, KerasLayer]
    inputs: tuple[Reference, ...]
    outputs: tuple[Reference, ...]


def parse_model(value: Any, version: int, path: tuple[str, ...] = ()) -> KerasModel:
    """Return the model of a configuration; FormatError for an invalid one, or a custom class.

    version   of Keras that wrote it: 2 or 3
    """
    description = expect_object(value, "the configuration")
    kind = expect(str, description.get("class_name"), "class_name")
    if kind not in MODELS or not _is_builtin(description):
        raise FormatError(f"the model is a {quoted(kind)}; expected a Sequential or a functional model")
    config: Any = description.get("config")
    layer_list = as_list(config)  # as before Keras 2.2.3
    options = expect_object(config, "config of the model") if layer_list is None else {"layers": layer_list}
    layer_configs = [expect_object(entry, "a layer") for entry in expect_list(object, options.get("layers"), "layers")]
    layers = [_parse_layer(entry, version, path) for entry in layer_configs]
    if kind == "Sequential":
        return _sequential(layers, decode(options.get("build_input_shape")) or _build_input_shape(layer_configs), path)
    return _functional(layers, options, version)


def _functional(layer_list: list[KerasLayer], options: Mapping[str, Any], version: int) -> KerasModel:
    """Return a functional model whose calls are counted from 0.

    Keras 2 counts the calls of a nested model from 1; Keras 3 does so only in the list of outputs.
    """
    layers = _by_name(layer_list)

    def count_from_zero(reference: Reference, is_output: bool) -> Reference:
        name, number, result = reference
        is_model = name in layers and layers[name].model is not None
        is_counted_from_one = is_model and (version < 3 or (is_output and layers[name].kind != "Sequential"))
        return name, number - is_counted_from_one, result

    for layer in layer_list:
        calls = tuple(
            tuple(count_from_zero(source, False) if isinstance(source, tuple) else source for source in call)
            for call in layer.calls
        )
        layers[layer.name] = replace(layer, calls=calls)
    inputs, outputs = (_parse_references(options.get(name)) for name in ("input_layers", "output_layers"))
    return KerasModel(layers, inputs, tuple(count_from_zero(source, True) for source in outputs))


def as_list(value: object) -> list[Any] | None:
    """Return a value if it is a list; None otherwise."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def as_dict(value: object) -> dict[str, Any]:
    """Return a value if it is a dictionary; an empty one otherwise."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def decode(value: Any) -> Any:
    """Return the value of an option with arrays and tuples as plain numbers and lists.

    Keras up to 2.1 writes an array as {"type": "ndarray", "value": …}. From 2.12 on, .keras files have {"class_name":
    "__numpy__", "config": {"value": …}}. Versions in between write plain lists.
    """
    if isinstance(value, list):
        return [decode(entry) for entry in cast("list[Any]", value)]
    options = as_dict(value)
    kind = options.get("class_name")
    if options.get("type") == "ndarray" and "value" in options:
        return options["value"]
    if kind in ("__numpy__", "__tensor__"):
        return as_dict(options.get("config")).get("value")
    if kind in ("__tuple__", "TensorShape"):
        return decode(options.get("items"))
    return {name: decode(entry) for name, entry in options.items()} if options else value


def _sequential(layers: list[KerasLayer], build_shape: Any, path: tuple[str, ...]) -> KerasModel:
    """Return a model whose layers read one another in order.

    build_shape   shape of the input, with the batch axis; the first layer may state it instead
    """
    if layers and layers[0].kind != "InputLayer":
        first = layers[0].options
        batch_shape = first.get("batch_input_shape") or first.get("batch_shape") or build_shape
        layers = [
            KerasLayer("InputLayer", "the input", {"batch_shape": batch_shape}, (), (*path, "the input")),
            *layers,
        ]
    if len(layers) < 2:
        raise FormatError("a model has no layers")
    references = [(layer.name, 0, 0) for layer in layers]
    chain = [
        layers[0],
        *(replace(layer, calls=((last,),)) for layer, last in zip(layers[1:], references, strict=False)),
    ]
    return KerasModel(_by_name(chain), (references[0],), (references[-1],))


def _build_input_shape(layer_configs: list[dict[str, Any]]) -> Any:
    """Return the shape that the first layer was built for; None if the file does not have it."""
    return as_dict(layer_configs[0].get("build_config")).get("input_shape") if layer_configs else None


def _by_name(layers: list[KerasLayer]) -> dict[str, KerasLayer]:
    by_name: dict[str, KerasLayer] = {}
    for layer in layers:
        if by_name.setdefault(layer.name, layer) is not layer:
            raise FormatError(f"two layers are called {quoted(layer.name)}")
    return by_name


def _parse_layer(description: dict[str, Any], version: int, path: tuple[str, ...]) -> KerasLayer:
    """Return a layer of a configuration; FormatError for a class that does not belong to Keras."""
    kind = expect(str, description.get("class_name"), "class_name of a layer")
    config = expect_object(description.get("config"), f"config of a {quoted(kind)}")
    options = {option: decode(value) for option, value in config.items()}
    name = expect(str, options.get("name", description.get("name")), f"the name of a {quoted(kind)}")
    if not _is_builtin(description):
        problem = f"{kind} {quoted(name)}: a custom class, whose code would have to run"
        raise FormatError(f"{problem}; expected layers of Keras itself")
    is_operation = ".ops" in str(description.get("module", ""))
    nodes = expect_list(object, description.get("inbound_nodes", []), "inbound_nodes")
    augments = version >= 3 and kind.startswith("Random")
    calls = tuple(_parse_call(node, name, augments) for node in nodes)
    where = (*path, name)
    model = parse_model(description, version, where) if kind in MODELS else None
    shared_id = description.get("shared_object_id")
    return KerasLayer(kind, name, options, calls, where, is_operation, model, shared_id=shared_id)


def with_shared_layers(model: KerasModel) -> KerasModel:
    """Return the outermost model with one path for each layer that several models contain.

    A .keras file describes such a layer in each of the models, from the second on with a number. It has the layer's
    weights only in the first.
    """
    return _with_shared_layers(model, {})


def _with_shared_layers(model: KerasModel, written: dict[str, list[KerasLayer]]) -> KerasModel:
    """Return a model with the paths of shared layers; `written` has earlier layers by their configuration."""
    layers: dict[str, KerasLayer] = {}
    for name, layer in model.layers.items():
        if layer.model is not None:
            layers[name] = replace(layer, model=_with_shared_layers(layer.model, written))
            continue
        equal_layers = written.setdefault(
            json.dumps([layer.kind, name, _without_ids(layer.options)], sort_keys=True), []
        )
        originals = {earlier.path for earlier in equal_layers if earlier.shared_id in (None, layer.shared_id)}
        if layer.shared_id is not None and len(originals) == 1:
            layer = replace(layer, path=originals.pop())
        layers[name] = layer
        equal_layers.append(layer)
    return replace(model, layers=layers)


def _without_ids(options: Any) -> Any:
    """Return options without the numbers of shared objects."""
    if isinstance(options, Mapping):
        items = cast("Mapping[str, Any]", options).items()
        return {name: _without_ids(value) for name, value in items if name != "shared_object_id"}
    return [*map(_without_ids, cast("list[Any]", options))] if isinstance(options, list) else options


def layer_paths(model: KerasModel) -> Iterator[tuple[str, ...]]:
    """Yield the path of every layer in a model and in its nested models."""
    for layer in model.layers.values():
        if layer.model is None:
            yield layer.path
        else:
            yield from layer_paths(layer.model)


def _is_builtin(description: Mapping[str, Any]) -> bool:
    """Return whether a class belongs to Keras; .h5 files, and all before Keras 3, have no module for built-in ones."""
    module = description.get("module")
    return module is None or (isinstance(module, str) and KERAS_MODULE.fullmatch(module) is not None)


def _parse_call(value: Any, name: str, augments: bool) -> tuple[Source, ...]:
    """Return the inputs of a call: [[layer, call, result, options], …], or arguments as Keras 3 writes them.

    augments   whether the layer augments images. Keras 3 writes its default training=True for them, although
               predict passes False
    """
    entries = as_list(value)
    if entries is not None:
        if entries and isinstance(entries[0], str):  # one input, as some files have it
            entries = [entries]
        return tuple(_parse_legacy_reference(argument, name) for argument in entries)
    arguments = expect_object(value, f"a call of {quoted(name)}")
    keywords = expect_object(arguments.get("kwargs", {}), f"the arguments of {quoted(name)}")
    _check_keywords(keywords | {"training": False} if augments else keywords, name)
    sources: list[Source] = []
    pending = [*reversed(expect_list(object, arguments.get("args", []), "args"))]
    while pending:
        argument: Any = pending.pop()
        inner = as_list(argument)
        if inner is not None:
            pending += reversed(inner)
        elif isinstance(argument, (int, float)) and not isinstance(argument, bool):
            sources.append(float(argument))
        else:
            sources.append(_parse_tensor(argument, name))
    return tuple(sources)


def _parse_tensor(value: Any, name: str) -> Reference:
    """Return the layer, call and result of a Keras 3 tensor; FormatError for a constant."""
    tensor = as_dict(value)
    if tensor.get("class_name") != "__keras_tensor__":
        raise FormatError(f"{quoted(name)} is applied to {quoted(value)}; expected results of layers")
    history = expect_object(tensor.get("config"), "config of a tensor").get("keras_history")
    return _parse_reference(history, name)


def _parse_legacy_reference(value: Any, name: str) -> Reference:
    entries = as_list(value) or []
    if len(entries) == 4:
        _check_keywords(entries[3], name)
    return _parse_reference(entries[:3], name)


def _check_keywords(arguments: Any, name: str) -> None:
    """Raise FormatError for arguments of a call that affect inference."""
    for key, value in expect_object(arguments, f"the arguments of {quoted(name)}").items():
        if value not in (None, False):
            raise FormatError(
                f"{quoted(name)} is called with {quoted(key)} {quoted(value)}; expected results of layers"
            )


def _parse_reference(value: Any, name: str) -> Reference:
    entries = as_list(value) or []
    if len(entries) != 3:
        raise FormatError(f"{quoted(name)} reads {quoted(value)}; expected [layer, call, result]")
    layer, call, result = entries
    numbers = [expect(int, number, f"what {quoted(name)} reads") for number in (call, result)]
    return expect(str, layer, f"what {quoted(name)} reads"), numbers[0], numbers[1]


def _parse_references(value: Any) -> tuple[Reference, ...]:
    """Return the inputs or outputs of a functional model: one reference or a list of them."""
    entries = as_list(value) or []
    if entries and isinstance(entries[0], str):
        entries = [entries]
    return tuple(_parse_reference(entry, "the model") for entry in entries)
