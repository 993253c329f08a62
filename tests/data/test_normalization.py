"""Normalization: values, the round trip through a configuration, bytes and floats."""

import json
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.data import Normalization
from chainrule.data.input_statistics import InputStatistics
from chainrule.errors import DataError, FormatError, InputUnitWarning, OptionError

BYTES = np.random.default_rng(0).integers(0, 256, (7, 2, 5, 3), np.uint8)
FLOATS = (np.random.default_rng(1).normal(3.0, 2.0, (7, 2, 5, 3))).astype(np.float32)


@pytest.mark.parametrize(
    ("x", "axes"),
    [
        (BYTES, (0, 1, 2, 3)),
        (FLOATS, (0, 2, 3)),
        (FLOATS[..., 0] * [[1e3], [1e-3]], (0, 2)),
        (FLOATS[:, 0, :, 0] + np.arange(5), 0),
        (FLOATS[:, :1], (0, 1, 2, 3)),
    ],
    ids=["bytes", "images", "series", "vectors", "one channel"],
)
def test_standardize_against_numpy(x: np.ndarray, axes: Any) -> None:
    actual = Normalization.fit("standardize", x)
    wide = x.astype(np.float64)
    mean, deviation = wide.mean(axes, keepdims=True), wide.std(axes, keepdims=True)
    assert_close(np.ravel(actual.gain), 1 / deviation.ravel())
    assert_close(np.ravel(actual.offset), (-mean / deviation).ravel())
    assert_close(actual.apply(x, np.float64), (wide - mean) / deviation)
    assert_close(actual.apply(x), (wide - mean) / deviation)
    largest = np.array([0, 255]) if x is BYTES else wide
    assert_close(InputStatistics(x).largest(*actual.constants), np.abs((largest - mean) / deviation).max())
    assert Normalization.from_config(json.loads(json.dumps(actual.to_config()))) == actual


def test_constant_channels_become_zero() -> None:
    x = np.concatenate([FLOATS[:, :1], np.full((7, 1, 5, 3), 0.1)], axis=1)
    out = Normalization.fit("standardize", x).apply(x, np.float64)
    assert_close(out[:, 1], 0, magnitude=1)
    assert_close(out[:, 0].std(), 1)


def test_many_values_are_summed_without_loss() -> None:
    x = np.full((3, 1, 700, 700), 200, np.uint8)
    x[0, 0, 0, 0] = 201
    actual = Normalization.fit("standardize", x)
    assert_close(1 / actual.gain, np.sqrt((1 - 1 / x.size) / x.size))


def test_floats_go_to_zero_and_one() -> None:
    out = Normalization.fit("scale", FLOATS).apply(FLOATS)
    assert_close((out.min(), out.max()), (0, 1))


def test_refused() -> None:
    with pytest.raises(OptionError, match="unknown normalization 'scael'; did you mean scale"):
        Normalization.fit("scael", BYTES)
    with pytest.raises(DataError, match=r"'standardize': every training pixel is 7.0"):
        Normalization.fit("standardize", np.full((2, 1, 3, 3), 7, np.uint8))
    with pytest.raises(OptionError, match="gain nan"):
        Normalization("none", float("nan"))
    valid = {"kind": "none", "gain": 1, "offset": 0}
    wrong = (
        {"gain": "inf"},
        {"kind": "x"},
        {"gain": []},
        {"limits": [1]},
        {"limits": 3},
        {"white": "w"},
        {"white": -1},
    )
    for config in ({}, {"kind": "none", "gain": "a"}, *(valid | change for change in wrong)):
        with pytest.raises(FormatError, match="expected kind, gain, offset"):
            Normalization.from_config(config)


KINDS = ["scale", "standardize", "none"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_the_same_numbers_in_any_dtype_and_split(kind: str, seed: int) -> None:
    """Normalize by values alone: neither the dtype nor the other samples have an effect."""
    draw = np.random.default_rng(seed)
    shape = (9, *draw.integers(2, 5, draw.integers(1, 4)).tolist())
    trained = draw.integers(0, draw.choice([2, 10, 256, 4000]), shape) - draw.integers(0, 3)
    trained.flat[0] += 1  # not constant
    dtype = (
        draw.choice(["uint8", "int64", "float32", "float64"]) if trained.min() >= 0 and trained.max() < 256 else "f8"
    )
    actual = Normalization.fit(kind, trained.astype(dtype))
    x = draw.integers(0, draw.choice([2, 200]), shape)
    gain, offset = actual.arrays(x.ndim, np.float64)
    expected = x * gain + offset
    for other in (np.uint8, np.int16, np.int64, np.float32, np.float64):
        out = actual.apply(np.asfortranarray(x.astype(other)))
        assert out.dtype == np.float32
        assert_close(out, expected, magnitude=float(np.abs(offset).max()))
        alone = np.concatenate([actual.apply(sample[None].astype(other)) for sample in x])
        assert_array_equal(alone, out)


def test_wide_numbers_are_centered_before_they_are_rounded() -> None:
    """Keep the seconds of time stamps, which float32 rounds to minutes."""
    seconds = 1.7e9 + np.random.default_rng(0).integers(0, 600, (50, 2))
    for x in (seconds, seconds.astype(np.int64)):
        actual = Normalization.fit(InputStatistics(x).default_kind, x)
        assert_close(actual.apply(x), (seconds - seconds.mean(0)) / seconds.std(0))


@pytest.mark.parametrize(
    ("trained", "x", "factor"),
    [
        (BYTES, BYTES / 255, "255"),
        (BYTES / 255, BYTES, "1/255"),
        (BYTES / 255, BYTES.astype(np.float64), "1/255"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_another_unit_is_named_and_converted_only_on_request(trained: Any, x: Any, factor: str, kind: str) -> None:
    actual = Normalization.fit(kind, trained)
    with pytest.warns(InputUnitWarning, match=rf"with_input_rescaling\({factor}\)"):
        actual.check_unit(x)
    converted = actual.rescaled({"255": 255, "1/255": 1 / 255}[factor])
    converted.check_unit(x)
    assert_close(converted.apply(x), actual.apply(trained))
    assert Normalization.from_config(json.loads(json.dumps(converted.to_config()))) == converted


def test_values_that_can_be_in_the_unit_raise_no_warning() -> None:
    dark = np.minimum(BYTES, 1)
    bright = Normalization.fit("scale", BYTES)
    for x in (dark, np.zeros_like(BYTES), BYTES, BYTES.astype(np.float32), BYTES[:0]):
        bright.check_unit(x)
    Normalization.fit("none", dark).check_unit(dark.astype(np.float64))
    Normalization("none").check_unit(BYTES)


def test_images_in_files_are_converted_to_the_unit_of_training() -> None:
    for x in (BYTES, BYTES / 255, BYTES.astype(np.float32), np.minimum(BYTES, 1)):
        expected = BYTES / 255 if x.dtype == np.float64 else BYTES
        assert_close(Normalization.fit("none", x).of_image(BYTES), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite(kind: str, value: float) -> None:
    x = FLOATS.copy()
    x[4, 0, 1, 1] = value
    with pytest.raises(DataError, match="the training data are not finite, the first in sample 4"):
        Normalization.fit(kind, x)
