"""Dropout: SplitMix64 by hand, expected counts, and its gradient."""

import numpy as np
import pytest
from numerical import assert_gradient, frozen, normals
from operations.reference.splitmix import splitmix64

from chainrule.errors import ShapeError
from chainrule.operations.reference import dropout

OPTIONS = {"rate": 0.4, "stream": 12, "seed": 7, "step": 3}


def test_each_element_is_kept_by_its_own_number():
    (x,) = normals(1, (3, 2, 2, 3))
    expected = x.reshape(3, 12).copy()
    for n in range(3):
        for e in range(12):
            expected[n, e] = expected[n, e] / 0.6 if splitmix64(7, 12, 3, 5 + n, e) >= 0.4 else 0
    np.testing.assert_allclose(dropout(x, first=5, **OPTIONS), expected.reshape(x.shape), rtol=1e-15)


def test_a_number_equal_to_the_rate_is_kept():
    exactly = splitmix64(7, 12, 3, 0, 1)
    y = dropout(frozen(np.ones((1, 2))), **{**OPTIONS, "rate": exactly})
    assert y[0, 1] == 1 / (1 - exactly)


def test_about_the_rate_is_dropped_and_the_mean_stays():
    y = dropout(frozen(np.ones((20, 500))), **OPTIONS)
    assert abs(np.mean(y == 0) - 0.4) < 0.02  # four standard deviations of 10,000 draws
    assert abs(y.mean() - 1) < 0.04
    np.testing.assert_array_equal(np.unique(y), [0, 1 / 0.6])


def test_what_is_kept_is_scaled_as_by_onnx_runtime(onnx):
    (x,) = normals(6, (20, 50))
    y, kept = onnx("Dropout", x, np.array(0.4), np.array(True), outputs=2)
    ours = dropout(x, **OPTIONS)
    both = kept & (ours != 0)
    assert both.sum() > 200
    np.testing.assert_allclose(ours[both], y[both], rtol=1e-7)  # their rate is float32 internally


def test_parts_of_a_batch_are_dropped_like_the_whole():
    (x,) = normals(2, (6, 5))
    parts = [dropout(x[:2], first=0, **OPTIONS), dropout(x[2:], first=2, **OPTIONS)]
    np.testing.assert_array_equal(np.concatenate(parts), dropout(x, **OPTIONS))


@pytest.mark.parametrize("change", [{"seed": 8}, {"step": 4}, {"stream": 13}, {"first": 1}])
def test_every_coordinate_matters(change):
    x = frozen(np.ones((2, 40)))
    assert (dropout(x, **OPTIONS) != dropout(x, **{**OPTIONS, **change})).any()


def test_the_gradient_is_the_same_operation():
    x, dy = normals(3, (2, 3, 4), (2, 3, 4))
    assert_gradient(lambda x: dropout(x, **OPTIONS), x, dy, dropout(dy, **OPTIONS))


def test_rates_of_none_and_all():
    (x,) = normals(4, (2, 5))
    np.testing.assert_array_equal(dropout(x, **{**OPTIONS, "rate": 0.0}), x)
    np.testing.assert_array_equal(dropout(x, **{**OPTIONS, "rate": 1.0}), np.zeros((2, 5)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtype_stays(dtype):
    (x,) = normals(5, (2, 5), dtype=dtype)
    assert dropout(x, **OPTIONS).dtype == dtype


def test_a_number_has_no_samples():
    with pytest.raises(ShapeError, match="x is a single number"):
        dropout(frozen(1.0), **OPTIONS)
