"""The Independent Code's errata: what is printed fails, what docs/derivations/errata.md puts in its place holds."""

import numpy as np
from numerical import normals
from scipy.signal import convolve2d, correlate2d
from tutorials.comparing import other, plane, same

from chainrule.core import shapes
from chainrule.operations import reference


def test_size_less_the_kernel():
    """Input "subtracted by size of the output": Y = I − Y + 1 would be (I + 1)/2, which is right for 3 and 2."""
    size, kernel = 5, 2
    y = len(correlate2d(np.ones((size, size)), np.ones((kernel, kernel)), "valid"))
    assert y != size - y + 1
    assert y == size - kernel + 1 == shapes.output_size(size, kernel)


def test_the_kernel_of_step_4():
    """−1 2, −1 0 gives −1, not the 5 of the line below it; the kernel is 1 2, −1 0."""
    window = np.array([[3, 1], [0, 4]])
    assert (window * [[-1, 2], [-1, 0]]).sum() == -1
    assert (window * [[1, 2], [-1, 0]]).sum() == 5


def test_the_star_of_convolution():
    """I ⋆ K = I ⋆ rot180(K) holds for kernels that are their own rotation alone; I * K = I ⋆ rot180(K) for all."""
    image, K = normals(1, (5, 6), (3, 2))
    other(correlate2d(image, K, "valid"), correlate2d(image, np.rot90(K, 2), "valid"))
    same(convolve2d(image, K, "valid"), correlate2d(image, np.rot90(K, 2), "valid"))
    turning = K + np.rot90(K, 2)
    same(correlate2d(image, turning, "valid"), correlate2d(image, np.rot90(turning, 2), "valid"))


def test_channels_with_the_same_numbers():
    """Three channels printed with the same x and k′ would make y11 = 3·O1 + B."""
    x, k, B = normals(2, (3, 2, 2), (3, 2, 2), (1,))
    y11 = reference.cross_correlate(x[None], k[None], B)[0, 0, 0, 0]
    other(3 * (x[0] * k[0]).sum() + B[0], y11)
    same(sum((x[c] * k[c]).sum() for c in range(3)) + B[0], y11)


def test_one_sign_for_three_products():
    """Y = B + X * K and ∂E/∂k = X * ∂E/∂Y, y = β + X × k, ∂E/∂k = x × ∂E/∂y: the expansions have ⋆ everywhere."""
    x, K, dY = normals(3, (3, 3), (2, 2), (2, 2))
    (k11, k12), (k21, k22) = K
    y11 = k11 * x[0, 0] + k12 * x[0, 1] + k21 * x[1, 0] + k22 * x[1, 1]
    dk11 = (dY * x[:2, :2]).sum()
    other(convolve2d(x, K, "valid")[0, 0], y11)
    same(correlate2d(x, K, "valid")[0, 0], y11)
    other(convolve2d(x, dY, "valid")[0, 0], dk11)
    same(correlate2d(x, dY, "valid")[0, 0], dk11)
    other(np.kron(x, dY), K)  # a product of numbers has not the kernel's shape


def test_full_convolution_of_the_upstream_gradient():
    """∂E/∂Y ⋆full K "[full-convolution]": with ⋆ the kernel is not turned; it is ∂E/∂Y *full K."""
    K, dY = normals(4, (2, 2), (2, 2))
    dX = reference.cross_correlate_dx(plane(dY), plane(K), size=(3, 3))[0, 0]
    other(correlate2d(dY, K, "full"), dX)
    same(convolve2d(dY, K, "full"), dX)
