"""The configuration of a Keras model: its layers by name, what each reads, and models within it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from chainrule._io.files import expect, expect_list, expect_object
from chainrule.errors import FormatError, quoted

MODELS = ("Sequential", "Functional", "Model")
OF_KERAS = re.compile(r"(tf_)?keras(\.\w+)*")
Reference = tuple[str, int, int]  # a layer, the number of its call, the number of that call's result
Source = Reference | float


@dataclass(frozen=True)
class KerasLayer:
    """A layer of a Keras model.

    kind      its class; `operation` if it is a function of keras.ops instead
    options   as its class stores them
    calls     for every time it is applied, what it reads
    place     names of the layers from the outermost model to this one; of a layer that several models contain, in the
              first of them
    model     the model that it is; None: it is a layer
    shared_id number that Keras gives a layer when it writes it again
    """

    kind: str
    name: str
    options: Mapping[str, Any]
    calls: tuple[tuple[Source, ...], ...]
    place: tuple[str, ...]
    operation: bool = False
    model: "KerasModel | None" = None
    shared_id: object = None


@dataclass(frozen=True)
class KerasModel:
    """A Sequential or functional model: its layers in the file's order, by name."""

    layers: Mapping[str, KerasLayer]
    inputs: tuple[Reference, ...]
    outputs: tuple[Reference, ...]


def parse_model(found: Any, version: int, place: tuple[str, ...] = ()) -> KerasModel:
    """Return the model of a configuration; FormatError for one that is none, or of a class of the author's own.

    version   of Keras that wrote it: 2 or 3
    """
    whole = expect_object(found, "the configuration")
    kind = expect(str, whole.get("class_name"), "class_name")
    if kind not in MODELS or not _is_of_keras(whole):
        raise FormatError(f"the model is a {quoted(kind)}; expected a Sequential or a functional model")
    config: Any = whole.get("config")
    row = entries_of(config)  # as before Keras 2.2.3
    options = expect_object(config, "config of the model") if row is None else {"layers": row}
    listed = [expect_object(each, "a layer") for each in expect_list(object, options.get("layers"), "layers")]
    layers = [_layer(each, version, place) for each in listed]
    if kind == "Sequential":
        return _sequential(layers, decoded(options.get("build_input_shape")) or _built_for(listed), place)
    return _functional(layers, options, version)


def _functional(listed: list[KerasLayer], options: Mapping[str, Any], version: int) -> KerasModel:
    """Return layers with the calls that they state, all counted from 0.

    Calls of a model within the model are counted from 1 by Keras 2; by Keras 3, only among the outputs.
    """
    layers = _by_name(listed)

    def counted(reference: Reference, is_output: bool) -> Reference:
        name, number, result = reference
        within = name in layers and layers[name].model is not None
        later = within and (version < 3 or (is_output and layers[name].kind != "Sequential"))
        return name, number - later, result

    for layer in listed:
        calls = tuple(
            tuple(counted(each, False) if isinstance(each, tuple) else each for each in call) for call in layer.calls
        )
        layers[layer.name] = replace(layer, calls=calls)
    inputs, outputs = (_ends(options.get(name)) for name in ("input_layers", "output_layers"))
    return KerasModel(layers, inputs, tuple(counted(each, True) for each in outputs))


def entries_of(found: object) -> list[Any] | None:
    """Return the entries of a list; None for anything else."""
    return cast("list[Any]", found) if isinstance(found, list) else None


def object_of(found: object) -> dict[str, Any]:
    """Return an object as a dictionary; an empty one for anything else."""
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def decoded(value: Any) -> Any:
    """Return the value of an option with arrays and tuples as plain numbers and lists.

    Keras up to 2.1 writes an array as {"type": "ndarray", "value": …}. From 2.12 on, .keras files have {"class_name":
    "__numpy__", "config": {"value": …}}. Versions between them write plain lists.
    """
    if isinstance(value, list):
        return [decoded(entry) for entry in cast("list[Any]", value)]
    options = object_of(value)
    kind = options.get("class_name")
    if options.get("type") == "ndarray" and "value" in options:
        return options["value"]
    if kind in ("__numpy__", "__tensor__"):
        return object_of(options.get("config")).get("value")
    if kind in ("__tuple__", "TensorShape"):
        return decoded(options.get("items"))
    return {name: decoded(entry) for name, entry in options.items()} if options else value


