"""Keras on its PyTorch backend, beside its files as they are loaded here: drawn layers and models, known networks."""

import os
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from parity.sweeping import EXAMPLES, SEED
from selection import draws

pytest.importorskip("torch", reason="PyTorch is not installed (make parity, or pip install torch)")
os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported, unless another test has done so

from interop.keras_graphs import draw_model
from interop.keras_models import agree, deviation, filled, keras, saved
from interop.test_keras_layers import FAMILIES

import chainrule as cr

WIDE = draws(1) > 5  # all networks, not only the quick ones
NETWORKS = ["MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "ConvNeXtTiny"]
if WIDE:
    NETWORKS += ["MobileNet", "MobileNetV3Large", "EfficientNetV2B0", "DenseNet121", "ResNet50", "ResNet50V2", "VGG16"]
    NETWORKS += ["InceptionV3", "Xception"]
L = keras.layers
pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras runs on another backend already")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_layers(family: Any, tmp_path: Path) -> None:
    for number in range(max(EXAMPLES // 10, 3)):
        random = Random(f"{SEED} {family.__name__} {number}")
        layer, shape = family(random)
        ends: list[list[Any]] = [[L.Flatten(), L.Dense(4)], [L.Dense(3)]]
        after = random.choice(ends if family.__name__ == "idle" else [[], *ends])  # a model needs a layer that computes
        model = keras.Sequential([keras.Input(shape), layer, *after])
        agree(tmp_path, model, number, random.choice((".keras", ".h5")))


def test_models(tmp_path: Path) -> None:
    for number in range(EXAMPLES):
        random = Random(f"{SEED} {number}")
        agree(tmp_path, draw_model(random), number, random.choice((".keras", ".h5")))


@pytest.mark.parametrize("name", NETWORKS)
def test_known_networks(name: str, tmp_path: Path, record_property: Any) -> None:
    draw, size = np.random.default_rng(0), 128 if name in ("InceptionV3", "Xception") else 96
    model = filled(getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10), draw)
    loaded = cr.load(saved(tmp_path, model, ".keras"), engine="numpy")
    found = deviation(model, loaded, draw.uniform(0, 255, (2, size, size, 3)).astype(np.float32))
    record_property("parity", (f"Keras {name}", found, f"{size}×{size}"))
    assert found < 1e-4
