"""Normalization: values against NumPy, the round trip through a configuration, units, and refusals."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.data import Normalization
from chainrule.data.input_statistics import InputStatistics
from chainrule.errors import DataError, FormatError, InputUnitWarning, OptionError

KINDS = ["scale", "standardize", "none"]
BYTES = np.random.default_rng(0).integers(0, 256, (7, 2, 5, 3), np.uint8)
FLOATS = (np.random.default_rng(1).normal(3.0, 2.0, (7, 2, 5, 3))).astype(np.float32)


def expected(kind: str, trained: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return x normalized in float64: pixels by one mean or range, other numbers by those of each channel."""
    wide, bytes_ = trained.astype(np.float64), trained.dtype == np.uint8 and trained.ndim == 4 and trained.max() > 1
    if kind == "none":
        return x * 1.0
    if kind == "scale":
        low, high = (0, 255) if bytes_ else (wide.min(), wide.max())
        return (x - low) / (high - low)
    axes = None if InputStatistics(trained).are_pixels else (0, *range(2, x.ndim))
    deviation = wide.std(axes, keepdims=True)
    return (x - wide.mean(axes, keepdims=True)) / np.where(deviation, deviation, 1)


@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1), st.sampled_from(["u1", "i8", "f4", "f8"]))
def test_values_are_those_of_numpy_in_any_dtype_and_split(kind: str, seed: int, dtype: str) -> None:
    """Normalize by values alone: neither the dtype nor the other samples have an effect."""
    draw = np.random.default_rng(seed)
    shape = (9, *draw.integers(2, 5, draw.integers(1, 4)).tolist())
    trained = draw.integers(0, draw.choice([2, 10, 256, 4000]), shape) - draw.integers(0, 3)
    trained = (trained % 256 if dtype == "u1" else trained).astype(dtype)
    if draw.random() < 0.3:
        trained[:, 0] = 7  # a constant channel becomes 0
    trained[1, -1], trained[2, -1] = 5, 8  # another one is not constant
    normalization = Normalization.fit(kind, trained)
    assert Normalization.from_config(json.loads(json.dumps(normalization.to_config()))) == normalization
    largest = np.array([[0, 255]]) if InputStatistics(trained).are_bytes else trained
    known = np.abs(expected(kind, trained, largest)).max()
    assert_close(InputStatistics(trained).largest(*normalization.constants), known)
    x = draw.integers(0, draw.choice([2, 200]), shape)
    y = expected(kind, trained, x)
    for other in (np.uint8, np.int16, np.int64, np.float32, np.float64):
        out = normalization.apply(np.asfortranarray(x.astype(other)))
        assert out.dtype == np.float32
        assert_close(out, y, magnitude=max(1, float(np.abs(expected(kind, trained, 0 * x)).max())))
        alone = np.concatenate([normalization.apply(sample[None].astype(other)) for sample in x])
        assert_array_equal(alone, out)


def test_many_values_are_summed_without_loss() -> None:
    x = np.full((3, 1, 700, 700), 200, np.uint8)
    x[0, 0, 0, 0] = 201
    assert_close(1 / Normalization.fit("standardize", x).gain, np.sqrt((1 - 1 / x.size) / x.size))


def test_wide_numbers_are_centered_before_they_are_rounded() -> None:
    """Keep the seconds of time stamps, which float32 rounds to minutes."""
    seconds = 1.7e9 + np.random.default_rng(0).integers(0, 600, (50, 2))
    for x in (seconds, seconds.astype(np.int64)):
        normalization = Normalization.fit(InputStatistics(x).default_kind, x)
        assert_close(normalization.apply(x), (seconds - seconds.mean(0)) / seconds.std(0))


def test_refused() -> None:
    with pytest.raises(OptionError, match="unknown normalization 'scael'; did you mean scale"):
        Normalization.fit("scael", BYTES)
    with pytest.raises(DataError, match=r"'standardize': every training pixel is 7.0"):
        Normalization.fit("standardize", np.full((2, 1, 3, 3), 7, np.uint8))
    with pytest.raises(OptionError, match="gain nan"):
        Normalization("none", float("nan"))
    for kind, value in zip(KINDS, (np.nan, np.inf, -np.inf), strict=True):
        x = FLOATS.copy()
        x[4, 0, 1, 1] = value
        with pytest.raises(DataError, match="the training data are not finite, the first in sample 4"):
            Normalization.fit(kind, x)
    valid = {"kind": "none", "gain": 1, "origin": 0}
    for change in ({"gain": "inf"}, {"gain": []}, {"kind": "x"}, {"limits": [1]}, {"limits": 3}, {"white": -1}):
        with pytest.raises(FormatError, match="expected kind, gain, origin"):
            Normalization.from_config(valid | change)
    with pytest.raises(FormatError, match="expected kind, gain, origin"):
        Normalization.from_config({})


@pytest.mark.parametrize(
    ("trained", "x", "advice"),
    [
        (BYTES, BYTES / 255, r"255 \* x"),
        (BYTES / 255, BYTES, "x / 255"),
        (BYTES / 255, BYTES.astype(np.float64), "x / 255"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_another_unit_is_named(trained: Any, x: Any, advice: str, kind: str) -> None:
    normalization = Normalization.fit(kind, trained)
    with pytest.warns(InputUnitWarning, match=advice):
        normalization.check_unit(x)
    assert Normalization.from_config(json.loads(json.dumps(normalization.to_config()))) == normalization


def test_values_that_can_be_in_the_unit_raise_no_warning() -> None:
    dark = np.minimum(BYTES, 1)
    bright = Normalization.fit("scale", BYTES)
    for x in (dark, np.zeros_like(BYTES), BYTES, BYTES.astype(np.float32), BYTES[:0]):
        bright.check_unit(x)
    Normalization.fit("none", dark).check_unit(dark.astype(np.float64))
    Normalization("none").check_unit(BYTES)


@given(st.floats(1e-3, 1e4))
def test_pixels_of_files_are_in_the_unit_of_the_training_data(white: float) -> None:
    converted = Normalization("none", white=white).of_image(BYTES)
    assert_close(converted, BYTES * (white / 255), dtype=np.float32)
    for unconverted in (Normalization("none"), Normalization("none", white=255.0)):
        assert unconverted.of_image(BYTES) is BYTES
