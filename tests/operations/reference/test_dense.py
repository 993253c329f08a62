"""The fully connected layer and the bias, by hand."""

import numpy as np
from numerical import frozen

from chainrule.operations.reference.dense import add_bias, bias_gradient, dense, dense_dw, dense_dx


def test_dense_by_hand():
    x = frozen([[1.0, 2, 3]])
    w = frozen([[1.0, 0, -1], [2, 1, 0]])
    dy = frozen([[10.0, 100]])
    np.testing.assert_array_equal(dense(x, w, frozen([0.5, -0.5])), [[-1.5, 3.5]])
    np.testing.assert_array_equal(dense_dx(dy, w), [[210, 100, -10]])  # Wᵀ dy
    np.testing.assert_array_equal(dense_dw(x, dy), [[10, 20, 30], [100, 200, 300]])  # dy xᵀ


def test_biases_by_hand():
    x = frozen([[[[1.0, 2]], [[3, 4]]]])
    np.testing.assert_array_equal(add_bias(x, frozen([10.0, 20])), [[[[11, 12]], [[23, 24]]]])
    np.testing.assert_array_equal(add_bias(x, frozen([[[10.0, 20]], [[30, 40]]])), [[[[11, 22]], [[33, 44]]]])


def test_gradients_of_biases_by_hand():
    """VanillaCNN eq. 37: the sum over the map. Independent Code: ∂E/∂b = ∂E/∂Y, one per position."""
    dy = frozen([[[[1.0, 2]], [[3, 4]]], [[[10, 20]], [[30, 40]]]])
    np.testing.assert_array_equal(bias_gradient(dy), [33, 77])
    np.testing.assert_array_equal(bias_gradient(dy, untied=True), [[[11, 22]], [[33, 44]]])
    np.testing.assert_array_equal(bias_gradient(dy[:1], untied=True), dy[0])
