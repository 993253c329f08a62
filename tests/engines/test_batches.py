"""Normalized batches of the compiled engine are bit-identical to NumPy's."""

from typing import Any

import numpy as np
import pytest
from drawn_networks import THREADS

from chainrule.data.normalization import Normalization
from chainrule.engines.loader import find
from chainrule.engines.native.kernels import batches


def drawn(draw: np.random.Generator, kind: str) -> tuple[np.ndarray, Normalization]:
    """Draw images of a type, and a normalization."""
    shape = (int(draw.integers(1, 40)), *draw.integers(1, 12, int(draw.integers(1, 4))).tolist())
    x = draw.integers(0, 256, shape).astype(np.uint8) if kind == "uint8" else draw.normal(size=shape).astype(kind)
    name = ("scale", "standardize", "none")[draw.integers(3)]
    gain, origin = (draw.normal(size=shape[1]) if draw.integers(2) else float(draw.normal()) for _ in range(2))
    gain, origin = (tuple(v.tolist()) if isinstance(v, np.ndarray) else v for v in (gain, origin))
    return x, Normalization(name, 1.0 if name == "none" else gain, origin if name == "standardize" else 0.0)


@pytest.mark.parametrize("number", range(40))
def test_normalized_rows_have_the_bits_of_numpy(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(number)
    dtype = ("float32", "float64")[number % 2]
    x, normalization = drawn(draw, ("uint8", dtype)[number // 2 % 2])
    rows = draw.integers(0, len(x), int(draw.integers(1, 50)))
    monkeypatch.setattr(batches, "MIN_ENTRIES", 0)
    actual = find("compiled").normalized_rows(
        x, rows, normalization.factors(2, dtype), dtype, threads=int(draw.choice(THREADS))
    )
    expected = normalization.apply(x[rows], dtype)
    assert actual is not None
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    assert actual.tobytes() == expected.tobytes()


BYTES = np.ones((3, 8), np.uint8)


@pytest.mark.parametrize(
    ("x", "rows"),
    [
        *((BYTES.astype(dtype), [0, 1]) for dtype in (np.int16, np.float64, ">f4")),
        (BYTES[:, ::2], [0, 1]),
        *((BYTES, rows) for rows in ([-1, 2], [0, 3], [True, False, True], [0.0, 1.0])),
    ],
)
def test_other_samples_and_rows_are_left_to_numpy(
    x: np.ndarray, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MIN_ENTRIES", 0)
    factors = tuple(np.full(1, value, np.float32) for value in (0, 0, 1))
    assert find("compiled").normalized_rows(x, np.array(rows), factors, "float32", 1) is None
