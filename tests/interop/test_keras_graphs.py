"""Keras models as networks: wiring, shared weights, models within models, order of entries, names."""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from interop.keras2_files import written
from interop.keras_draws import LAYERS_ALONE, draw_model
from interop.keras_models import agree, channels_first, deviation, filled, keras, predicted, saved
from numerical import assert_close
from selection import draws

import chainrule as cr

L = keras.layers
COUNT = draws(16)


def assert_shared(model: Any, loaded: Any) -> None:
    """Assert that a weight that several parts of the model share is one weight of the network."""
    assert loaded.parameters.size == sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize("seed", range(COUNT))
def test_drawn_models(seed: int, tmp_path: Path) -> None:
    """Layers of equal shapes are created in another order than used, and are in models within models."""
    random = Random(seed)
    keras.utils.clear_session()
    model = draw_model(random)
    ending = random.choice((".keras", ".h5"))
    loaded = agree(tmp_path, model, seed, ending)
    if ending == ".keras":
        assert_shared(model, loaded)


@pytest.mark.parametrize("seed", range(COUNT // 2))
def test_drawn_models_as_keras_2_wrote_them(seed: int, tmp_path: Path) -> None:
    draw, random = np.random.default_rng(seed), Random(seed)
    while "hard_sigmoid" in str((model := draw_model(random, LAYERS_ALONE)).get_config()):
        pass  # which was another function then
    loaded = cr.load(written(tmp_path / "m.h5", filled(model, draw)), engine="numpy")
    x = draw.standard_normal((3, *model.input_shape[1:])).astype(np.float32)
    assert deviation(model, loaded, x) < 1e-5


def test_layers_keep_their_names_and_the_momentum_is_that_of_the_batch(tmp_path: Path) -> None:
    x = keras.Input((8, 6, 3))
    y = L.BatchNormalization(momentum=0.8)(L.Conv2D(4, 3, name="stem")(x))
    loaded = agree(tmp_path, keras.Model(x, L.Dense(3, name="head")(L.Flatten()(y))), 2)
    norm = loaded.layers[1]
    assert isinstance(norm, cr.BatchNorm2D)
    assert (norm.momentum, norm.epsilon) == (0.2, 1e-3)
    assert {"stem", "head"} < {*loaded.names}
    assert not any(isinstance(layer, cr.Permute) for layer in loaded.layers)  # the dense weights are permuted instead


def test_layers_of_one_name_in_two_models_keep_their_own_weights(tmp_path: Path) -> None:
    x = keras.Input((4, 3, 2))
    parts = [keras.Sequential([keras.Input((4, 3, 2)), L.Conv2D(2, 3, name="conv")], name=name) for name in "ab"]
    model = keras.Model(x, L.Add()([part(x) for part in parts]))
    assert_shared(model, agree(tmp_path, model, 15))


def test_a_model_that_another_model_contains_too_but_is_not_saved(tmp_path: Path) -> None:
    inner = keras.Sequential([keras.Input((4, 3, 2)), L.Conv2D(2, 3, padding="same")], name="inner")
    other = keras.Input((4, 3, 2))
    keras.Model(other, inner(inner(other)))
    x = keras.Input((4, 3, 2))
    agree(tmp_path, keras.Model(x, inner(L.ReLU()(inner(x)))), 16)


def test_weights_of_16_bits_are_computed_with_in_32(tmp_path: Path) -> None:
    model = filled(keras.Sequential([keras.Input((4,)), L.Dense(3, dtype="float16")]), 9)
    loaded = cr.load(saved(tmp_path, model, ".keras"), engine="numpy")
    assert loaded.dtype == np.float32
    x = np.random.default_rng(10).standard_normal((3, 4)).astype(np.float32)
    assert_close(loaded.predict(x), predicted(model, channels_first(x)))
