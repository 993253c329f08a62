"""Group normalization by hand, against NumPy's statistics, by finite differences, and its special cases."""

import numpy as np
import pytest
from numerical import assert_gradient, frozen, normals

from chainrule.operations.reference.normalization import batch_norm, group_norm, group_norm_dw, group_norm_dx

CASES = [
    ((3, 6, 2, 3), 2, False),
    ((3, 6, 2, 3), 3, True),
    ((4, 8), 2, False),
    ((4, 8), 2, True),
    ((2, 3, 2, 4), 3, False),
]
cases = pytest.mark.parametrize(("shape", "groups", "shared"), CASES)


def operands(shape, groups, shared, dtype=np.float64):
    count = shape[1] // groups if shared else shape[1]
    x, gamma, beta, dy = normals(1, shape, (count,), (count,), shape, dtype=dtype)
    return frozen(2 * x + 3, dtype), gamma, beta, dy


def test_by_hand():
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


@cases
def test_statistics_are_those_of_numpy(shape, groups, shared):
    x, gamma, beta, _ = operands(shape, groups, shared)
    _, mean, variance = group_norm(x, gamma, beta, groups=groups, shared=shared)
    rows = x.reshape(len(x), groups, -1)
    np.testing.assert_allclose(mean, rows.mean(2), rtol=1e-13)
    np.testing.assert_allclose(variance, rows.var(2), rtol=1e-13)
    ones = np.ones_like(gamma)
    y = group_norm(x, ones, 0 * ones, groups=groups, shared=shared, epsilon=0)[0].reshape(rows.shape)
    np.testing.assert_allclose(y.mean(2), 0, atol=1e-13)
    np.testing.assert_allclose(y.std(2), 1, rtol=1e-12)


def test_variance_beside_a_large_mean():
    """Square after subtracting the mean, so that nothing cancels."""
    x = frozen(1e8 + np.arange(4.0)[None])
    _, mean, variance = group_norm(x, frozen(np.ones(4)), frozen(np.zeros(4)), groups=1)
    np.testing.assert_allclose([mean.item() - 1e8, variance.item()], [1.5, 1.25], atol=1e-6)


@cases
def test_gradients(shape, groups, shared):
    x, gamma, beta, dy = operands(shape, groups, shared)
    options = {"groups": groups, "shared": shared, "epsilon": 0.01}
    _, mean, variance = (frozen(result) for result in group_norm(x, gamma, beta, **options))
    dx = group_norm_dx(dy, x, gamma, mean, variance, **options)
    dgamma, dbeta = group_norm_dw(dy, x, mean, variance, **options)
    assert_gradient(lambda x: group_norm(x, gamma, beta, **options)[0], x, dy, dx)
    assert_gradient(lambda gamma: group_norm(x, gamma, beta, **options)[0], gamma, dy, dgamma)
    assert_gradient(lambda beta: group_norm(x, gamma, beta, **options)[0], beta, dy, dbeta)


@cases
def test_the_gradient_is_blind_to_shift_and_scale(shape, groups, shared):
    """Adding a constant to a group, or stretching it, changes no result: dx is orthogonal to both."""
    x, gamma, beta, dy = operands(shape, groups, shared)
    _, mean, variance = group_norm(x, gamma, beta, groups=groups, shared=shared, epsilon=0)
    dx = group_norm_dx(dy, x, gamma, mean, variance, groups=groups, shared=shared, epsilon=0)
    rows, values = dx.reshape(len(x), groups, -1), x.reshape(len(x), groups, -1)
    np.testing.assert_allclose(rows.sum(2), 0, atol=1e-12)
    np.testing.assert_allclose((rows * values).sum(2), 0, atol=1e-12)


def test_one_channel_a_group_is_batch_normalization_of_each_sample_alone():
    x, gamma, beta, _ = operands((3, 4, 2, 5), 4, False)
    y, mean, variance = group_norm(x, gamma, beta, groups=4)
    for n in range(3):
        alone, own, spread = batch_norm(x[n : n + 1], gamma, beta)
        np.testing.assert_allclose(y[n : n + 1], alone, rtol=1e-13)
        np.testing.assert_allclose([mean[n], variance[n]], [own, spread], rtol=1e-13)


def test_defaults():
    x, gamma, beta, dy = operands((4, 6), 2, False)
    results = group_norm(x, gamma, beta, groups=2)
    known = {"groups": 2, "shared": False, "epsilon": 1e-5}
    for found, expected in zip(results, group_norm(x, gamma, beta, **known), strict=True):
        np.testing.assert_array_equal(found, expected)
    kept = results[1:]
    np.testing.assert_array_equal(
        group_norm_dx(dy, x, gamma, *kept, groups=2), group_norm_dx(dy, x, gamma, *kept, **known)
    )
    np.testing.assert_array_equal(group_norm_dw(dy, x, *kept, groups=2), group_norm_dw(dy, x, *kept, **known))


def test_dtype_stays():
    x, gamma, beta, dy = operands((4, 6), 2, False, np.float32)
    results = group_norm(x, gamma, beta, groups=2)
    kept = results[1:]
    results += (group_norm_dx(dy, x, gamma, *kept, groups=2), *group_norm_dw(dy, x, *kept, groups=2))
    assert {result.dtype for result in results} == {np.dtype(np.float32)}
