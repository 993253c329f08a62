"""Keras models with several inputs and outputs, compared with Keras."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.keras_models import channels_first, filled, keras, predicted, saved
from numerical import assert_close

import chainrule as cr
from chainrule.errors import FormatError

L = keras.layers


def two_branches() -> tuple[list[Any], list[Any]]:
    """Return the inputs and outputs of a network with an auxiliary output, a map, and the image itself."""
    image, vector = keras.Input((5, 6, 2), name="image"), keras.Input((3,), name="vector")
    h = L.Conv2D(3, 3, activation="relu", name="map")(image)
    joined = L.Concatenate()([L.Flatten()(h), L.Dense(4, activation="tanh")(vector)])
    shared = L.Dense(3, name="shared")
    first = L.Dense(3)(joined)
    return [image, vector], [L.Softmax(name="main")(first), h, shared(first), shared(L.ReLU()(first)), image]


MODELS: dict[str, tuple[Any, list[str]]] = {
    "list": (lambda x, y: keras.Model(x, y), ["main", "map", "shared", "shared_1", "image"]),
    "dictionary": (
        lambda x, y: keras.Model(dict(zip(("image", "vector"), x, strict=True)), {"b": y[1], "a": y[0]}),
        ["b", "a"],
    ),
}


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("kind", MODELS)
def test_results_are_those_of_keras(kind: str, ending: str, tmp_path: Path) -> None:
    if ending == ".h5" and kind == "dictionary":
        pytest.skip("Keras reads dictionaries of .h5 files as lists")
    draw = np.random.default_rng(3)
    build, names = MODELS[kind]
    theirs = filled(build(*two_branches()), draw)
    ours = cr.load(saved(tmp_path, theirs, ending), engine="numpy")
    x = [draw.standard_normal(shape).astype(np.float32) for shape in ((4, 5, 6, 2), (4, 3))]
    expected = predicted(theirs, dict(zip(("image", "vector"), x, strict=True)))
    actual = ours.predict([channels_first(values) for values in x])
    assert list(actual) == names
    for name, values in expected.items() if kind == "dictionary" else zip(names, expected, strict=True):
        assert_close(actual[name], channels_first(values))


def test_outputs_are_selected_and_need_only_their_inputs(tmp_path: Path) -> None:
    path = saved(tmp_path, keras.Model(*two_branches()), ".keras")
    assert cr.load(path, outputs="map", engine="numpy").input_shape == (2, 5, 6)
    selected = cr.load(path, outputs=["shared_1", "map"], engine="numpy")
    assert (selected.output_names, selected.input_names) == (("shared_1", "map"), ("image", "vector"))
    with pytest.raises(FormatError, match="no output 'other'; expected one of main, map, shared, shared_1, image"):
        cr.load(path, outputs=["main", "other"])
