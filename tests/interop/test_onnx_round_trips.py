"""From ONNX and back: what was imported and exported again computes the same, and what was exported can be imported."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws

import chainrule as cr


@pytest.mark.parametrize("normalization", ["scale", "standardize", "none", None])
def test_names_of_classes_and_layers_and_the_normalization_come_back(normalization: Any, tmp_path: Path) -> None:
    x = cr.Input((3, 8, 8))
    trunk = cr.SiLU()(cr.BatchNorm2D()(cr.Conv2D(3, 3, padding=1)(x, name="stem"), name="bn"), name="act")
    y = cr.Dropout(0.3)(cr.Add()(x, trunk, name="sum"))
    y = cr.Dense(3)(cr.Flatten()(cr.MaxPool2D(2)(y, name="halved")), name="head")
    model = cr.Graph(x, cr.Softmax()(y, name="shares"), classes=["cat", "dog", "bird"], engine="numpy")
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (12, 3, 8, 8), dtype=np.uint8)
    if normalization is None:  # channels of different units
        images = (images - 99) * np.float32([1, 100, 0.01])[:, None, None]
    model.fit(images, np.arange(12) % 3, progress=False, normalization=normalization)
    cr.export_onnx(model, tmp_path / "m.onnx")
    loaded = cr.load(tmp_path / "m.onnx", engine="numpy")
    described = [dict(zip(each.names, map(str, each.layers), strict=True)) for each in (model, loaded)]
    assert described[0].pop("dropout1")
    assert described[0] == described[1]
    for name, values in model.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], values)
    assert (loaded.classes, loaded.normalization, loaded.loss, loaded.task) == (
        *(model.classes, model.normalization, model.loss, model.task),
    )
    assert_close(loaded.predict(images), model.predict(images))


SHARED = (
    lambda: cr.Conv2D(2, 3, padding="same"),
    lambda: cr.ConvTranspose2D(2, 3, padding=1),
    cr.BatchNorm2D,
    lambda: cr.GroupNorm(2),
    cr.PReLU,
    cr.FixedAffine,
)


@settings(max_examples=draws(10))
@given(seed=st.integers(0, 2**32))
def test_layers_that_are_called_several_times_come_back(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever names their calls have."""
    draw = np.random.default_rng(seed)
    x = cr.Input((2, 6, 5))
    layers, values = [SHARED[draw.integers(len(SHARED))]() for _ in range(3)], [x]
    named = set[int]()
    for number in range(int(draw.integers(4, 8))):
        place = int(draw.integers(len(layers)))
        name = f"own{number}" if place not in named and draw.random() < 0.5 else None
        named.add(place)
        y = layers[place](values[draw.integers(len(values))], name=name)
        values.append([cr.Tanh()(y), y, cr.Add()(y, values[-1])][draw.integers(3)])
    model = cr.Graph(x, cr.Concatenate()(*values[1:]), engine="numpy")
    model.parameters += draw.normal(scale=0.3, size=model.parameters.shape).astype(np.float32)
    path = tmp_path_factory.mktemp("shared") / "m.onnx"
    cr.export_onnx(model, path)
    loaded, images = cr.load(path, engine="numpy"), draw.normal(size=(3, 2, 6, 5)).astype(np.float32)
    assert_close(loaded.predict(images), model.predict(images), 1e4)
