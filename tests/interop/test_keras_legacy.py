"""Files as Keras 2 wrote them: their configuration and the names in them differ from those of Keras 3."""

import json
from pathlib import Path
from random import Random

import h5py  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
import pytest
from interop.keras2_files import written
from interop.keras_graphs import draw_model
from interop.keras_models import deviation, filled, keras
from numerical import assert_close

import chainrule as cr

L = keras.layers


@pytest.mark.parametrize("seed", range(6))
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
    assert_close(loaded.predict(x), expected)


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
