"""Every algorithm against SciPy's direct correlation, over shapes, paddings and precisions."""

import itertools

import numpy as np
import pytest
from bench.algorithms.shapes_to_try import LAYERS, arrays, random_layers
from scipy.signal import correlate2d

from benchmarks.algorithms import ALGORITHMS, Fft, FftTiles, Gemm, Winograd, find, gemm
from chainrule.errors import OptionError, ShapeError

IDS = [one.name for one in ALGORITHMS]
# Largest error over the largest output, in machine epsilons: the sums have up to some hundred products.
BOUNDS = {"direct": 40, "gemm": 40, "winograd": 80, "fft": 40, "fft tiles": 40}


def truth(x, w, padding):
    """Compute the direct sums with SciPy in float64."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *padding))
    found = [
        [sum(map(lambda a, b: correlate2d(a, b, mode="valid"), picture, kernel)) for kernel in w.astype(np.float64)]
        for picture in padded
    ]
    return np.array(found)


def able(algorithm, layers):
    """Return the layers that an algorithm supports; only Winograd's supports fewer than all."""
    return [one for one in layers if not isinstance(algorithm, Winograd) or one[2] in ((3, 3), (5, 5))]


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=IDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_scipy(algorithm, dtype):
    tried = able(algorithm, [*LAYERS, *random_layers(20), *random_layers(12, square=3), *random_layers(5, square=5)])
    assert len(tried) >= 15
    for layer in tried:
        x, w, padding = arrays(layer, dtype)
        y, expected = algorithm(x, w, padding), truth(x, w, padding)
        assert (y.shape, y.dtype) == (expected.shape, np.dtype(dtype)), layer
        assert y.flags.c_contiguous
        error = np.abs(y - expected).max() / np.abs(expected).max() / np.finfo(dtype).eps
        assert error < BOUNDS[algorithm.name], layer


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=IDS)
def test_batches_larger_than_a_block(algorithm):
    x, w, padding = arrays((2, 3, (3, 3), (6, 5), ((1, 1), (1, 1))), batch=70)
    y = algorithm(x, w, padding)
    np.testing.assert_allclose(y, truth(x, w, padding), atol=1e-12)
    np.testing.assert_allclose(algorithm(x[-1:], w, padding)[0], y[-1], atol=1e-13)


def test_gemm_in_parts(monkeypatch):
    """Split into columns of a few rows and of a part of a row."""
    x, w, padding = arrays((3, 4, (3, 5), (11, 23), ((1, 2), (2, 0))))
    for least, size in itertools.product((1, 4, 30), (1, 45 * 8 * 50)):
        monkeypatch.setattr(gemm, "MIN_COLUMNS", least)
        monkeypatch.setattr(gemm, "BLOCK_BYTES", size)
        np.testing.assert_allclose(Gemm()(x, w, padding), truth(x, w, padding), atol=1e-12)


def test_refused():
    x, w, _ = arrays((2, 3, (5, 5), (8, 8), ((0, 0), (0, 0))))
    with pytest.raises(ShapeError, match=r"winograd .*, found 1×1"):
        Winograd()(x, w[:, :, :1, :1])
    with pytest.raises(ShapeError, match=r"x 3×2×8×8, w 3×1×5×5"):
        Gemm()(x, w[:, :1])
    with pytest.raises(ShapeError, match="x is float64, w is float32"):
        Fft()(x, w.astype(np.float32))
    with pytest.raises(ShapeError, match=r"kernel 5×5 does not fit the 4×8 input"):
        FftTiles()(x[:, :, :4], w)
    with pytest.raises(OptionError, match="unknown algorithm 'strassen'; known: direct, gemm"):
        find("strassen")
