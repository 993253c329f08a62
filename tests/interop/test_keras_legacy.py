"""Files as Keras 2 wrote them: their configuration and the names in them differ from those of Keras 3."""

import json
from pathlib import Path
from random import Random
from typing import Any

import h5py  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
import pytest
from interop.keras_graphs import draw_model
from interop.keras_models import deviation, filled, keras

import chainrule as cr

L = keras.layers
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


@pytest.mark.parametrize("seed", range(12))
def test_drawn_models(seed: int, tmp_path: Path) -> None:
    draw = np.random.default_rng(seed)
    model = None
    for number in range(20):  # operators such as x + y are of Keras 3
        model = draw_model(Random(f"{seed} {number}"))
        if all(isinstance(each, L.Layer) for each in model.operations) and "hard_sigmoid" not in str(
            model.get_config()
        ):
            break
    loaded = cr.load(written(tmp_path / "m.h5", filled(model, draw)), engine="numpy")
    x = draw.standard_normal((3, *model.input_shape[1:])).astype(np.float32)
    assert deviation(model, loaded, x) < 1e-5


def test_slopes_and_the_hard_sigmoid_of_keras_2(tmp_path: Path) -> None:
    """Keras 2: hard_sigmoid(x) is 0 below −2.5, 1 above 2.5, and 0.2 x + 0.5 between."""
    model = keras.Sequential([keras.Input((5,)), L.LeakyReLU(0.3), L.Activation("hard_sigmoid")])
    loaded = cr.load(written(tmp_path / "m.hdf5", model), engine="numpy")
    x = np.linspace(-12, 4, 40, dtype=np.float32).reshape(8, 5)
    leaky = np.where(x > 0, x, 0.3 * x)
    expected = np.where(leaky < -2.5, 0, np.where(leaky > 2.5, 1, 0.2 * leaky + 0.5))
    np.testing.assert_allclose(loaded.predict(x), expected, atol=1e-6)


def test_a_row_whose_first_layer_states_the_input(tmp_path: Path) -> None:
    """Before Keras 2.2.3 a Sequential model was a list of layers."""
    model = filled(keras.Sequential([keras.Input((5,)), L.Dense(3, activation="tanh")]), np.random.default_rng(0))
    path = written(tmp_path / "m.h5", model)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"] = config["config"]["layers"][1:]
        config["config"][0]["config"]["batch_input_shape"] = [None, 5]
        file.attrs["model_config"] = json.dumps(config).encode()
    x = np.random.default_rng(1).standard_normal((4, 5)).astype(np.float32)
    assert deviation(model, cr.load(path, engine="numpy"), x) < 1e-5
