"""Normalization of imported networks by channel, and what is said about inputs that nothing normalizes."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close

import chainrule as cr
from chainrule.models.input_normalization import description

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of torchvision's ImageNet weights
BYTES = np.random.default_rng(0).integers(0, 256, (20, 3, 6, 5), dtype=np.uint8)
LABELS = np.arange(20) % 3


def network(*first: Any) -> cr.Sequential:
    return cr.Sequential([*first, cr.Conv2D(4, 3), cr.ReLU(), cr.Flatten(), cr.Dense(3)], (3, 6, 5), engine="numpy")


@pytest.mark.parametrize(
    ("statistics", "mean", "std"),
    [
        ("imagenet", MEAN, STD),
        ("mean=0.5,std=0.25", (0.5,), (0.25,)),
        ("mean=123.675, 116.28, 103.53, std=58.395, 57.12, 57.375", MEAN, STD),
    ],
)
def test_bytes_are_normalized(statistics: str, mean: Any, std: Any) -> None:
    plain = network()
    normalized = plain.with_input_normalization(statistics)
    expected = plain.apply((BYTES / 255 - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1)))
    assert_close(normalized.predict(BYTES), expected)
    np.testing.assert_array_equal(normalized.parameters, plain.parameters)
    constants = normalized.statistics.copy()
    normalized.fit(BYTES, LABELS, progress=False)
    np.testing.assert_array_equal(normalized.statistics, constants)
    assert description(plain.normalization, plain.layers, plain.wiring) != description(
        normalized.normalization, normalized.layers, normalized.wiring
    )


@pytest.mark.parametrize(("first", "is_told"), [((), True), ((cr.BatchNorm2D(),), False), ((cr.FixedAffine(),), False)])
def test_raw_bytes_without_normalization_are_reported(first: Any, is_told: bool, capsys: Any) -> None:
    from chainrule.engines.fallback import say_once

    say_once.cache_clear()
    network(*first).fit(BYTES, LABELS, progress=False, normalization="none")
    assert ("neither the training nor the network normalizes" in capsys.readouterr().err) == is_told


def test_a_network_that_normalizes_with_constants_gets_its_inputs_as_they_are() -> None:
    model, stepped = network(cr.FixedAffine()), network(cr.FixedAffine())
    history = model.fit(BYTES, LABELS, progress=False)
    stepped.train_step(BYTES, LABELS)
    assert model.normalization.kind == stepped.normalization.kind == "none"
    assert history.notes == ["the network normalizes its inputs"]


def test_the_copy_keeps_the_options() -> None:
    model = cr.Sequential([cr.Flatten(), cr.Dense(3)], (3, 4, 4), engine="numpy", threads=1, precise=True)
    for copy in (model.with_input_normalization("imagenet"), model.with_classes("ab")):
        assert (copy.engine.name, copy.threads, copy.precise) == ("numpy", 1, True)
