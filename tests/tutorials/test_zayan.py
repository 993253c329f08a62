"""Zayan's text, equation by equation, against the reference and finite differences."""

import numpy as np
import pytest
from numerical import assert_close, assert_gradient, central_difference, normals
from scipy.signal import correlate2d
from tutorials.comparing import same

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
        assert_close(slope, gradient, error=1e-7)


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
