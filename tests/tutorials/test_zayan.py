"""Zayan's text, equation by equation, against the reference and finite differences."""

import numpy as np
import pytest
from numerical import assert_gradient, central_difference, frozen, normals
from scipy.signal import correlate2d
from tutorials.comparing import plane, same

from chainrule.operations import reference

SIGMA = {"sigmoid": reference.sigmoid, "tanh": reference.tanh}


@pytest.mark.parametrize("name", SIGMA)
def test_the_recap(name):
    """z = W a + b, a = σ(z), c = 1/n ‖a − y‖²; and all five derivatives of the recap, through two layers."""
    x, W0, b0, W1, b1, y = normals(1, (4,), (3, 4), (3,), (2, 3), (2,), (2,))
    sigma, sigma_dx = SIGMA[name], getattr(reference, f"{name}_dx")

    def forward(W0=W0, b0=b0, W1=W1, b1=b1, x=x):
        a1 = sigma(W0 @ x + b0)
        a2 = sigma(W1 @ a1 + b1)
        return a1, a2, np.sum((a2 - y) ** 2) / 2

    a1, a2, c = forward()
    same(reference.mean_squared_error(a2[None], y[None]), [c])
    same(reference.dense(x[None], W0, b0)[0], W0 @ x + b0)
    da2 = 2 / 2 * (a2 - y)
    same(reference.mean_squared_error_dp(a2[None], y[None])[0], da2)
    dz2 = np.diag(sigma_dx(np.ones(2), a2)) @ da2
    same(sigma_dx(da2, a2), dz2)
    da1 = W1.T @ dz2
    same(reference.dense_dx(dz2[None], W1)[0], da1)
    dz1 = np.diag(sigma_dx(np.ones(3), a1)) @ da1
    gradients = {"W1": np.outer(dz2, a1), "b1": dz2, "W0": np.outer(dz1, x), "b0": dz1, "x": W0.T @ dz1}
    same(reference.dense_dw(a1[None], dz2[None]), gradients["W1"])
    values = {"W0": W0, "b0": b0, "W1": W1, "b1": b1, "x": x}
    for which, gradient in gradients.items():
        slope = central_difference(lambda value, which=which: forward(**{which: value})[2], values[which])
        np.testing.assert_allclose(slope, gradient, rtol=1e-6, atol=1e-9)


def test_the_integral_of_convolution():
    """∫ f(τ) g(t − τ) dτ of two decays e⁻ᵗ, e⁻²ᵗ (t ≥ 0) is e⁻ᵗ − e⁻²ᵗ: the sum over a fine grid comes to it."""
    step = 1e-3
    t = np.arange(0, 4, step) + step / 2
    sums = np.convolve(np.exp(-t), np.exp(-2 * t))[: len(t)] * step
    at = np.arange(1, len(t) + 1) * step
    np.testing.assert_allclose(sums, np.exp(-at) - np.exp(-2 * at), atol=2e-3)


def test_w_star_x_as_it_is_expanded():
    """The 2×2 of w11x11 + w12x12 + w21x21 + w22x22 …: the cross-correlation of the 3×3 W with the 2×2 X."""
    W, X = normals(2, (3, 3), (2, 2))
    (w11, w12, w13), (w21, w22, w23), (w31, w32, w33) = W
    (x11, x12), (x21, x22) = X
    Y = [
        [w11 * x11 + w12 * x12 + w21 * x21 + w22 * x22, w12 * x11 + w13 * x12 + w22 * x21 + w23 * x22],
        [w21 * x11 + w22 * x12 + w31 * x21 + w32 * x22, w22 * x11 + w23 * x12 + w32 * x21 + w33 * x22],
    ]
    same(reference.cross_correlate(plane(W), plane(X))[0, 0], Y)


def test_the_sixteen_derivatives_by_x():
    """∂y_ab/∂x_cd = w_(a+c−1)(b+d−1)."""
    W, X = normals(3, (3, 3), (2, 2))
    for a, b in np.ndindex(2, 2):
        slopes = central_difference(lambda X, a=a, b=b: correlate2d(W, X, "valid")[a, b], X)
        np.testing.assert_allclose(slopes, W[a : a + 2, b : b + 2], atol=1e-8)


def test_the_gradient_by_x():
    """∂c/∂X written out, which is W * ∂c/∂Y."""
    W, X, dY = normals(4, (3, 3), (2, 2), (2, 2))
    (w11, w12, w13), (w21, w22, w23), (w31, w32, w33) = W
    (d11, d12), (d21, d22) = dY
    written = [
        [d11 * w11 + d12 * w12 + d21 * w21 + d22 * w22, d11 * w12 + d12 * w13 + d21 * w22 + d22 * w23],
        [d11 * w21 + d12 * w22 + d21 * w31 + d22 * w32, d11 * w22 + d12 * w23 + d21 * w32 + d22 * w33],
    ]
    same(reference.cross_correlate(plane(W), plane(dY))[0, 0], written)
    same(reference.cross_correlate_dw(plane(W), plane(dY), kernel=(2, 2))[0, 0], written)
    assert_gradient(lambda X: reference.cross_correlate(plane(W), plane(X))[0, 0], X, dY, np.array(written))


PRINTED = {  # ∂y/∂w as printed: w, then y11 y12 y21 y22 as names of x, or 0
    "11": "11 0 0 0",
    "12": "12 11 0 0",
    "13": "0 12 0 0",
    "21": "21 0 11 0",
    "22": "22 21 12 11",
    "23": "0 22 0 12",
    "31": "0 0 21 0",
    "32": "0 0 22 21",
    "33": "0 0 0 22",
}


