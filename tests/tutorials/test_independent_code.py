"""The Independent Code's notes, equation by equation, against the reference and finite differences."""

import numpy as np
from numerical import assert_close, assert_gradient, central_difference, normals
from scipy.signal import convolve2d, correlate2d
from tutorials.comparing import plane, same

from chainrule.core import shapes
from chainrule.operations import reference

IMAGE = np.array([[1.0, 6, 2], [5, 3, 1], [7, 0, 4]])
KERNEL = np.array([[1.0, 2], [-1, 0]])


def test_steps_of_valid_and_full():
    """A 2×2 kernel on 3×3 takes four steps where it must fit, sixteen where it must touch."""
    counts = []
    for mode in ("valid", "full"):
        padding = (shapes.axis_padding(mode, 3, 2),) * 2
        y = reference.cross_correlate(plane(IMAGE), plane(KERNEL), padding=padding)[0, 0]
        same(y, correlate2d(IMAGE, KERNEL, mode))
        counts.append(y.size)
    assert counts == [4, 16]


def test_three_channels_make_one_cell():
    """O1 + O2 + O3 + B = y11, where each channel has numbers of its own."""
    x, k, B = normals(2, (3, 2, 2), (3, 2, 2), (1,))
    O1, O2, O3 = ((x[c] * k[c]).sum() for c in range(3))
    same(reference.cross_correlate(x[None], k[None], B), [[[[O1 + O2 + O3 + B[0]]]]])


def test_output_of_every_kernel():
    """Y_i = B_i + Σ_j X_j ⋆ K_ij for i = 1 … d, and the same row by row."""
    X, K, B = normals(3, (2, 5, 4), (3, 2, 3, 2), (3, 3, 3))
    rows = [B[i] + correlate2d(X[0], K[i, 0], "valid") + correlate2d(X[1], K[i, 1], "valid") for i in range(3)]
    same(reference.cross_correlate(X[None], K, B)[0], rows)


def test_gradient_of_the_kernel_is_one_product_a_step():
    """∂y11/∂k11 = x11; and ∂E/∂K_ij = X_j ⋆ ∂E/∂Y_i for every kernel and channel."""
    X, K, dY = normals(4, (2, 5, 4), (3, 2, 3, 2), (3, 3, 3))

    def y11(K: np.ndarray) -> float:
        return reference.cross_correlate(X[None], K)[0, 0, 0, 0]

    same(central_difference(y11, K)[0, 0, 0, 0].round(6), X[0, 0, 0].round(6))
    dK = [[correlate2d(X[j], dY[i], "valid") for j in range(2)] for i in range(3)]
    same(reference.cross_correlate_dw(X[None], dY[None], kernel=(3, 2)), dK)
    assert_gradient(lambda K: reference.cross_correlate(X[None], K)[0], K, dY, np.array(dK))


def test_gradient_of_the_bias():
    """∂y11/∂b11 = 1 and the other three 0, so ∂E/∂B_i = ∂E/∂Y_i."""
    X, K, B, dY = normals(5, (1, 3, 3), (1, 1, 2, 2), (1, 2, 2), (1, 2, 2))
    jacobian = [
        central_difference(lambda B, at=at: reference.cross_correlate(X[None], K, B)[0, 0].flat[at], B)[0, 0, 0]
        for at in range(4)
    ]
    assert_close(jacobian, [1, 0, 0, 0], error=1e-9)
    assert_gradient(lambda B: reference.cross_correlate(X[None], K, B)[0], B, dY, dY)
    same(reference.bias_gradient(dY[None], untied=True), dY)


def test_gradient_of_the_input_is_the_full_convolution():
    """∂E/∂X = ∂E/∂Y ⋆full rot180(K) = ∂E/∂Y *full K."""
    x, K, dY = normals(6, (3, 3), (2, 2), (2, 2))
    dX = reference.cross_correlate_dx(plane(dY), plane(K), size=(3, 3))[0, 0]
    (k11, k12), (k21, k22) = K
    same(dX, correlate2d(dY, [[k22, k21], [k12, k11]], "full"))
    same(dX, convolve2d(dY, K, "full"))
    assert_gradient(lambda x: reference.cross_correlate(plane(x), plane(K))[0, 0], x, dY, dX)


def test_reshape_there_and_back():
    """The output of a convolution has three axes, a dense layer takes one; the gradient takes the way back."""
    y = np.arange(24.0).reshape(1, 2, 3, 4)
    column = y.reshape(1, -1)
    np.testing.assert_array_equal(column.reshape(y.shape), y)
    w = normals(7, (5, 24))[0]
    dy = normals(8, (1, 5))[0]
    dx = reference.dense_dx(dy, w).reshape(y.shape)
    assert_gradient(lambda y: reference.dense(y.reshape(1, -1), w), y, dy, dx)
