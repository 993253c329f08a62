"""Options of Keras layers: defaults of every version are accepted, and no other value is ignored."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import h5py  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
import pytest
from interop.keras2_files import written
from interop.keras_draws import layer_class
from interop.keras_models import Array, channels_first, filled, keras, predicted, saved
from interop.test_keras_layers import FORMER, IDLE, KINDS, MERGING
from numerical import assert_close

import chainrule as cr
from chainrule.errors import FormatError, ShapeError
from chainrule.interop.keras.operations import LAYERS

L = keras.layers
# The options that Keras 2.0.9 to 2.15 write for each layer, with their defaults, and arguments that have none: those of
# `get_config` and `__init__` in the released sources. An option is listed if any of these versions writes it.
CASES: dict[str, Any] = json.loads(Path(__file__).with_name("keras2_options.json").read_text(encoding="utf-8"))
EVERY_LAYER: dict[str, Any] = {"trainable": True, "dtype": "float32", "dynamic": False}
POLICY = {"class_name": "Policy", "config": {"name": "float32"}, "module": "keras.mixed_precision"}
FOR_TRAINING = {"fused", "momentum", "renorm_momentum", "init_values", "activity_regularizer", *EVERY_LAYER}
FOR_TRAINING_ENDINGS = ("_initializer", "_regularizer", "_constraint")


@cache
def _keras_model(kind: str) -> tuple[Any, Array, Array]:
    """Return a model of a layer and tanh with drawn weights, a batch, and the model's output, channels first.

    A class that Keras 3 no longer has did nothing in inference.
    """
    case, make = CASES[kind], layer_class(kind)
    required = dict(case["required"]) if make else {}
    if "pool_size" in case["defaults"]:
        required["pool_size"] = 2  # AveragePooling has no default for it in Keras 3
    layer, x = (make or L.Identity)(name="tested", **required), keras.Input(case["shape"])
    inputs = [x, L.Activation("tanh")(x)] if kind in MERGING else x
    model = filled(keras.Model(x, L.Activation("tanh")(layer(inputs))), 0)
    batch = np.random.default_rng(1).standard_normal((3, *case["shape"])).astype(np.float32)
    return model, np.ascontiguousarray(channels_first(batch)), channels_first(predicted(model, batch))


def _computed(path: Path, kind: str, options: Mapping[str, Any]) -> Array:
    """Replace the options of the layer under test in a file, and return what the file computes."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        layer = next(each for each in config["config"]["layers"] if each["config"]["name"] == "tested")
        layer |= {"class_name": kind, "config": {"name": "tested", **options}}
        file.attrs["model_config"] = json.dumps(config).encode()
    return cr.load(path, engine="numpy").predict(_keras_model(kind)[1])


def _is_array(value: Any) -> bool:
    return isinstance(value, (int, float, list)) and not isinstance(value, bool)


def _tuples(value: Any) -> Any:
    return {"class_name": "__tuple__", "items": [*map(_tuples, value)]} if isinstance(value, list) else value


NOTATIONS: tuple[Any, ...] = (
    lambda value: value,
    lambda value: int(value) if isinstance(value, bool) else value,
    lambda value: (
        {"class_name": "__numpy__", "config": {"value": value, "dtype": "float32"}} if _is_array(value) else value
    ),
    lambda value: [[value]] if _is_array(value) and not isinstance(value, list) else value,
    _tuples,
)


@pytest.mark.parametrize("kind", CASES)
def test_defaults_in_every_notation(kind: str, tmp_path: Path) -> None:
    """Keras 2 wrote all options, or those without a default, with names of types and arrays in several notations."""
    model, x, expected = _keras_model(kind)
    assert_close(cr.load(saved(tmp_path, model, ".keras"), engine="numpy").predict(x), expected)
    required, path = CASES[kind]["required"], written(tmp_path / "m.h5", model)
    whole = required | CASES[kind]["defaults"]
    forms = [{name: noted(value) for name, value in whole.items()} for noted in NOTATIONS]
    for options in (required, EVERY_LAYER | whole, EVERY_LAYER | whole | {"dtype": POLICY}, *forms):
        assert_close(_computed(path, kind, options), expected)


def test_every_layer_is_tested() -> None:
    assert {*LAYERS} - {*FORMER} == {*CASES} | {*KINDS}


def _other(name: str, value: Any) -> Any:
    """Return a value of an option that differs from one."""
    words = {"valid": "same", "channels_last": "channels_first", "linear": "tanh", "relu": "tanh"}
    if isinstance(value, str):
        return words.get(value, "nearest" if value == "bilinear" else "bilinear")
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return [_other(name, each) for each in value]
    return {None: [1, 2] if name == "shared_axes" else 1, -1: -2}.get(value, (value or 0) + 1)


@pytest.mark.parametrize("kind", sorted({*CASES} - IDLE - {"Dropout"}))
def test_no_other_value_is_ignored(kind: str, tmp_path: Path) -> None:
    """Every option that matters in inference changes the result, or is refused."""
    case, (model, _, expected) = CASES[kind], _keras_model(kind)
    path = written(tmp_path / "m.h5", model)
    for name, value in (case["required"] | case["defaults"] | {"unheard_of": None}).items():
        if name in FOR_TRAINING or name.endswith(FOR_TRAINING_ENDINGS):
            continue
        changed = case["required"] | case["defaults"] | {name: _other(name, value)}
        try:
            y = _computed(path, kind, changed)
        except (FormatError, ShapeError):
            continue
        assert y.shape != expected.shape or np.abs(y - expected).max() > 1e-3, (name, changed[name])


def test_slopes_and_the_hard_sigmoid_of_keras_2(tmp_path: Path) -> None:
    """Keras 2: hard_sigmoid(x) is 0 below −2.5, 1 above 2.5, and 0.2 x + 0.5 between."""
    model = keras.Sequential([keras.Input((5,)), L.LeakyReLU(0.3), L.Activation("hard_sigmoid")])
    loaded = cr.load(written(tmp_path / "m.hdf5", model), engine="numpy")
    x = np.linspace(-12, 4, 40, dtype=np.float32).reshape(8, 5)
    assert_close(loaded.predict(x), np.clip(0.2 * np.where(x > 0, x, 0.3 * x) + 0.5, 0, 1))