def test_the_thirty_six_derivatives_by_w():
    W, X = normals(5, (3, 3), (2, 2))
    counted = 0
    for at, names in PRINTED.items():
        expected = [0.0 if name == "0" else X[int(name[0]) - 1, int(name[1]) - 1] for name in names.split()]
        place = int(at[0]) - 1, int(at[1]) - 1
        slopes = [central_difference(lambda W, y=y: correlate2d(W, X, "valid").flat[y], W)[place] for y in range(4)]
        np.testing.assert_allclose(slopes, expected, atol=1e-8)
        counted += len(slopes)
    assert counted == 36


def test_the_gradient_by_w():
    """∂c/∂w for all nine, and together pad(∂c/∂Y) * flip(X), padded by one less than the kernel."""
    W, X, dY = normals(6, (3, 3), (2, 2), (2, 2))
    (x11, x12), (x21, x22) = X
    (d11, d12), (d21, d22) = dY
    written = [
        [d11 * x11, d11 * x12 + d12 * x11, d12 * x12],
        [d11 * x21 + d21 * x11, d11 * x22 + d12 * x21 + d21 * x12 + d22 * x11, d12 * x22 + d22 * x12],
        [d21 * x21, d21 * x22 + d22 * x21, d22 * x22],
    ]
    same(correlate2d(np.pad(dY, 1), X[::-1, ::-1], "valid"), written)
    same(reference.cross_correlate_dx(plane(dY), plane(X), size=(3, 3))[0, 0], written)
    assert_gradient(lambda W: reference.cross_correlate(plane(W), plane(X))[0, 0], W, dY, np.array(written))


def test_the_maximum_of_a_vector():
    """max of 5 9 7 6 is 9 = 0·5 + 1·9 + 0·7 + 0·6, with the derivative 0 1 0 0."""
    x = frozen([5.0, 9, 7, 6])
    slope = central_difference(np.max, x)
    np.testing.assert_allclose(slope, [0, 1, 0, 0], atol=1e-9)
    assert x.max() == 9 == np.array([0, 1, 0, 0]) @ x


def test_max_pooling_of_a_and_its_gradient():
    A = frozen([[5.0, 2, 7, 4], [6, 3, 2, 1], [8, 6, 5, 9], [1, 3, 6, 1]])
    B, winner = reference.max_pool(plane(A), window=(2, 2))
    np.testing.assert_array_equal(B[0, 0], [[6, 7], [8, 9]])
    dB = normals(7, (2, 2))[0]
    dA = np.zeros((4, 4))
    dA[0, 2], dA[1, 0], dA[2, 0], dA[2, 3] = dB[0, 1], dB[0, 0], dB[1, 0], dB[1, 1]
    same(reference.max_pool_dx(plane(dB), winner, size=(4, 4))[0, 0], dA)
    assert_gradient(lambda A: reference.max_pool(plane(A), window=(2, 2))[0][0, 0], A, dB, dA, smooth=False)


def test_channels():
    """O_j = Σ_i I_i * K_ij: n·m kernels; ∂c/∂K_ij = I_i * ∂c/∂O_j; ∂c/∂I_i = Σ_j pad(∂c/∂O_j) * flip(K_ij)."""
    images, K, dO = normals(8, (2, 5, 4), (2, 3, 3, 2), (3, 3, 3))
    w = K.transpose(1, 0, 2, 3)
    assert w.shape[:2] == (3, 2)
    outputs = [sum(correlate2d(images[i], K[i, j], "valid") for i in range(2)) for j in range(3)]
    same(reference.cross_correlate(images[None], w)[0], outputs)
    dK = np.array([[correlate2d(images[i], dO[j], "valid") for i in range(2)] for j in range(3)])
    same(reference.cross_correlate_dw(images[None], dO[None], kernel=(3, 2)), dK)
    assert_gradient(lambda w: reference.cross_correlate(images[None], w)[0], w, dO, dK)
    padded = np.pad(dO, ((0, 0), (2, 2), (1, 1)))
    terms = [[correlate2d(padded[j], K[i, j, ::-1, ::-1], "valid") for j in range(3)] for i in range(2)]
    dI = np.sum(terms, axis=1)
    same(reference.cross_correlate_dx(dO[None], w, size=(5, 4))[0], dI)
    assert_gradient(lambda images: reference.cross_correlate(images[None], w)[0], images, dO, dI)


def test_max_pooling_of_every_channel_alone():
    x, dy = normals(9, (1, 3, 4, 6), (1, 3, 2, 3))
    y, winner = reference.max_pool(x, window=(2, 2))
    dx = reference.max_pool_dx(dy, winner, size=(4, 6))
    for c in range(3):
        alone, won = reference.max_pool(x[:, [c]], window=(2, 2))
        same(y[:, [c]], alone)
        same(dx[:, [c]], reference.max_pool_dx(dy[:, [c]], won, size=(4, 6)))


def test_flattening_moves_numbers_and_adds_none():
    """The gradient of a reshape is the reshaped gradient: its Jacobian is a permutation, here the identity."""
    x, dy = normals(10, (2, 3, 4), (24,))
    assert_gradient(lambda x: x.reshape(-1), x, dy, dy.reshape(x.shape))