def _sequential(layers: list[KerasLayer], build_shape: Any, place: tuple[str, ...]) -> KerasModel:
    """Return layers in a row, each of which reads the one before it.

    build_shape   shape of the input, with the batch axis, unless the first layer states it
    """
    if layers and layers[0].kind != "InputLayer":
        first = layers[0].options
        given = first.get("batch_input_shape") or first.get("batch_shape") or build_shape
        layers = [KerasLayer("InputLayer", "the input", {"batch_shape": given}, (), (*place, "the input")), *layers]
    if len(layers) < 2:
        raise FormatError("a model has no layers")
    before = [(layer.name, 0, 0) for layer in layers]
    row = [layers[0], *(replace(layer, calls=((last,),)) for layer, last in zip(layers[1:], before, strict=False))]
    return KerasModel(_by_name(row), (before[0],), (before[-1],))


def _built_for(listed: list[dict[str, Any]]) -> Any:
    """Return the shape that the first layer was built for, if it says so."""
    return object_of(listed[0].get("build_config")).get("input_shape") if listed else None


def _by_name(layers: list[KerasLayer]) -> dict[str, KerasLayer]:
    found: dict[str, KerasLayer] = {}
    for layer in layers:
        if found.setdefault(layer.name, layer) is not layer:
            raise FormatError(f"two layers are called {quoted(layer.name)}")
    return found


def _layer(found: dict[str, Any], version: int, place: tuple[str, ...]) -> KerasLayer:
    """Return a layer of a configuration; FormatError for a class that does not belong to Keras."""
    kind = expect(str, found.get("class_name"), "class_name of a layer")
    config = expect_object(found.get("config"), f"config of a {quoted(kind)}")
    options = {option: decoded(value) for option, value in config.items()}
    name = expect(str, options.get("name", found.get("name")), f"the name of a {quoted(kind)}")
    if not _is_of_keras(found):
        own = f"{kind} {quoted(name)}: a class of the model's author, whose code would have to run"
        raise FormatError(f"{own}; expected layers of Keras itself")
    is_operation = ".ops" in str(found.get("module", ""))
    nodes = expect_list(object, found.get("inbound_nodes", []), "inbound_nodes")
    augments = version >= 3 and kind.startswith("Random")
    calls = tuple(_call(each, name, augments) for each in nodes)
    where = (*place, name)
    model = parse_model(found, version, where) if kind in MODELS else None
    shared_id = found.get("shared_object_id")
    return KerasLayer(kind, name, options, calls, where, is_operation, model, shared_id=shared_id)


def with_shared_layers(model: KerasModel) -> KerasModel:
    """Return the outermost model, in which a layer that several models contain has one place.

    A .keras file describes such a layer in each of the models, from the second time on with a number, and has its
    weights in the first.
    """
    return _with_shared_layers(model, {})


def _with_shared_layers(model: KerasModel, written: dict[str, list[KerasLayer]]) -> KerasModel:
    """Return a model with the places of shared layers; `written` has the layers before it by what Keras writes."""
    layers: dict[str, KerasLayer] = {}
    for name, layer in model.layers.items():
        if layer.model is not None:
            layers[name] = replace(layer, model=_with_shared_layers(layer.model, written))
            continue
        same = written.setdefault(json.dumps([layer.kind, name, _without_ids(layer.options)], sort_keys=True), [])
        originals = {each.place for each in same if each.shared_id in (None, layer.shared_id)}
        if layer.shared_id is not None and len(originals) == 1:
            layer = replace(layer, place=originals.pop())
        layers[name] = layer
        same.append(layer)
    return replace(model, layers=layers)


