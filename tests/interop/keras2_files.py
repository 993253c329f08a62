"""Models of Keras 3 written as Keras 2 did: its names of options, classes and weights."""

import json
from pathlib import Path
from typing import Any

import h5py  # pyright: ignore[reportMissingTypeStubs]
from interop.keras_models import keras

DROPPED = ("module", "registered_name", "build_config")


def as_keras_2(found: dict[str, Any], models: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the configuration of a layer or a model in the words of Keras 2."""
    config = dict(found["config"])
    if found["class_name"] == "InputLayer":
        config["batch_input_shape"] = config.pop("batch_shape")
    if found["class_name"] == "BatchNormalization":
        config["axis"] = [len(found["build_config"]["input_shape"]) - 1]
    if found["class_name"] == "LeakyReLU":
        config["alpha"] = config.pop("negative_slope")
    if "layers" in config:
        within = frozenset(each["config"]["name"] for each in config["layers"] if "layers" in each["config"])
        config["layers"] = [as_keras_2(each, within) for each in config["layers"]]
        for end in ("input_layers", "output_layers"):
            if end in config:
                kinds = {each["config"]["name"]: each["class_name"] for each in config["layers"]}
                config[end] = [_reference(config[end], within, kinds[config[end][0]])]
    made = {key: value for key, value in found.items() if key not in DROPPED} | {"config": config}
    if "inbound_nodes" in found:
        made["inbound_nodes"] = [_read(call["args"], models) for call in found["inbound_nodes"]]
    return made


def _read(args: Any, models: frozenset[str]) -> list[Any]:
    listed = args[0] if isinstance(args[0], list) else [args[0]]
    return [[*_reference(each["config"]["keras_history"], models, ""), {}] for each in listed]


def _reference(history: Any, models: frozenset[str], kind: str) -> list[Any]:
    """Return a reference, in which calls of models are counted from 1; outputs of Functional are so already."""
    name, number, result = history
    return [name, number + (name in models and kind != "Functional"), result]


def written(path: Path, model: Any) -> Path:
    """Write a model to a file as Keras 2 did."""
    plain = keras.saving.serialize_keras_object(model)
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps(as_keras_2(json.loads(json.dumps(plain)))).encode()
        for layer in model.layers:
            group = file.create_group(f"model_weights/{layer.name}")
            names = [_name(model, each) for each in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, each in zip(names, layer.weights, strict=True):
                group.create_dataset(name, data=keras.ops.convert_to_numpy(each.value))
    return path


def _name(model: Any, weight: Any) -> str:
    """Return the name of a weight in Keras 2: depthwise_conv2d/depthwise_kernel:0."""
    layer, name = weight.path.split("/")[-2:]
    return f"{layer}/{'depthwise_kernel' if layer.startswith('depthwise') and name == 'kernel' else name}:0"
