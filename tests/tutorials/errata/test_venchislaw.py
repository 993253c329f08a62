"""Venchislaw's errata: what is printed fails, what docs/derivations/errata.md puts in its place holds."""

from functools import partial

import numpy as np
import pytest
from numerical import assert_close, central_difference, normals
from scipy.signal import correlate2d
from tutorials.comparing import other, plane, same

from chainrule import zoo
from chainrule.core import shapes
from chainrule.operations import reference


@pytest.mark.parametrize(("size", "p", "f", "s"), [(28, 0, 5, 2), (6, 0, 3, 2), (7, 1, 2, 3)])
def test_eq_1_needs_a_floor(size, p, f, s):
    """(W_i + 2p − f)/s + 1 is no whole number for these; its floor is the size."""
    y = reference.cross_correlate(
        np.ones((1, 1, size, size)), np.ones((1, 1, f, f)), stride=(s, s), padding=((p, p), (p, p))
    )
    assert y.shape[2] != (size + 2 * p - f) / s + 1
    assert y.shape[2] == (size + 2 * p - f) // s + 1 == shapes.output_size(size, f, s, (p, p))


def test_w_o_is_not_the_width_of_the_input():
    """As "width of the input": with eq. 1 every kernel but 1×1 would contradict it; it is that of the output."""
    y = reference.cross_correlate(np.ones((1, 1, 28, 28)), np.ones((1, 1, 5, 5)))
    formula = (28 + 2 * 0 - 5) / 1 + 1
    assert formula != 28
    assert formula == y.shape[3]


@pytest.mark.parametrize("f", [2, 4])
def test_eq_3_for_even_filters(f):
    """p = (f − 1)/2 is no whole number for even f; the odd zero goes to one side."""
    p = (f - 1) / 2
    assert not p.is_integer()
    assert 9 + 2 * int(p) - f + 1 != 9
    before, after = shapes.axis_padding("same", 9, f)
    assert after == before + 1
    assert shapes.output_size(9, f, padding=(before, after)) == 9


@pytest.mark.parametrize(("size", "f"), [(28, 5), (28, 3), (9, 3)])
def test_stride_2_does_not_halve_the_image(size, f):
    """With s = 2 and p = 0 "twice smaller" is not it: less than half, unless f is 1 or 2."""
    assert shapes.output_size(size, f, 2) != size / 2
    assert shapes.output_size(size, f, 2) == (size - f) // 2 + 1
    assert shapes.output_size(28, 2, 2) == 28 / 2
    assert shapes.output_size(28, 5, 2) == shapes.output_size(28, 5, 1) / 2  # half of the output with s = 1


def test_every_filter_has_kernels_of_its_own():
    """For "each" filter Y_i = B_i + X_1 ⋆ K_11 + …: printed with the kernels of the first; it is K_i1."""
    X, K = normals(1, (2, 5, 4), (3, 2, 3, 2))
    Y = reference.cross_correlate(X[None], K)[0]
    other(sum(correlate2d(X[j], K[0, j], "valid") for j in range(2)), Y[1])
    same(sum(correlate2d(X[j], K[1, j], "valid") for j in range(2)), Y[1])


def test_the_derivative_of_a_map_is_a_map():
    """∂Y/∂k11 = x11 + x12 + x21 + x22 and ∂Y/∂x12 = k11 + k12 are sums of four derivatives, one for each cell of Y."""
    x, k = normals(2, (3, 3), (2, 2))
    for of_k, at, expected in ((True, 0, x[:2, :2]), (False, 1, [[k[0, 1], k[0, 0]], [0, 0]])):

        def map_at(value, cell, of_k=of_k):
            return correlate2d(*((x, value) if of_k else (value, k)), "valid").flat[cell]

        slopes = [central_difference(partial(map_at, cell=cell), k if of_k else x).flat[at] for cell in range(4)]
        other(np.sum(expected), np.reshape(slopes, (2, 2)))
        assert_close(np.reshape(slopes, (2, 2)), expected, error=1e-9)


def test_a_sum_of_products_is_no_product_of_a_sum():
    """∂L/∂k11 = (x11 + x12 + x21 + x22) ∂L/∂Y: right where all ∂L/∂y are equal; else each x has its own."""
    x, dY = normals(3, (3, 3), (2, 2))
    right = reference.cross_correlate_dw(plane(x), plane(dY), kernel=(2, 2))[0, 0, 0, 0]
    other(x[:2, :2].sum() * dY, right)
    for d in dY.ravel():
        other(x[:2, :2].sum() * d, right)
    same((x[:2, :2] * dY).sum(), right)
    equal = np.full((2, 2), 0.7)
    same(x[:2, :2].sum() * 0.7, reference.cross_correlate_dw(plane(x), plane(equal), kernel=(2, 2))[0, 0, 0, 0])


def test_the_gradient_of_the_middle_pixel():
    """∂L/∂x22 = (k11 + k12 + k21 + k22) ∂L/∂Y: each tap has its own ∂L/∂y, in the opposite order."""
    k, dY = normals(5, (2, 2), (2, 2))
    right = reference.cross_correlate_dx(plane(dY), plane(k), size=(3, 3))[0, 0, 1, 1]
    for d in dY.ravel():
        other(k.sum() * d, right)
    same((np.rot90(k, 2) * dY).sum(), right)


def test_average_pooling_divides():
    """It "fills all items with gradient given": each item has its share, a quarter of it for 2×2."""
    x, dy = normals(6, (1, 1, 4, 4), (1, 1, 2, 2))
    slopes = central_difference(lambda x: np.sum(dy * reference.average_pool(x, window=(2, 2))), x)
    other(np.kron(dy, np.ones((2, 2))), slopes)
    assert_close(np.kron(dy, np.full((2, 2), 1 / 4)), slopes, error=1e-8)
    sums = central_difference(lambda x: np.sum(dy * reference.average_pool(x, window=(2, 2), divisor="one")), x)
    assert_close(np.kron(dy, np.ones((2, 2))), sums, error=1e-8)  # right for sum pooling


def test_padding_changes_the_loss_and_its_gradients():
    """That "padding has no influence on our loss function": it is another function, with another gradient."""
    x, k, t = normals(7, (1, 1, 5, 5), (1, 1, 3, 3), (1, 9))

    def loss(k: np.ndarray, zeros: int) -> float:
        y = reference.cross_correlate(x, k, padding=((zeros, zeros), (zeros, zeros)))
        y = reference.average_pool(y, window=(y.shape[2] - 2,) * 2, stride=(1, 1))
        return reference.half_squared_error(y.reshape(1, -1), t)[0]

    other(loss(k, 0), loss(k, 1))
    other(central_difference(lambda k: loss(k, 0), k), central_difference(lambda k: loss(k, 1), k))
    dy = normals(8, (1, 1, 5, 5))[0]
    padding = ((1, 1), (1, 1))
    dx = reference.cross_correlate_dx(dy, k, size=(5, 5), padding=padding)
    full = reference.cross_correlate_dx(dy, k, size=(7, 7))
    assert full.shape != dx.shape
    same(full[:, :, 1:-1, 1:-1], dx)  # the full convolution, cropped by the padding


def test_an_mlp_has_more_than_dozens_of_parameters():
    """It "uses dozens of parameters": one layer from 28×28 to ten classes has 7,850; the mlp of the zoo more."""
    smallest = 28 * 28 * 10 + 10
    assert smallest == 7_850 > 12 * 12
    assert zoo.find("mlp").build(engine="numpy").parameters.size > smallest
