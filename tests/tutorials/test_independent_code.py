"""The Independent Code's notes, equation by equation, against the reference and finite differences."""

import numpy as np
import pytest
from numerical import assert_gradient, central_difference, frozen, normals
from scipy.signal import convolve2d, correlate2d
from tutorials.comparing import plane, same

from chainrule.core import shapes
from chainrule.operations import reference

IMAGE = np.array([[1.0, 6, 2], [5, 3, 1], [7, 0, 4]])
KERNEL = np.array([[1.0, 2], [-1, 0]])


def test_the_steps_of_the_walk_through():
    """Step 1: 1·1 + 2·6 + −1·5 + 0·3 = 8; step 4: 1·3 + 2·1 + −1·0 + 0·4 = 5; the output is 8 7, 4 5."""
    assert 1 * 1 + 2 * 6 + -1 * 5 + 0 * 3 == 8
    assert 1 * 3 + 2 * 1 + -1 * 0 + 0 * 4 == 5
    np.testing.assert_array_equal(reference.cross_correlate(plane(IMAGE), plane(KERNEL))[0, 0], [[8, 7], [4, 5]])


def test_the_steps_of_the_convolution():
    """The kernel turned is 0 −1, 2 1; 1·0 + 6·−1 + 5·2 + 3·1 = 7."""
    np.testing.assert_array_equal(np.rot90(KERNEL, 2), [[0, -1], [2, 1]])
    assert 1 * 0 + 6 * -1 + 5 * 2 + 3 * 1 == 0 - 6 + 10 + 3 == 7
    y = reference.cross_correlate(plane(IMAGE), plane(KERNEL), flip=True)[0, 0]
    assert y[0, 0] == 7
    np.testing.assert_array_equal(y, convolve2d(IMAGE, KERNEL, "valid"))


@pytest.mark.parametrize(("size", "kernel"), [(3, 2), (5, 2), (28, 3), (4, 4)])
def test_size_of_the_output(size, kernel):
    """Y = I − K + 1, and 2 = 3 − 2 + 1."""
    y = correlate2d(np.ones((size, size)), np.ones((kernel, kernel)), "valid")
    assert len(y) == size - kernel + 1 == shapes.output_size(size, kernel)


def test_convolution_is_correlation_with_the_kernel_turned():
    """Conv(I, K) = I ⋆ rot180(K)."""
    image, K = normals(1, (5, 6), (3, 2))
    found = reference.cross_correlate(plane(image), plane(K), flip=True)[0, 0]
    same(found, correlate2d(image, np.rot90(K, 2), "valid"))
    same(found, convolve2d(image, K, "valid"))


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
    np.testing.assert_allclose(jacobian, [1, 0, 0, 0], atol=1e-8)
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


def test_binary_cross_entropy_and_its_gradient():
    """E = −1/n Σ (y* log y + (1 − y*) log(1 − y)); ∂E/∂y1 = 1/n ((1 − y*)/(1 − y) − y*/y), other terms gone."""
    y, t = frozen([0.2, 0.7, 0.6, 0.1]), frozen([0.0, 1, 1, 0])

    def E(y: np.ndarray) -> float:
        return -np.mean([a * np.log(b) + (1 - a) * np.log(1 - b) for a, b in zip(t, y, strict=True)])

    same(reference.binary_cross_entropy(y[None], t[None]), [E(y)])
    slope = ((1 - t) / (1 - y) - t / y) / 4
    same(slope, -(t / y - (1 - t) / (1 - y)) / 4)
    np.testing.assert_allclose(central_difference(E, y), slope, rtol=1e-7)
    same(reference.binary_cross_entropy_dp(y[None], t[None])[0], slope)


def test_sigmoid_and_both_forms_of_its_derivative():
    """σ = 1/(1 + e⁻ˣ); σ′ = e⁻ˣ/(1 + e⁻ˣ)² = σ(1 − σ)."""
    x = frozen(np.linspace(-5, 5, 21))
    s = reference.sigmoid(x)
    same(s, 1 / (1 + np.exp(-x)))
    slope = reference.sigmoid_dx(np.ones_like(x), s)
    same(slope, np.exp(-x) / (1 + np.exp(-x)) ** 2)
    same(slope, s * (1 - s))
    np.testing.assert_allclose(central_difference(lambda x: reference.sigmoid(x).sum(), x), slope, atol=1e-8)


def test_reshape_there_and_back():
    """The output of a convolution has three axes, a dense layer takes one; the gradient takes the way back."""
    y = np.arange(24.0).reshape(1, 2, 3, 4)
    column = y.reshape(1, -1)
    np.testing.assert_array_equal(column.reshape(y.shape), y)
    w = normals(7, (5, 24))[0]
    dy = normals(8, (1, 5))[0]
    dx = reference.dense_dx(dy, w).reshape(y.shape)
    assert_gradient(lambda y: reference.dense(y.reshape(1, -1), w), y, dy, dx)
