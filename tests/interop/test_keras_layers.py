"""Every layer of Keras with drawn options and shapes, beside Keras itself."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from interop.keras_draws import draw_layer, draw_shape
from interop.keras_models import agree, keras
from selection import draws

from chainrule.interop.keras.operations import LAYERS

COUNT = draws(2)
L = keras.layers
MERGING = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
FORMER = ("ThresholdedReLU", "BatchNormalizationV1", "BatchNormalizationV2")  # which Keras 3 does not have
IDLE = {name for name, translate in LAYERS.items() if translate is LAYERS["Identity"]}  # test_keras_options.py
KINDS = sorted({*LAYERS} - IDLE - {*MERGING, *FORMER, "Dropout"})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(COUNT))
def test_a_layer_between_others(kind: str, seed: int, tmp_path: Path) -> None:
    """Before it, and after it, are layers at which the order of its entries matters."""
    random = Random(f"{kind} {seed}")
    shape = draw_shape(random, kind)
    layer = draw_layer(random, kind, shape)
    if kind == "Dense" and random.random() < 0.5:
        layer = random.choice((L.SpectralNormalization, L.TimeDistributed if len(shape) == 2 else lambda dense: dense))(
            layer
        )
    before = [L.Activation("tanh")] if random.random() < 0.5 else [L.Dense(shape[-1])]
    after: list[Any] = random.choice(([], [L.Flatten(), L.BatchNormalization(), L.Dense(4)], [L.Dense(3)]))
    model = keras.Sequential([keras.Input(shape), *before, layer, *after])
    agree(tmp_path, model, seed, random.choice((".keras", ".h5")))
