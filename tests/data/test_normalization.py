"""Normalization: values, the round trip through a configuration, bytes and floats."""

import json
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.data import Normalization
from chainrule.errors import DataError, FormatError, OptionError

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
    found = Normalization.fit("standardize", x)
    wide = x.astype(np.float64)
    mean, deviation = wide.mean(axes, keepdims=True), wide.std(axes, keepdims=True)
    assert_close(np.ravel(found.gain), 1 / deviation.ravel())
    assert_close(np.ravel(found.offset), (-mean / deviation).ravel())
    assert_close(found.apply(x, np.float64), (wide - mean) / deviation)
    assert_close(found.apply(x), (wide - mean) / deviation)
    largest = np.array([0, 255]) if x is BYTES else wide
    assert_close(found.largest(x), np.abs((largest - mean) / deviation).max())
    assert Normalization.from_config(json.loads(json.dumps(found.to_config()))) == found


def test_constant_channels_become_zero() -> None:
    x = np.concatenate([FLOATS[:, :1], np.full((7, 1, 5, 3), 0.1)], axis=1)
    out = Normalization.fit("standardize", x).apply(x, np.float64)
    assert_close(out[:, 1], 0, magnitude=1)
    assert_close(out[:, 0].std(), 1)


def test_many_values_are_summed_without_loss() -> None:
    x = np.full((3, 1, 700, 700), 200, np.uint8)
    x[0, 0, 0, 0] = 201
    found = Normalization.fit("standardize", x)
    assert_close(1 / found.gain, np.sqrt((1 - 1 / x.size) / x.size))


def test_floats_go_to_zero_and_one_and_bytes_are_taken_as_shares() -> None:
    found = Normalization.fit("scale", FLOATS)
    out = found.apply(FLOATS)
    assert_close((out.min(), out.max()), (0, 1))
    shares = (BYTES / 255).astype(np.float32)
    for kind in ("scale", "standardize", "none"):
        fitted = Normalization.fit(kind, shares)
        assert_close(fitted.apply(BYTES), fitted.apply(shares))


def test_what_is_refused() -> None:
    with pytest.raises(OptionError, match="unknown normalization 'scael'; did you mean scale"):
        Normalization.fit("scael", BYTES)
    with pytest.raises(DataError, match=r"'standardize': every training pixel is 7.0"):
        Normalization.fit("standardize", np.full((2, 1, 3, 3), 7, np.uint8))
    with pytest.raises(OptionError, match="gain nan"):
        Normalization("none", float("nan"))
    with pytest.raises(OptionError, match="unknown pixels of a normalization 'dots'; known: bytes, shares, numbers"):
        Normalization("none", pixels="dots")
    infinite = {"kind": "none", "gain": "inf", "offset": 0, "pixels": "bytes"}
    unknown = {"kind": "x", "gain": 1, "offset": 0, "pixels": "bytes"}
    for config in ({}, unknown, {"kind": "none", "gain": "a"}, infinite, unknown | {"kind": "none", "gain": []}):
        with pytest.raises(FormatError, match="expected kind, gain, offset, pixels"):
            Normalization.from_config(config)


KINDS = ["scale", "standardize", "none"]
SHARES = (BYTES / 255).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.int64])
def test_whole_numbers_are_taken_by_their_values(kind: str, dtype: Any) -> None:
    """Treat sixteen-bit pixels like floats of the same values, not like bytes."""
    x = BYTES.astype(dtype) * 100 + 7
    found, as_floats = Normalization.fit(kind, x), Normalization.fit(kind, x.astype(np.float64))
    assert_close([found.gain, found.offset], [as_floats.gain, as_floats.offset], dtype=float)
    wide = x.astype(np.float64)
    spread = {"scale": np.ptp(wide), "standardize": wide.std(), "none": 1.0}[kind]
    centre = {"scale": wide.min(), "standardize": wide.mean(), "none": 0.0}[kind]
    assert_close(found.apply(x, np.float64), (wide - centre) / spread)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wide", [np.float32, np.float64])
def test_shares_given_to_what_was_fitted_to_bytes(kind: str, wide: Any) -> None:
    fitted = Normalization.fit(kind, BYTES)
    assert_close(fitted.apply((BYTES / 255).astype(wide)), fitted.apply(BYTES))
    black_and_white = np.where(BYTES > 99, np.uint8(255), np.uint8(0))
    assert_close(fitted.apply(BYTES > 99), fitted.apply(black_and_white))


@pytest.mark.parametrize("kind", KINDS)
def test_each_image_is_judged_alone(kind: str) -> None:
    fitted = Normalization.fit(kind, BYTES)
    mixed = np.concatenate([SHARES[:2], BYTES[2:4].astype(np.float32), np.zeros_like(SHARES[:1])])
    together = fitted.apply(mixed)
    for image, expected in zip(mixed, together, strict=True):
        assert_array_equal(fitted.apply(image[None])[0], expected)
    assert_close(together[:4], fitted.apply(BYTES[:4]))


@pytest.mark.parametrize("value", [-0.4, 1.02, 255.5, np.nan])
def test_floats_that_are_neither_shares_nor_bytes_are_refused(value: float) -> None:
    x = SHARES.clip(0, 0.9)
    x[3, 1, 2, 0] = value
    with pytest.raises(DataError, match=r"image 3 holds floats from .* trained on bytes; expected values 0 … 1 or"):
        Normalization.fit("scale", BYTES).apply(x)
    for other in (Normalization("scale"), Normalization.fit("none", FLOATS)):
        assert_array_equal(other.apply(x), x)


def test_training_floats_are_never_judged() -> None:
    """Keep a nearly black image among byte values in floats, or a large one among shares, as it is."""
    x = BYTES.astype(np.float32)
    x[2] = SHARES[2]
    assert_array_equal(Normalization.fit("none", x).apply(x), x)
    assert_array_equal(Normalization.fit("none", SHARES).apply(x), x)


def test_whole_numbers_given_to_what_was_fitted_to_shares() -> None:
    fitted = Normalization.fit("scale", SHARES)
    assert_close(fitted.apply(BYTES.astype(np.int64)), fitted.apply(BYTES))
    binary = (BYTES > 99).astype(np.int64)
    assert_array_equal(fitted.apply(binary), fitted.apply(binary.astype(np.float32)))
    assert_array_equal(Normalization.fit("scale", binary).apply(binary), binary.astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite(kind: str, value: float) -> None:
    x = FLOATS.copy()
    x[4, 0, 1, 1] = value
    with pytest.raises(DataError, match="the training data are not finite, the first in sample 4"):
        Normalization.fit(kind, x)
