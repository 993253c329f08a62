"""Drawn layers and models of Keras on its PyTorch backend, beside their files as they are loaded here."""

import os
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from parity.sweeping import EXAMPLES, SEED

pytest.importorskip("torch", reason="PyTorch is not installed (make parity, or pip install torch)")
os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported, unless another test has done so

from formats.keras_graphs import draw_model
from formats.keras_models import agree, keras
from formats.test_keras_layers import FAMILIES

L = keras.layers
pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras runs on another backend already")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_layers(family: Any, tmp_path: Path) -> None:
    for number in range(max(EXAMPLES // 10, 3)):
        random = Random(f"{SEED} {family.__name__} {number}")
        layer, shape = family(random)
        after: list[Any] = random.choice(([], [L.Flatten(), L.Dense(4)], [L.Dense(3)]))
        model = keras.Sequential([keras.Input(shape), layer, *after])
        agree(tmp_path, model, np.random.default_rng(number), random.choice((".keras", ".h5")))


def test_models(tmp_path: Path) -> None:
    for number in range(EXAMPLES):
        random = Random(f"{SEED} {number}")
        agree(tmp_path, draw_model(random), np.random.default_rng(number), random.choice((".keras", ".h5")))
