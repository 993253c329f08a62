"""Venchislaw's paper, equation by equation, against the reference and finite differences."""

import numpy as np
import pytest
from numerical import assert_gradient, central_difference, normals
from scipy.signal import convolve2d, correlate2d
from tutorials.comparing import plane, same

from chainrule.core import shapes
from chainrule.operations import reference


@pytest.mark.parametrize(("size", "p", "f", "s"), [(28, 0, 5, 1), (6, 0, 3, 1), (7, 1, 3, 2), (5, 2, 3, 2)])
def test_eq_1_and_2_size_of_the_output(size, p, f, s):
    """W_o = (W_i + 2p − f)/s + 1, where the division comes out even."""
    assert (size + 2 * p - f) % s == 0
    y = reference.cross_correlate(
        np.ones((1, 1, size, size)), np.ones((1, 1, f, f)), stride=(s, s), padding=((p, p),) * 2
    )
    assert y.shape[2] == (size + 2 * p - f) / s + 1 == shapes.output_size(size, f, s, (p, p))


def test_filters_are_channels_of_the_output():
    """4×4×1 from 6×6 with 3×3, and 4×4×f_n from f_n filters."""
    x = np.ones((1, 1, 6, 6))
    for filters in (1, 7):
        assert reference.cross_correlate(x, np.ones((filters, 1, 3, 3))).shape == (1, filters, 4, 4)


@pytest.mark.parametrize("f", [1, 3, 5, 7])
def test_eq_3_same_padding(f):
    """n + 2p − f + 1 = n, so p = (f − 1)/2."""
    p = (f - 1) // 2
    assert shapes.axis_padding("same", 9, f) == (p, p)
    assert 9 + 2 * p - f + 1 == 9 == shapes.output_size(9, f, padding=(p, p))


def test_colour():
    """A 3D filter slides each channel of its own over one of the image; the sum is a 2D map."""
    x, w = normals(1, (3, 6, 5), (3, 2, 3))
    y = reference.cross_correlate(x[None], w[None])
    assert y.shape == (1, 1, 5, 3)
    same(y[0, 0], sum(correlate2d(x[c], w[c], "valid") for c in range(3)))


def test_forward_of_every_filter():
    """Y_i = B_i + Σ_j X_j ⋆ K_ij, i = 1 … d; with one channel Y_i = B_i + X_1 ⋆ K_i1."""
    X, K, B = normals(2, (3, 5, 4), (2, 3, 3, 2), (2, 3, 3))
    Y = [B[i] + sum(correlate2d(X[j], K[i, j], "valid") for j in range(3)) for i in range(2)]
    same(reference.cross_correlate(X[None], K, B)[0], Y)
    same(reference.cross_correlate(X[None, :1], K[:, :1], B)[0, 1], B[1] + correlate2d(X[0], K[1, 0], "valid"))


def test_eq_4_cell_by_cell():
    x, k, b = normals(3, (3, 3), (2, 2), (1, 2, 2))
    (x11, x12, x13), (x21, x22, x23), (x31, x32, x33) = x
    (k11, k12), (k21, k22) = k
    (b11, b12), (b21, b22) = b[0]
    Y = [
        [b11 + x11 * k11 + x12 * k12 + x21 * k21 + x22 * k22, b12 + x12 * k11 + x13 * k12 + x22 * k21 + x23 * k22],
        [b21 + x21 * k11 + x22 * k12 + x31 * k21 + x32 * k22, b22 + x22 * k11 + x23 * k12 + x32 * k21 + x33 * k22],
    ]
    same(reference.cross_correlate(plane(x), plane(k), b)[0, 0], Y)


def test_the_chain_rule_as_a_contraction():
    """∂L/∂k = Σ over the cells of Y of ∂L/∂y ∂y/∂k."""
    x, k, dY = normals(4, (4, 5), (2, 3), (3, 3))
    jacobian = np.array(
        [central_difference(lambda k, at=at: correlate2d(x, k, "valid").flat[at], k) for at in range(dY.size)]
    )
    found = np.tensordot(dY.ravel(), jacobian, 1)
    np.testing.assert_allclose(found, reference.cross_correlate_dw(plane(x), plane(dY), kernel=(2, 3))[0, 0], atol=1e-8)


