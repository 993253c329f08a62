"""Pooling against the tutorials, ONNX Runtime, and finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_gradient, frozen, normals

from chainrule.errors import OptionError, ShapeError
from chainrule.operations.reference.pooling import average_pool, average_pool_dx, max_pool, max_pool_dx

ZAYAN = frozen([[[[5.0, 2, 7, 4], [6, 3, 2, 1], [8, 6, 5, 9], [1, 3, 6, 1]]]])

# name: (size, attributes)
CASES = {
    "apart": ((4, 6), {"window": (2, 3)}),
    "cells left over": ((5, 8), {"window": (2, 3)}),
    "overlapping": ((5, 6), {"window": (3, 2), "stride": (1, 1)}),
    "gaps": ((6, 7), {"window": (2, 1), "stride": (3, 2)}),
    "asymmetric padding": ((4, 5), {"window": (3, 2), "stride": (2, 1), "padding": ((2, 1), (0, 1))}),
    "padding on every side": ((3, 4), {"window": (3, 3), "stride": (2, 2), "padding": ((1, 2), (2, 1))}),
}
cases = pytest.mark.parametrize(("size", "options"), CASES.values(), ids=CASES)


def for_onnx(options):
    (top, bottom), (left, right) = options.get("padding", ((0, 0), (0, 0)))
    return {
        "kernel_shape": options["window"],
        "strides": options.get("stride", options["window"]),
        "pads": (top, left, bottom, right),
    }


def test_the_max_pooling_of_zayan():
    y, winner = max_pool(ZAYAN, window=(2, 2))
    np.testing.assert_array_equal(y[0, 0], [[6, 7], [8, 9]])
    np.testing.assert_array_equal(winner[0, 0], [[4, 2], [8, 11]])
    dy = frozen([[[[0.1, 0.2], [0.3, 0.4]]]])
    expected = [[0, 0, 0.2, 0], [0.1, 0, 0, 0], [0.3, 0, 0, 0.4], [0, 0, 0, 0]]
    np.testing.assert_array_equal(max_pool_dx(dy, winner, size=(4, 4))[0, 0], expected)


def test_max_ties_go_to_the_first_in_row_major_order():
    x = frozen([[[[1.0, 3, 3], [3, 3, 2]]]])
    y, winner = max_pool(x, window=(2, 3))
    assert (y.item(), winner.item()) == (3, 1)
    _, winner = max_pool(frozen(np.zeros((1, 1, 4, 4))), window=(2, 2))
    np.testing.assert_array_equal(winner[0, 0], [[0, 2], [8, 10]])


def test_max_padding_never_wins():
    x = frozen([[[[-5.0, -6], [-7, -8]]]])
    y, winner = max_pool(x, window=(2, 2), stride=(1, 1), padding=((1, 1), (1, 1)))
    np.testing.assert_array_equal(y[0, 0], [[-5, -5, -6], [-5, -5, -6], [-7, -7, -8]])
    np.testing.assert_array_equal(winner[0, 0], [[0, 0, 1], [0, 0, 1], [2, 2, 3]])
    y, winner = max_pool(frozen(np.full((1, 1, 2, 2), -np.inf)), window=(2, 2), stride=(1, 1), padding=((1, 0), (1, 0)))
    np.testing.assert_array_equal(y[0, 0], np.full((2, 2), -np.inf))
    np.testing.assert_array_equal(winner[0, 0], [[0, 0], [0, 0]])


@pytest.mark.parametrize("row", [[1, np.nan, np.inf, np.nan], [np.nan, 9, np.nan, 1], [2, 1, 0, np.nan]])
def test_max_the_first_nan_wins(row):
    y, winner = max_pool(frozen(row).reshape(1, 1, 2, 2), window=(2, 2))
    assert np.isnan(y.item())
    assert winner.item() == np.flatnonzero(np.isnan(row))[0]


def test_max_overlapping_windows_accumulate():
    x = frozen([[[[0.0, 5, 1]]]])
    y, winner = max_pool(x, window=(1, 2), stride=(1, 1))
    np.testing.assert_array_equal(y[0, 0, 0], [5, 5])
    np.testing.assert_array_equal(max_pool_dx(frozen([[[[2.0, 3]]]]), winner, size=(1, 3))[0, 0, 0], [0, 5, 0])


def test_average_by_hand():
    x = frozen(np.arange(1.0, 7).reshape(1, 1, 2, 3))
    options = {"window": (2, 2), "stride": (1, 1), "padding": ((0, 0), (1, 0))}
    np.testing.assert_array_equal(average_pool(x, **options), [[[[2.5, 3, 4]]]])
    np.testing.assert_array_equal(average_pool(x, divisor="window", **options), [[[[1.25, 3, 4]]]])
    np.testing.assert_array_equal(average_pool(x, divisor="one", **options), [[[[5, 12, 16]]]])


def test_the_average_pooling_of_vanilla_cnn():
    """Eq. 16 and 34: S(i,j) = ¼ Σ C(2i+u, 2j+v), and ΔC(i,j) = ¼ ΔS(⌊i/2⌋, ⌊j/2⌋)."""
    C, dS = normals(1, (2, 3, 6, 4), (2, 3, 3, 2))
    S = (C[:, :, ::2, ::2] + C[:, :, 1::2, ::2] + C[:, :, ::2, 1::2] + C[:, :, 1::2, 1::2]) / 4
    np.testing.assert_allclose(average_pool(C, window=(2, 2)), S, rtol=1e-13, atol=1e-15)
    expected = np.kron(dS, np.full((2, 2), 0.25))
    np.testing.assert_array_equal(average_pool_dx(dS, size=(6, 4), window=(2, 2)), expected)


@cases
def test_max_onnx_runtime(onnx, size, options):
    (x,) = normals(2, (2, 3, *size))
    y, winner = max_pool(x, **options)
    expected, places = onnx("MaxPool", x, outputs=2, **for_onnx(options))
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(winner, places % (size[0] * size[1]))


@cases
@pytest.mark.parametrize("divisor", ["cells", "window"])
def test_average_onnx_runtime(onnx, size, options, divisor):
    (x,) = normals(3, (2, 3, *size), dtype=np.float32)
    expected = onnx("AveragePool", x, count_include_pad=int(divisor == "window"), **for_onnx(options))
    np.testing.assert_allclose(average_pool(x, divisor=divisor, **options), expected, atol=1e-6)


@cases
def test_max_gradient(size, options):
    (x,) = normals(4, (2, 3, *size))
    y, winner = max_pool(x, **options)
    (dy,) = normals(5, y.shape)
    dx = max_pool_dx(dy, winner, size=size)
    assert_gradient(lambda x: max_pool(x, **options)[0], x, dy, dx, smooth=False)


@cases
@pytest.mark.parametrize("divisor", ["cells", "window", "one"])
def test_average_gradient(size, options, divisor):
    (x,) = normals(6, (2, 3, *size))
    y = average_pool(x, divisor=divisor, **options)
    (dy,) = normals(7, y.shape)
    dx = average_pool_dx(dy, size=size, divisor=divisor, **options)
    assert_gradient(lambda x: average_pool(x, divisor=divisor, **options), x, dy, dx)


@st.composite
def settings_of_a_layer(draw):
    window = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = tuple((draw(st.integers(0, taps - 1)), draw(st.integers(0, taps - 1))) for taps in window)
    size = (window[0] + draw(st.integers(0, 3)), window[1] + draw(st.integers(0, 3)))
    return size, {"window": window, "stride": stride, "padding": padding}


@given(settings_of_a_layer(), st.sampled_from(["cells", "window", "one"]))
@settings(max_examples=50)
def test_any_setting(case, divisor):
    """Max over NumPy's sliding windows on −∞ padding, sums over those on zeros, and ⟨Px, dy⟩ = ⟨x, Pᵀdy⟩."""
    size, options = case
    (x,) = normals(8, (2, 2, *size))

    def windows(array, fill):
        padded = np.pad(array, ((0, 0), (0, 0), *options["padding"]), constant_values=fill)
        view = np.lib.stride_tricks.sliding_window_view(padded, options["window"], (2, 3))
        return view[:, :, :: options["stride"][0], :: options["stride"][1]]

    y, winner = max_pool(x, **options)
    np.testing.assert_array_equal(y, windows(x, -np.inf).max((4, 5)))
    np.testing.assert_array_equal(
        np.take_along_axis(x.reshape(2, 2, -1), winner.reshape(2, 2, -1), 2), y.reshape(2, 2, -1)
    )

    averaged = average_pool(x, divisor=divisor, **options)
    cells = windows(np.ones_like(x), 0).sum((4, 5))
    over = {"cells": cells, "window": np.prod(options["window"]), "one": 1}[divisor]
    np.testing.assert_allclose(averaged, windows(x, 0).sum((4, 5)) / over, rtol=1e-12, atol=1e-13)
    (dy,) = normals(9, y.shape)
    dx = average_pool_dx(dy, size=size, divisor=divisor, **options)
    np.testing.assert_allclose(np.sum(averaged * dy), np.sum(x * dx), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays(dtype):
    (x,) = normals(10, (2, 3, 5, 4), dtype=dtype)
    y, winner = max_pool(x, window=(2, 2))
    assert (y.dtype, winner.dtype) == (dtype, np.int32)
    assert max_pool_dx(frozen(y), frozen(winner), size=(5, 4)).dtype == dtype
    assert average_pool(x, window=(2, 2)).dtype == dtype
    assert average_pool_dx(frozen(y), size=(5, 4), window=(2, 2)).dtype == dtype


def test_average_takes_complex_numbers():
    real, imaginary = normals(11, (2, 3, 4, 5), (2, 3, 4, 5))
    y = average_pool(real + 1j * imaginary, window=(2, 2))
    np.testing.assert_array_equal(
        y, average_pool(real, window=(2, 2)) + 1j * average_pool(imaginary, window=(2, 2)), strict=True
    )


@pytest.mark.parametrize("pool", [max_pool, average_pool])
def test_errors_quote_what_came(pool):
    x = frozen(np.ones((1, 1, 3, 4)))
    with pytest.raises(ShapeError, match="window 4×2 does not fit the 3×4 input"):
        pool(x, window=(4, 2))
    with pytest.raises(ShapeError, match="is not smaller than the 2×3 window"):
        pool(x, window=(2, 3), padding=((0, 2), (0, 0)))
    with pytest.raises(ShapeError, match=r"x is 3×4, expected \(N, C, H, W\)"):
        pool(x[0, 0], window=(2, 2))


def test_gradient_errors_quote_what_came():
    dy = frozen(np.ones((1, 1, 2, 2)))
    with pytest.raises(ShapeError, match="dy is 1×1×2×2, expected 1×1×1×2"):
        average_pool_dx(dy, size=(3, 4), window=(2, 2))
    with pytest.raises(ShapeError, match="dy 1×1×2×2, winner 1×1×1×2"):
        max_pool_dx(dy, frozen(np.zeros((1, 1, 1, 2)), np.int32), size=(4, 4))
    with pytest.raises(OptionError, match="unknown divisor 'cell'; known: cells, window, one"):
        average_pool(frozen(np.ones((1, 1, 2, 2))), window=(2, 2), divisor="cell")
