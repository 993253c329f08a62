"""Batch, group and local response normalization, by hand."""

from functools import partial

import numpy as np
import pytest
from numerical import frozen, normals

from chainrule.operations.reference.normalization import (
    batch_norm,
    group_norm,
    group_norm_dw,
    group_norm_dx,
    local_response_norm,
    local_response_norm_dx,
    running_statistics,
)


def test_batch_normalization_by_hand():
    x = frozen([[1.0, 10], [3, 10], [5, 10], [7, 10]])
    y, mean, variance = batch_norm(x, frozen([2.0, 1]), frozen([100.0, -1]), epsilon=4)
    np.testing.assert_array_equal(mean, [4, 10])
    np.testing.assert_array_equal(variance, [5, 0])
    np.testing.assert_allclose(y, [[98, -1], [100 - 2 / 3, -1], [100 + 2 / 3, -1], [102, -1]], rtol=1e-14)


@pytest.mark.parametrize(("normalize", "channels"), [(batch_norm, 1), (partial(group_norm, groups=1), 4)])
def test_variance_beside_a_large_mean(normalize, channels):
    """Square after subtracting the mean, so that nothing cancels."""
    x = frozen(1e8 + np.arange(4.0).reshape(-1, channels))
    _, mean, variance = normalize(x, frozen(np.ones(channels)), frozen(np.zeros(channels)))
    np.testing.assert_allclose([mean.item() - 1e8, variance.item()], [1.5, 1.25], atol=1e-6)


def test_running_statistics_by_hand():
    mean, variance = running_statistics(
        frozen([10.0, 2]), frozen([3.0, 6]), frozen([0.0, 1]), frozen([1.0, 2]), momentum=0.25, count=4
    )
    np.testing.assert_array_equal(mean, [2.5, 1.25])
    np.testing.assert_array_equal(variance, [0.75 + 0.25 * 4, 1.5 + 0.25 * 8])  # 3·4/3 and 6·4/3


def test_running_variance_tends_to_that_of_numpy_unbiased():
    (x,) = normals(3, (5, 2, 2, 3))
    _, mean, variance = batch_norm(x, np.ones(2), np.zeros(2))
    moved = running_statistics(mean, variance, np.zeros(2), np.ones(2), count=30)
    np.testing.assert_allclose(moved[0], 0.1 * x.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(moved[1], 0.9 + 0.1 * x.var((0, 2, 3), ddof=1), rtol=1e-12)


def test_a_single_value_a_channel():
    x = frozen([[3.0, 4.0]])
    y, mean, variance = batch_norm(x, frozen([2.0, 2]), frozen([5.0, 6]))
    np.testing.assert_array_equal(y, [[5, 6]])
    _, moved = running_statistics(mean, variance, frozen([0.0, 0]), frozen([1.0, 1]), count=1)
    np.testing.assert_array_equal(moved, [0.9, 0.9])


def test_group_normalization_by_hand():
    """Two groups of two channels: one as in the derivation, and one of equal values, whose deviations are 0."""
    x = frozen([[[[1.0, 3]], [[5, 7]], [[6, 6]], [[6, 6]]]])
    gamma, beta = frozen([3.0, 6, 3, 3]), frozen([100.0, 0, 7, 8])
    y, mean, variance = group_norm(x, gamma, beta, groups=2, epsilon=4)
    np.testing.assert_array_equal(mean, [[4, 6]])
    np.testing.assert_array_equal(variance, [[5, 0]])
    np.testing.assert_allclose(y[0, :, 0], [[97, 99], [2, 6], [7, 7], [8, 8]], rtol=1e-14)
    dy = frozen([[[[9.0, 0]], [[0, 3]], [[1, 0]], [[0, 0]]]])
    dx = group_norm_dx(dy, x, gamma, mean, variance, groups=2, epsilon=4)
    np.testing.assert_allclose(dx[0, :, 0], [[4.5, -4], [-3.5, 3], [1.125, -0.375], [-0.375, -0.375]], rtol=1e-14)
    dgamma, dbeta = group_norm_dw(dy, x, mean, variance, groups=2, epsilon=4)
    np.testing.assert_allclose(dgamma, [-9, 3, 0, 0], rtol=1e-14)
    np.testing.assert_allclose(dbeta, [9, 3, 1, 0], rtol=1e-14)


def test_shared_scales_by_hand():
    """Two rows of four entries, with one γ and β for each place in a row."""
    x = frozen([[1.0, 3, 5, 7, 70, 50, 30, 10]])
    gamma, beta = frozen([3.0, 6, 9, 12]), frozen([0.0, 0, 0, 1])
    options = {"groups": 2, "shared": True, "epsilon": 4}
    y, mean, variance = group_norm(x, gamma, beta, **options)
    np.testing.assert_array_equal([mean, variance], [[[4, 40]], [[5, 500]]])
    s = np.sqrt(504)
    np.testing.assert_allclose(y, [[-3, -2, 3, 13, 90 / s, 60 / s, -90 / s, 1 - 360 / s]], rtol=1e-14)
    dgamma, dbeta = group_norm_dw(frozen(np.arange(1.0, 9)[None]), x, mean, variance, **options)
    np.testing.assert_allclose(dgamma, [-1 + 150 / s, -2 / 3 + 60 / s, 1 - 70 / s, 4 - 240 / s], rtol=1e-14)
    np.testing.assert_allclose(dbeta, [6, 8, 10, 12], rtol=1e-14)


def test_response_normalization_by_hand():
    """Three channels and windows of three: s = 1 + (1 + 2²), 1 + (1 + 2² + 4²) and 1 + (2² + 4²)."""
    x = frozen([1.0, 2, 4]).reshape(1, 3, 1, 1)
    options = {"size": 3, "alpha": 3.0, "beta": 1.0, "k": 1.0}
    y = local_response_norm(x, **options)
    np.testing.assert_allclose(y.ravel(), [1 / 6, 2 / 22, 4 / 21], rtol=1e-14)
    dx = local_response_norm_dx(frozen([0.0, 1, 0]).reshape(x.shape), x, **options)
    d = 2 / 22**2
    np.testing.assert_allclose(dx.ravel(), [-2 * d, 1 / 22 - 4 * d, -8 * d], rtol=1e-14)