def test_gradient_of_the_kernel():
    """∂Y/∂k11 is the map x11 x12, x21 x22; ∂L/∂k_ij = X_j ⋆ ∂L/∂Y_i."""
    X, K, dY = normals(5, (3, 3, 3), (2, 3, 2, 2), (2, 2, 2))
    by_k11 = [
        central_difference(lambda k, at=at: correlate2d(X[0], k, "valid").flat[at], K[0, 0])[0, 0] for at in range(4)
    ]
    np.testing.assert_allclose(np.reshape(by_k11, (2, 2)), X[0, :2, :2], atol=1e-8)
    dK = np.array([[correlate2d(X[j], dY[i], "valid") for j in range(3)] for i in range(2)])
    same(reference.cross_correlate_dw(X[None], dY[None], kernel=(2, 2)), dK)
    assert_gradient(lambda K: reference.cross_correlate(X[None], K)[0], K, dY, dK)


def test_gradient_of_the_bias():
    """∂Y_i/∂b is 1 in its own cell, so ∂L/∂B_i = ∂L/∂Y_i."""
    X, K, B, dY = normals(6, (1, 3, 3), (2, 1, 2, 2), (2, 2, 2), (2, 2, 2))
    assert_gradient(lambda B: reference.cross_correlate(X[None], K, B)[0], B, dY, dY)
    same(reference.bias_gradient(dY[None], untied=True), dY)


def test_the_nine_derivatives_by_x_as_sums():
    """k11, k11 + k12, k12, …: what ∂/∂x of the sum of all cells of Y is, the gradient for an upstream of ones."""
    k = normals(7, (2, 2))[0]
    (k11, k12), (k21, k22) = k
    printed = [[k11, k11 + k12, k12], [k11 + k21, k.sum(), k12 + k22], [k21, k22 + k21, k22]]
    x = normals(8, (3, 3))[0]
    slopes = central_difference(lambda x: correlate2d(x, k, "valid").sum(), x)
    np.testing.assert_allclose(slopes, printed, atol=1e-8)
    same(reference.cross_correlate_dx(np.ones((1, 1, 2, 2)), plane(k), size=(3, 3))[0, 0], printed)


def test_gradient_of_the_input():
    """∂L/∂X_j = Σ_i ∂L/∂Y_i *full k_ij; its first cell meets the corner of the turned filter."""
    X, K, dY = normals(9, (3, 5, 4), (2, 3, 3, 2), (2, 3, 3))
    dX = np.array([sum(convolve2d(dY[i], K[i, j], "full") for i in range(2)) for j in range(3)])
    same(reference.cross_correlate_dx(dY[None], K, size=(5, 4))[0], dX)
    assert_gradient(lambda X: reference.cross_correlate(X[None], K)[0], X, dY, dX)
    same(convolve2d(dY[0], K[0, 0], "full")[0, 0], dY[0, 0, 0] * np.rot90(K[0, 0], 2)[-1, -1])


def test_pooling_and_its_gradients():
    """Max: the gradient to the largest item. Average: to all items alike, each its share."""
    x, dy = normals(10, (1, 2, 4, 6), (1, 2, 2, 3))
    y, winner = reference.max_pool(x, window=(2, 2))
    dx = reference.max_pool_dx(dy, winner, size=(4, 6))
    for c, i, j in np.ndindex(2, 2, 3):
        window = np.s_[0, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        assert y[0, c, i, j] == x[window].max()
        np.testing.assert_array_equal(dx[window] != 0, x[window] == x[window].max())
        assert dx[window].sum() == dy[0, c, i, j]
    averaged = reference.average_pool(x, window=(2, 2))
    same(averaged, x.reshape(1, 2, 2, 2, 3, 2).mean((3, 5)))
    share = reference.average_pool_dx(dy, size=(4, 6), window=(2, 2))
    same(share, np.kron(dy, np.full((2, 2), 1 / 4)))
    assert_gradient(lambda x: reference.average_pool(x, window=(2, 2)), x, dy, share)


def test_relu_replaces_what_is_negative():
    x = normals(11, (5, 4))[0]
    np.testing.assert_array_equal(reference.relu(x), np.where(x < 0, 0, x))
    other = normals(12, (5, 4))[0]
    assert np.abs(reference.relu(x + other) - reference.relu(x) - reference.relu(other)).max() > 0.1  # not linear
