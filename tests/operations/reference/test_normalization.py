"""Batch normalization by hand, against NumPy's statistics and ONNX Runtime, and by finite differences."""

import numpy as np
import pytest
from numerical import assert_gradient, frozen, normals

from chainrule.errors import ShapeError
from chainrule.operations.reference.normalization import (
    batch_norm,
    batch_norm_dw,
    batch_norm_dx,
    batch_norm_inference,
    batch_norm_inference_dx,
    running_statistics,
)

shapes = pytest.mark.parametrize("shape", [(3, 2, 4, 5), (6, 3)], ids=["images", "features"])


def operands(shape, dtype=np.float64):
    x, gamma, beta, dy = normals(1, shape, shape[1:2], shape[1:2], shape, dtype=dtype)
    return frozen(2 * x + 3, dtype), gamma, beta, dy


def test_by_hand():
    x = frozen([[1.0, 10], [3, 10], [5, 10], [7, 10]])
    y, mean, variance = batch_norm(x, frozen([2.0, 1]), frozen([100.0, -1]), epsilon=4)
    np.testing.assert_array_equal(mean, [4, 10])
    np.testing.assert_array_equal(variance, [5, 0])
    np.testing.assert_allclose(y, [[98, -1], [100 - 2 / 3, -1], [100 + 2 / 3, -1], [102, -1]], rtol=1e-14)


@shapes
def test_statistics_are_those_of_numpy(shape):
    x, gamma, beta, _ = operands(shape)
    axes = tuple(axis for axis in range(len(shape)) if axis != 1)
    y, mean, variance = batch_norm(x, gamma, beta, epsilon=0)
    np.testing.assert_allclose(mean, x.mean(axes), rtol=1e-13)
    np.testing.assert_allclose(variance, x.var(axes), rtol=1e-13)
    np.testing.assert_allclose(y.mean(axes), beta, rtol=1e-12)
    np.testing.assert_allclose(y.std(axes), abs(gamma), rtol=1e-12)


def test_variance_beside_a_large_mean():
    """Square after subtracting the mean, so that nothing cancels."""
    x = frozen(1e8 + np.arange(4.0)[:, None])
    _, mean, variance = batch_norm(x, frozen([1.0]), frozen([0.0]))
    np.testing.assert_allclose([mean.item() - 1e8, variance.item()], [1.5, 1.25], atol=1e-6)


@shapes
def test_gradients(shape):
    x, gamma, beta, dy = operands(shape)
    _, mean, variance = (frozen(result) for result in batch_norm(x, gamma, beta, epsilon=0.01))
    dx = batch_norm_dx(dy, x, gamma, mean, variance, epsilon=0.01)
    dgamma, dbeta = batch_norm_dw(dy, x, mean, variance, epsilon=0.01)
    assert_gradient(lambda x: batch_norm(x, gamma, beta, epsilon=0.01)[0], x, dy, dx)
    assert_gradient(lambda gamma: batch_norm(x, gamma, beta, epsilon=0.01)[0], gamma, dy, dgamma)
    assert_gradient(lambda beta: batch_norm(x, gamma, beta, epsilon=0.01)[0], beta, dy, dbeta)


@shapes
def test_the_gradient_is_blind_to_shift_and_scale(shape):
    """y does not change when a channel of x is shifted or, without ε, scaled: dx is orthogonal to both."""
    x, gamma, beta, dy = operands(shape)
    _, mean, variance = batch_norm(x, gamma, beta, epsilon=0)
    dx = batch_norm_dx(dy, x, gamma, mean, variance, epsilon=0)
    axes = tuple(axis for axis in range(len(shape)) if axis != 1)
    np.testing.assert_allclose(dx.sum(axes), 0, atol=1e-12)
    np.testing.assert_allclose((dx * x).sum(axes), 0, atol=1e-12)


@shapes
def test_inference_onnx_runtime(onnx, shape):
    x, gamma, beta, _ = operands(shape)
    mean, variance = normals(2, shape[1:2], shape[1:2])
    variance = frozen(variance**2)
    y = batch_norm_inference(x, gamma, beta, mean, variance, epsilon=0.5)
    expected = onnx("BatchNormalization", x, gamma, beta, mean, variance, epsilon=0.5)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)


@shapes
def test_inference_gradient_by_numbers(shape):
    x, gamma, beta, dy = operands(shape)
    mean, variance = normals(2, shape[1:2], shape[1:2])
    variance = frozen(variance**2)
    found = batch_norm_inference_dx(dy, gamma, variance, epsilon=0.5)
    assert_gradient(lambda x: batch_norm_inference(x, gamma, beta, mean, variance, epsilon=0.5), x, dy, found)


def test_epsilon_is_a_hundred_thousandth():
    x, gamma, beta, dy = operands((6, 3))
    _, mean, variance = batch_norm(x, gamma, beta)
    given = {"epsilon": 1e-5}
    np.testing.assert_array_equal(batch_norm(x, gamma, beta)[0], batch_norm(x, gamma, beta, **given)[0])
    for operation, arrays in (
        (batch_norm_dx, (dy, x, gamma, mean, variance)),
        (batch_norm_dw, (dy, x, mean, variance)),
        (batch_norm_inference, (x, gamma, beta, mean, variance)),
    ):
        np.testing.assert_array_equal(operation(*arrays), operation(*arrays, **given))


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


def test_two_values_a_channel():
    one = frozen([1.0])
    assert running_statistics(one, one, one, one, momentum=0.5, count=2)[1].item() == 1.5  # 1·2/1, half of the way


def test_a_single_value_a_channel():
    x = frozen([[3.0, 4.0]])
    y, mean, variance = batch_norm(x, frozen([2.0, 2]), frozen([5.0, 6]))
    np.testing.assert_array_equal(y, [[5, 6]])
    _, moved = running_statistics(mean, variance, frozen([0.0, 0]), frozen([1.0, 1]), count=1)
    np.testing.assert_array_equal(moved, [0.9, 0.9])


@shapes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays(shape, dtype):
    x, gamma, beta, dy = operands(shape, dtype)
    results = batch_norm(x, gamma, beta)
    _, mean, variance = results
    results += (batch_norm_dx(dy, x, gamma, mean, variance), *batch_norm_dw(dy, x, mean, variance))
    results += (batch_norm_inference(x, gamma, beta, mean, variance),)
    results += running_statistics(mean, variance, frozen(mean), frozen(variance), count=30)
    assert {result.dtype for result in results} == {np.dtype(dtype)}


def test_errors_quote_the_sizes():
    x, gamma, beta, dy = operands((6, 3))
    with pytest.raises(ShapeError, match="batch_norm: gamma is 2, expected 3"):
        batch_norm(x, gamma[:2], beta)
    with pytest.raises(ShapeError, match="x is 6×3×1, expected"):
        batch_norm(x[:, :, None], gamma, beta)
    with pytest.raises(ShapeError, match="dy is 5×3, expected 6×3"):
        batch_norm_dx(dy[:5], x, gamma, beta, gamma)
    with pytest.raises(ShapeError, match="running_mean is 2, expected 3"):
        running_statistics(gamma, beta, gamma[:2], beta, count=6)
