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
from interop.keras2_options import CASES, EVERY_LAYER, POLICY, Case
from interop.keras_models import Array, channels_first, filled, keras, predicted, saved
from numerical import assert_close

import chainrule as cr
from chainrule.errors import FormatError, ShapeError
from chainrule.interop.keras.layers import LAYERS

L = keras.layers
MERGING = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract", "Dot")
# The first is compared with a formula in test_keras_operations.py, the others are other names of a layer.
WITHOUT_KERAS_3 = {"ThresholdedReLU", "BatchNormalizationV1", "BatchNormalizationV2"}
CASES_OF_BOTH = CASES | {"AdaptiveAveragePooling2D": Case((6, 5, 4), {"output_size": (2, 3)})}
IDENTITY = {name for name, translate in LAYERS.items() if translate is LAYERS["Identity"]} | {"Dropout"}
FOR_TRAINING = {"fused", "momentum", "renorm_momentum", "init_values", "activity_regularizer", *EVERY_LAYER}
FOR_TRAINING_ENDINGS = ("_initializer", "_regularizer", "_constraint")


@cache
def _keras_model(kind: str) -> tuple[Any, Array, Array]:
    """Return a model of a layer and tanh with drawn weights, a batch, and the model's output, channels first.

    A class that Keras 3 no longer has did nothing in inference.
    """
    case = CASES_OF_BOTH[kind]
    of_convnext = keras.src.applications.convnext.LayerScale if kind == "LayerScale" else None
    layer_class = getattr(L, kind, of_convnext)
    given = dict(case.required) if layer_class else {}
    if "pool_size" in case.defaults:
        given["pool_size"] = 2  # AveragePooling has no default for it in Keras 3
    layer = (layer_class or L.Identity)(name="tested", **given)
    x = keras.Input(case.shape)
    inputs = [x, L.Activation("tanh")(x)] if kind in MERGING else x
    model = filled(keras.Model(x, L.Activation("tanh")(layer(inputs))), np.random.default_rng(0))
    batch = np.random.default_rng(1).standard_normal((3, *case.shape)).astype(np.float32)
    return model, np.ascontiguousarray(channels_first(batch)), channels_first(predicted(model, batch))


def _assert_same(path: Path, kind: str) -> None:
    _, x, expected = _keras_model(kind)
    assert_close(cr.load(path, engine="numpy").predict(x), expected)


def _with_options(path: Path, kind: str, options: Mapping[str, Any]) -> Path:
    """Replace the options of the layer under test in a file."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        layer = next(each for each in config["config"]["layers"] if each["config"]["name"] == "tested")
        layer |= {"class_name": kind, "config": {"name": "tested", **options}}
        file.attrs["model_config"] = json.dumps(config).encode()
    return path


def _integers_for_booleans(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _is_array(value: Any) -> bool:
    return isinstance(value, (int, float, list)) and not isinstance(value, bool)


def _arrays_of_keras_2(value: Any) -> Any:
    return {"type": "ndarray", "value": value} if _is_array(value) else value


def _arrays_of_keras_3(value: Any) -> Any:
    options = {"value": value, "dtype": "float32"}
    return {"class_name": "__numpy__", "config": options} if _is_array(value) else value


def _nested_lists(value: Any) -> Any:
    return [[value]] if _is_array(value) and not isinstance(value, list) else value


def _tuples(value: Any) -> Any:
    return {"class_name": "__tuple__", "items": [*map(_tuples, value)]} if isinstance(value, list) else value


NOTATIONS = (_integers_for_booleans, _arrays_of_keras_2, _arrays_of_keras_3, _nested_lists, _tuples)


@pytest.mark.parametrize("kind", CASES)
def test_defaults_of_keras_2(kind: str, tmp_path: Path) -> None:
    required, defaults = CASES[kind].required, EVERY_LAYER | CASES[kind].defaults
    path = written(tmp_path / "m.h5", _keras_model(kind)[0])
    for options in (required, required | defaults, required | defaults | {"dtype": POLICY}):
        _assert_same(_with_options(path, kind, options), kind)


@pytest.mark.parametrize("kind", CASES)
def test_other_notations_of_a_value(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path / "m.h5", _keras_model(kind)[0])
    for noted in NOTATIONS:
        options = {name: noted(value) for name, value in (CASES[kind].required | CASES[kind].defaults).items()}
        _assert_same(_with_options(path, kind, options), kind)


@pytest.mark.parametrize("kind", CASES_OF_BOTH)
def test_defaults_of_keras_3(kind: str, tmp_path: Path) -> None:
    _assert_same(saved(tmp_path, _keras_model(kind)[0], ".keras"), kind)


def test_every_layer_is_tested() -> None:
    assert set(LAYERS) == set(CASES_OF_BOTH) | WITHOUT_KERAS_3


def _other(name: str, value: Any) -> Any:
    """Return a value of an option that differs from one."""
    words = {
        "valid": "same",
        "channels_last": "channels_first",
        "linear": "tanh",
        "relu": "tanh",
        "bilinear": "nearest",
    }
    if isinstance(value, str):
        return words.get(value, "bilinear")
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return [_other(name, each) for each in value]
    return {None: [1, 2] if name == "shared_axes" else 1, -1: -2}.get(value, (value or 0) + 1)


@pytest.mark.parametrize("kind", sorted(set(CASES) - IDENTITY))
def test_no_other_value_is_ignored(kind: str, tmp_path: Path) -> None:
    """Every option that matters in inference changes the result, or is refused."""
    case = CASES[kind]
    model, x, expected = _keras_model(kind)
    path = written(tmp_path / "m.h5", model)
    for name, value in (case.required | case.defaults | {"unheard_of": None}).items():
        if name in FOR_TRAINING or name.endswith(FOR_TRAINING_ENDINGS):
            continue
        changed = case.required | case.defaults | {name: _other(name, value)}
        try:
            y = cr.load(_with_options(path, kind, changed), engine="numpy").predict(x)
        except (FormatError, ShapeError):
            continue
        assert y.shape != expected.shape or np.abs(y - expected).max() > 1e-3, (name, changed[name])
