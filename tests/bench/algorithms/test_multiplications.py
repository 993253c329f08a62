"""Stated numbers of multiplications against counted ones."""

import numpy as np
import pytest
from bench.algorithms.counted import Counted, counted
from bench.algorithms.shapes_to_try import arrays

from benchmarks.algorithms import Direct, Fft, FftTiles, Gemm, Winograd, kernels
from benchmarks.algorithms.layer import Layer, of_arrays
from chainrule.operations.reference.convolution import cross_correlate

LAYERS = [
    (2, 3, (3, 3), (7, 6), ((0, 0), (0, 0))),
    (2, 3, (3, 3), (8, 8), ((1, 1), (1, 1))),
    (3, 2, (1, 3), (1, 11), ((0, 0), (0, 0))),
]


@pytest.fixture(autouse=True)
def in_python(monkeypatch):
    """Return the uncompiled kernels, which accept any numbers."""
    Counted.products = 0
    for name, value in list(vars(kernels).items()):
        if hasattr(value, "py_func"):
            monkeypatch.setattr(kernels, name, value.py_func)


def found(algorithm, x, w, padding):
    """Count the products of a batch, except those of `prepare`, and return them with the stated number."""
    layer = of_arrays(x, w, padding)
    prepared = counted(algorithm.prepare(w, layer))
    given = counted(x)
    y = algorithm.correlate(given, prepared, layer)
    np.testing.assert_allclose(y.astype(np.float64), cross_correlate(x, w, padding=padding), atol=1e-12)
    return Counted.products, layer.batch * algorithm.multiplications(layer)


@pytest.mark.parametrize("layer", LAYERS)
def test_gemm_and_direct(layer):
    x, w, padding = arrays(layer, batch=2)
    products, stated = found(Gemm(), x, w, padding)
    assert products == stated == 2 * Direct().multiplications(of_arrays(x, w, padding))


def test_winograd_of_whole_tiles_by_hand():
    """F(4×4, 3×3): 36 products for 16 outputs. Bᵀ has 10 factors for each line of a tile, Aᵀ has 6."""
    assert Winograd().multiplications(Layer(1, 5, 7, (3, 3), (10, 6))) == 2 * (36 * 35 + 12 * 10 * 5 + 10 * 6 * 7)
    # F(2×2, 5×5): 36 products for 4 outputs; Aᵀ has the factors ±3/4 and ±3/2, each for two points.
    assert Winograd().multiplications(Layer(1, 1, 1, (5, 5), (6, 6))) == 36 + 12 * 10 + 8 * 2


def test_products_of_spectra():
    generator = np.random.default_rng(2)
    x, w = generator.normal(size=(2, 3, 70, 2)), generator.normal(size=(4, 3, 70, 2))
    y = counted(np.zeros((2, 4, 70, 2)))
    kernels.multiply_spectra(counted(x), counted(w), y)
    found, one, other = (each.astype(float) @ (1, 1j) for each in (y, x, w))
    np.testing.assert_allclose(found, np.einsum("ncf,ocf->nof", one, other))
    assert Counted.products == 4 * 2 * 3 * 4 * 70


def test_fft_by_hand():
    """3 → 2 on 1×16: five transforms of 16 numbers, six products of 9 frequencies."""
    layer = Layer(1, 3, 2, (1, 4), (1, 16))
    assert Fft().multiplications(layer) == 5 * 16 * 4 + 4 * 6 * 9
    tiles = FftTiles()
    rows, columns = tiles.sides(layer)
    assert rows == 1
    assert tiles.multiplications(layer) == -(-13 // (columns - 3)) * Fft().multiplications(
        Layer(1, 3, 2, (1, 4), (1, columns))
    )
