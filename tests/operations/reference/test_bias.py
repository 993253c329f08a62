"""The bias and its gradient: sums by hand, finite differences."""

import numpy as np
import pytest
from numerical import assert_gradient, frozen, normals

from chainrule.errors import ShapeError
from chainrule.operations.reference.dense import add_bias, bias_gradient

SHAPES = [((2, 3, 4, 5), (3,)), ((2, 3, 4, 5), (3, 4, 5)), ((4, 3), (3,))]


def test_tied_and_untied_by_hand():
    x = frozen([[[[1.0, 2]], [[3, 4]]]])
    np.testing.assert_array_equal(add_bias(x, frozen([10.0, 20])), [[[[11, 12]], [[23, 24]]]])
    np.testing.assert_array_equal(add_bias(x, frozen([[[10.0, 20]], [[30, 40]]])), [[[[11, 22]], [[33, 44]]]])


def test_gradients_by_hand():
    """VanillaCNN eq. 37: the sum over the map. Independent Code: ∂E/∂b = ∂E/∂Y, one per position."""
    dy = frozen([[[[1.0, 2]], [[3, 4]]], [[[10, 20]], [[30, 40]]]])
    np.testing.assert_array_equal(bias_gradient(dy), [33, 77])
    np.testing.assert_array_equal(bias_gradient(dy, untied=True), [[[11, 22]], [[33, 44]]])
    np.testing.assert_array_equal(bias_gradient(dy[:1], untied=True), dy[0])


@pytest.mark.parametrize(("shape", "bias"), SHAPES)
def test_gradients_by_numbers(shape, bias):
    x, b, dy = normals(1, shape, bias, shape)
    assert_gradient(lambda b: add_bias(x, b), b, dy, bias_gradient(dy, untied=len(bias) > 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize(("shape", "bias"), SHAPES)
def test_dtype_stays(shape, bias, dtype):
    x, b = normals(2, shape, bias, dtype=dtype)
    np.testing.assert_array_equal(add_bias(x, b), x + (b[:, None, None] if x.ndim > b.ndim + 1 else b), strict=True)
    assert bias_gradient(x).dtype == dtype


@pytest.mark.parametrize("bias", [(2,), (4,), (3, 4), (3, 5, 4), ()])
def test_a_bias_of_another_shape_is_refused(bias):
    x, b = normals(3, (2, 3, 4, 5), bias)
    with pytest.raises(ShapeError, match="does not fit 3×4×5; expected 3 or 3×4×5"):
        add_bias(x, b)


def test_a_gradient_without_channels_is_refused():
    with pytest.raises(ShapeError, match="dy is 4, expected"):
        bias_gradient(frozen(np.ones(4)))
