"""Keras on its PyTorch backend, beside its files as they are loaded here: drawn layers and models, known networks."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selection import draws

pytest.importorskip("torch", reason="PyTorch is not installed (make parity, or pip install torch)")
os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported, unless another test has done so

from interop.keras_models import deviation, filled, keras, saved
from interop.test_keras_graphs import test_drawn_models
from interop.test_keras_layers import test_a_layer_between_others

import chainrule as cr

WIDE = draws(1) > 5  # all networks, not only the quick ones
NETWORKS = ["MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "ConvNeXtTiny"]
if WIDE:
    NETWORKS += ["MobileNet", "MobileNetV3Large", "EfficientNetV2B0", "DenseNet121", "ResNet50", "ResNet50V2", "VGG16"]
    NETWORKS += ["InceptionV3", "Xception"]
__all__ = ["test_a_layer_between_others", "test_drawn_models"]  # run here on PyTorch
pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras runs on another backend already")


@pytest.mark.parametrize("name", NETWORKS)
def test_known_networks(name: str, tmp_path: Path, record_property: Any) -> None:
    draw, size = np.random.default_rng(0), 128 if name in ("InceptionV3", "Xception") else 96
    model = filled(getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10), draw)
    loaded = cr.load(saved(tmp_path, model, ".keras"), engine="numpy")
    actual = deviation(model, loaded, draw.uniform(0, 255, (2, size, size, 3)).astype(np.float32))
    record_property("parity", (f"Keras {name}", actual, f"{size}×{size}"))
    assert actual < 1e-4