def _without_ids(options: Any) -> Any:
    """Return options without the numbers of shared objects in them."""
    if isinstance(options, Mapping):
        items = cast("Mapping[str, Any]", options).items()
        return {name: _without_ids(value) for name, value in items if name != "shared_object_id"}
    return [*map(_without_ids, cast("list[Any]", options))] if isinstance(options, list) else options


def places(model: KerasModel) -> Iterator[tuple[str, ...]]:
    """Yield the place of every layer in a model and in the models within it."""
    for layer in model.layers.values():
        if layer.model is None:
            yield layer.place
        else:
            yield from places(layer.model)


def _is_of_keras(found: Mapping[str, Any]) -> bool:
    """Return whether a class belongs to Keras; files before Keras 3 and .h5 files say nothing of the built-in ones."""
    module = found.get("module")
    return module is None or (isinstance(module, str) and OF_KERAS.fullmatch(module) is not None)


def _call(found: Any, name: str, augments: bool) -> tuple[Source, ...]:
    """Return what a call of a layer reads: [[layer, call, result, options], …], or arguments as Keras 3 writes them.

    augments   whether the layer augments images. Keras 3 writes training=True for them, its default there, although
               predict passes False
    """
    entries = entries_of(found)
    if entries is not None:
        if entries and isinstance(entries[0], str):  # one input, as some files have it
            entries = [entries]
        return tuple(_legacy(each, name) for each in entries)
    both = expect_object(found, f"a call of {quoted(name)}")
    keywords = expect_object(both.get("kwargs", {}), f"the arguments of {quoted(name)}")
    _check_keywords(keywords | {"training": False} if augments else keywords, name)
    sources: list[Source] = []
    waiting = [*reversed(expect_list(object, both.get("args", []), "args"))]
    while waiting:
        each: Any = waiting.pop()
        inner = entries_of(each)
        if inner is not None:
            waiting += reversed(inner)
        elif isinstance(each, (int, float)) and not isinstance(each, bool):
            sources.append(float(each))
        else:
            sources.append(_tensor(each, name))
    return tuple(sources)


def _tensor(found: Any, name: str) -> Reference:
    """Return the layer and call that a tensor of Keras 3 comes from; FormatError for a constant."""
    tensor = object_of(found)
    if tensor.get("class_name") != "__keras_tensor__":
        raise FormatError(f"{quoted(name)} is applied to {quoted(found)}; expected results of layers")
    history = expect_object(tensor.get("config"), "config of a tensor").get("keras_history")
    return _reference(history, name)


def _legacy(found: Any, name: str) -> Reference:
    entries = entries_of(found) or []
    if len(entries) == 4:
        _check_keywords(entries[3], name)
    return _reference(entries[:3], name)


def _check_keywords(found: Any, name: str) -> None:
    """Refuse arguments of a call other than those that inference leaves out."""
    for key, value in expect_object(found, f"the arguments of {quoted(name)}").items():
        if value not in (None, False):
            raise FormatError(
                f"{quoted(name)} is called with {quoted(key)} {quoted(value)}; expected results of layers"
            )


def _reference(found: Any, name: str) -> Reference:
    entries = entries_of(found) or []
    if len(entries) != 3:
        raise FormatError(f"{quoted(name)} reads {quoted(found)}; expected [layer, call, result]")
    layer, call, result = entries
    numbers = [expect(int, each, f"what {quoted(name)} reads") for each in (call, result)]
    return expect(str, layer, f"what {quoted(name)} reads"), numbers[0], numbers[1]


def _ends(found: Any) -> tuple[Reference, ...]:
    """Return the inputs or outputs of a functional model, which may stand alone or in a list."""
    entries = entries_of(found) or []
    if entries and isinstance(entries[0], str):
        entries = [entries]
    return tuple(_reference(each, "the model") for each in entries)
