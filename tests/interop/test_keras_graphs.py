"""Keras models as networks: wiring, shared weights, models within models, order of entries, training, round trips."""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from interop.keras_graphs import draw_model
from interop.keras_models import agree, channels_first, deviation, filled, keras, predicted, saved
from numerical import assert_close
from selection import draws

import chainrule as cr

L = keras.layers
COUNT = draws(12)


@pytest.mark.parametrize("seed", range(COUNT))
def test_drawn_models(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    agree(tmp_path, draw_model(random), seed, random.choice((".keras", ".h5")))


def residual(channels: int) -> Any:
    """Return a model with a residual block, a flattened image and a dense layer."""
    x = keras.Input((8, 6, 3))
    y = L.Conv2D(channels, 3, strides=2, padding="same", use_bias=False)(x)
    z = L.ReLU(6.0)(L.BatchNormalization(momentum=0.8)(y))
    y = L.Add()([y, L.Conv2D(channels, 3, padding="same")(z)])
    return keras.Model(x, L.Dense(3, activation="softmax")(L.Dropout(0.2)(L.Flatten()(y))))


def test_layers_keep_their_names_and_the_momentum_is_that_of_the_batch(tmp_path: Path) -> None:
    model = residual(4)
    loaded = agree(tmp_path, model, 2)
    assert {layer.name for layer in model.layers if layer.weights} <= set(loaded.names)
    norm = next(layer for layer in loaded.layers if isinstance(layer, cr.BatchNorm2D))
    assert (norm.momentum, norm.epsilon) == (0.2, 1e-3)
    assert not any(isinstance(layer, cr.Permute) for layer in loaded.layers)  # the dense weights are permuted instead


def test_a_dense_layer_that_is_shared_reads_every_input_in_one_order(tmp_path: Path) -> None:
    x = keras.Input((3, 4, 2))
    dense = L.Dense(5)
    other = L.Reshape((3, 4, 2))(L.Flatten()(L.Permute((3, 2, 1))(x)))
    y = L.Add()([dense(L.Flatten()(x)), dense(L.Flatten()(other))])
    loaded = agree(tmp_path, keras.Model(x, y), 4)
    assert len(loaded.weights) == 2


def _block(name: str, *layers: Any) -> Any:
    return keras.Sequential([keras.Input((4, 3, 2)), *layers], name=name)


def _model_in_two_models(x: Any) -> Any:
    inner = _block("inner", L.Conv2D(2, 3, padding="same"), L.PReLU())
    return L.Add()([_block("a", inner, L.Conv2D(2, 1))(x), _block("b", L.ReLU(), inner)(x)])


def _model_within_and_outside(x: Any) -> Any:
    y = keras.Input((4, 3, 2))
    inner = keras.Model(y, L.Add()([y, L.DepthwiseConv2D(3, padding="same")(y)]), name="inner")
    return inner(_block("a", inner, L.BatchNormalization())(x))


def _layer_outside_and_within(x: Any) -> Any:
    dense = L.Dense(24, name="dense")
    vector = keras.Sequential([keras.Input((24,)), L.Dense(24), dense], name="a")
    return L.Add()([dense(L.Flatten()(x)), vector(L.Flatten()(L.Permute((3, 1, 2))(x)))])


def _layer_of_two_models_in_two_orders(x: Any) -> Any:
    dense = L.Dense(5, name="dense")
    return L.Add()([_block("a", L.Flatten(), dense)(x), _block("b", L.Permute((1, 3, 2)), L.Flatten(), dense)(x)])


@pytest.mark.parametrize(
    "build",
    [_model_in_two_models, _model_within_and_outside, _layer_outside_and_within, _layer_of_two_models_in_two_orders],
)
def test_parts_of_several_models_share_their_weights(build: Any, tmp_path: Path) -> None:
    x = keras.Input((4, 3, 2))
    model = keras.Model(x, build(x))
    loaded = agree(tmp_path, model, 13)
    trained = sum(int(np.prod(each.shape)) for each in model.trainable_weights)
    assert loaded.parameters.size == trained
    agree(tmp_path, model, 14, ".h5")


def test_layers_of_one_name_in_two_models_keep_their_own_weights(tmp_path: Path) -> None:
    x = keras.Input((4, 3, 2))
    ends = [_block(name, L.Conv2D(2, 3, padding="same", name="conv"))(x) for name in ("a", "b")]
    model = keras.Model(x, L.Add()(ends))
    loaded = agree(tmp_path, model, 15)
    assert loaded.parameters.size == model.count_params()


def test_a_model_that_another_model_contains_too_but_is_not_saved(tmp_path: Path) -> None:
    inner = _block("inner", L.Conv2D(2, 3, padding="same"))
    other = keras.Input((4, 3, 2))
    keras.Model(other, inner(inner(other)))
    x = keras.Input((4, 3, 2))
    agree(tmp_path, keras.Model(x, inner(L.ReLU()(inner(x)))), np.random.default_rng(16))


def test_an_image_made_of_a_vector_has_its_channels_first(tmp_path: Path) -> None:
    row = [L.Dense(24, activation="relu"), L.Reshape((2, 3, 4)), L.Conv2DTranspose(2, 3, 2, padding="same")]
    loaded = agree(tmp_path, keras.Sequential([keras.Input((5,)), *row]), np.random.default_rng(11))
    assert loaded.output_shape == (2, 4, 6)


def test_numbers_and_values_of_four_axes(tmp_path: Path) -> None:
    row = [L.Reshape((2, 3, 2, 2)), L.Concatenate(axis=-1), L.Rescaling(2.0, offset=1.0), L.Permute((4, 2, 1, 3))]
    x = keras.Input((6, 2, 2))
    y = row[0](x)
    y = L.Flatten()(row[3](row[2](row[1]([y, L.Activation("tanh")(y)])) - 0.5))
    agree(tmp_path, keras.Model(x, L.Dense(3)(y)), 12)


def test_models_with_channels_first(tmp_path: Path) -> None:
    first = {"data_format": "channels_first"}
    row = [
        L.Conv2D(4, 3, padding="same", **first),
        L.BatchNormalization(axis=1),
        L.MaxPooling2D(**first),
        L.Flatten(**first),
    ]
    model = filled(keras.Sequential([keras.Input((3, 8, 6)), *row, L.Dense(5)]), np.random.default_rng(5))
    x = np.random.default_rng(6).standard_normal((3, 3, 8, 6)).astype(np.float32)
    loaded = cr.load(saved(tmp_path, model, ".keras"), engine="numpy")
    assert deviation(model, loaded, x, turned=False) < 1e-5


def test_weights_of_16_bits_are_computed_with_in_32(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, dtype="float16")])
    filled(model, 9)
    loaded = cr.load(saved(tmp_path, model, ".keras"), engine="numpy")
    assert loaded.dtype == np.float32
    x = np.random.default_rng(10).standard_normal((3, 4)).astype(np.float32)
    assert_close(loaded.predict(x), predicted(model, channels_first(x)))
