"""Normalisation: the numbers, the same way back from a configuration, bytes and floats."""

import json
from typing import Any

import numpy as np
import pytest

from chainrule.data import Normalisation
from chainrule.errors import DataError, FormatError, OptionError

BYTES = np.random.default_rng(0).integers(0, 256, (7, 2, 5, 3), np.uint8)
FLOATS = (np.random.default_rng(1).normal(3.0, 2.0, (7, 2, 5, 3))).astype(np.float32)


def test_scale() -> None:
    scaled = Normalisation.fit("scale", BYTES[:1])
    np.testing.assert_allclose(scaled.apply(BYTES), BYTES / 255, rtol=1e-6)
    ends = scaled.apply(np.array([[[[0, 255]]]], np.uint8))
    assert ends.tolist() == [[[[0.0, 1.0]]]]
    assert scaled.background == 0.0


@pytest.mark.parametrize("x", [BYTES, FLOATS], ids=["bytes", "floats"])
def test_standardise_against_numpy(x: np.ndarray) -> None:
    found = Normalisation.fit("standardise", x)
    wide = x.astype(np.float64)
    assert found.gain == pytest.approx(1 / wide.std(), rel=1e-12)
    assert found.offset == pytest.approx(-wide.mean() / wide.std(), rel=1e-12)
    np.testing.assert_allclose(found.apply(x, np.float64), (wide - wide.mean()) / wide.std(), atol=1e-12)
    np.testing.assert_allclose(found.apply(x), (wide - wide.mean()) / wide.std(), atol=1e-5)


def test_many_values_are_summed_without_loss() -> None:
    x = np.full((3, 1, 700, 700), 200, np.uint8)
    x[0, 0, 0, 0] = 201
    found = Normalisation.fit("standardise", x)
    assert 1 / found.gain == pytest.approx(np.sqrt((1 - 1 / x.size) / x.size), rel=1e-12)


def test_floats_go_to_zero_and_one_and_bytes_are_taken_as_shares() -> None:
    found = Normalisation.fit("scale", FLOATS)
    out = found.apply(FLOATS)
    assert (out.min(), out.max()) == pytest.approx((0, 1), abs=1e-6)
    shares = (BYTES / 255).astype(np.float32)
    for kind in ("scale", "standardise", "none"):
        fitted = Normalisation.fit(kind, shares)
        np.testing.assert_allclose(fitted.apply(BYTES), fitted.apply(shares), atol=1e-5)


def test_none_leaves_the_values() -> None:
    np.testing.assert_array_equal(Normalisation.fit("none", BYTES).apply(BYTES), BYTES.astype(np.float32))


@pytest.mark.parametrize("kind", ["scale", "standardise", "none"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_by_one_as_all_at_once(kind: str, dtype: Any) -> None:
    found = Normalisation.fit(kind, BYTES)
    out = found.apply(BYTES.transpose(0, 1, 3, 2), dtype)
    assert out.dtype == dtype
    assert out.flags.c_contiguous
    for image, expected in zip(BYTES, out, strict=True):
        np.testing.assert_array_equal(found.apply(image[None].transpose(0, 1, 3, 2), dtype)[0], expected)


def test_inputs_are_not_changed() -> None:
    x = FLOATS.copy()
    out = Normalisation.fit("none", x).apply(x)
    out += 1
    np.testing.assert_array_equal(x, FLOATS)


@pytest.mark.parametrize("kind", ["scale", "standardise", "none"])
@pytest.mark.parametrize("x", [BYTES, FLOATS], ids=["bytes", "floats"])
def test_the_same_from_json(kind: str, x: np.ndarray) -> None:
    found = Normalisation.fit(kind, x)
    assert Normalisation.from_config(json.loads(json.dumps(found.to_config()))) == found


def test_what_is_refused() -> None:
    with pytest.raises(OptionError, match="unknown normalisation 'scael'; known: scale, standardise, none"):
        Normalisation.fit("scael", BYTES)
    with pytest.raises(DataError, match=r"'standardise': every pixel of the training data is 7.0"):
        Normalisation.fit("standardise", np.full((2, 1, 3, 3), 7, np.uint8))
    with pytest.raises(DataError, match="gain nan"):
        Normalisation("none", float("nan"))
    for config in ({}, {"kind": "x", "gain": 1, "offset": 0, "floats": False}, {"kind": "none", "gain": "a"}):
        with pytest.raises(FormatError, match="expected kind, gain, offset, floats"):
            Normalisation.from_config(config)
