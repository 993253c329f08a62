"""Cross-correlation against the tutorials; see test_oracles.py and test_gradients.py, too."""

from numerical import frozen, normals
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import convolve2d

from chainrule.operations.reference.convolution import cross_correlate, cross_correlate_dw, cross_correlate_dx

IMAGE = frozen([[[[1.0, 6, 2], [5, 3, 1], [7, 0, 4]]]])
KERNEL = frozen([[[[1.0, 2], [-1, 0]]]])


def test_the_walk_through_of_independent_code():
    assert_array_equal(cross_correlate(IMAGE, KERNEL), [[[[8, 7], [4, 5]]]])


def test_the_true_convolution_of_independent_code():
    y = cross_correlate(IMAGE, KERNEL, flip=True)
    assert y[0, 0, 0, 0] == 7  # 1·0 + 6·(−1) + 5·2 + 3·1
    assert_array_equal(y[0, 0], convolve2d(IMAGE[0, 0], KERNEL[0, 0], "valid"))


def test_the_expansions_of_independent_code():
    """y11 … y22, ∂E/∂k11 … ∂E/∂k22 and ∂E/∂x11 … ∂E/∂x33, as its notes write them out."""
    x, k, b, dy = normals(3, (1, 1, 3, 3), (1, 1, 2, 2), (1, 2, 2), (1, 1, 2, 2))
    (x11, x12, x13), (x21, x22, x23), (x31, x32, x33) = x[0, 0]
    (k11, k12), (k21, k22) = k[0, 0]
    (b11, b12), (b21, b22) = b[0]
    (d11, d12), (d21, d22) = dy[0, 0]
    y = [
        [b11 + k11 * x11 + k12 * x12 + k21 * x21 + k22 * x22, b12 + k11 * x12 + k12 * x13 + k21 * x22 + k22 * x23],
        [b21 + k11 * x21 + k12 * x22 + k21 * x31 + k22 * x32, b22 + k11 * x22 + k12 * x23 + k21 * x32 + k22 * x33],
    ]
    dk = [
        [d11 * x11 + d12 * x12 + d21 * x21 + d22 * x22, d11 * x12 + d12 * x13 + d21 * x22 + d22 * x23],
        [d11 * x21 + d12 * x22 + d21 * x31 + d22 * x32, d11 * x22 + d12 * x23 + d21 * x32 + d22 * x33],
    ]
    dx = [
        [d11 * k11, d11 * k12 + d12 * k11, d12 * k12],
        [d11 * k21 + d21 * k11, d11 * k22 + d12 * k21 + d21 * k12 + d22 * k11, d12 * k22 + d22 * k12],
        [d21 * k21, d21 * k22 + d22 * k21, d22 * k22],
    ]
    assert_allclose(cross_correlate(x, k, b)[0, 0], y, rtol=1e-14)
    assert_allclose(cross_correlate_dw(x, dy, kernel=(2, 2))[0, 0], dk, rtol=1e-13)
    assert_allclose(cross_correlate_dx(dy, k, size=(3, 3))[0, 0], dx, rtol=1e-13)
