"""Introduction to a NumPy CNN, sections 1 and 2: its equations by their numbers, as the errata read them.

Sizes are written as there: η and k are one less than the number of cells, and sums run from 0 to them inclusive.
"""

import numpy as np
import pytest
from numerical import assert_close, assert_gradient, central_difference, frozen, normals
from numpy.testing import assert_array_equal
from scipy.integrate import quad
from scipy.signal import convolve2d
from tutorials.comparing import plane, same

from chainrule.operations import reference

N_C, K_C = 2, 3  # η_c + 1 of layers l − 1 and l
N_X, N_Y, K_X, K_Y = 6, 5, 3, 2  # η_x + 1, η_y + 1 of layer l − 1, k_x + 1, k_y + 1


@pytest.fixture
def layer() -> list[np.ndarray]:
    """Draw a^(l−1), w, b and ∂ℓ/∂z of a convolutional layer."""
    return normals(1, (N_C, N_X, N_Y), (K_C, N_C, K_X, K_Y), (K_C,), (K_C, N_X - K_X + 1, N_Y - K_Y + 1))


@pytest.fixture
def neurons() -> list[np.ndarray]:
    """Draw a^(l−1), W, b and ∂ℓ/∂z of a fully connected layer."""
    return normals(2, (4,), (3, 4), (3,), (3,))


def test_eq_2_3_4_backwards_through_a_fully_connected_layer(neurons):
    """∂z/∂a = w, ∂z/∂w = a, ∂z/∂b = 1, and what the chain rule makes of them."""
    a, W, b, dz = neurons
    assert_close([central_difference(lambda a, c=c: (W @ a + b)[c], a) for c in range(3)], W, error=1e-8)
    for which, gradient in {
        "a": [sum(dz[c] * W[c, c2] for c in range(3)) for c2 in range(4)],
        "W": [[a[c2] * dz[c] for c2 in range(4)] for c in range(3)],
        "b": dz,
    }.items():
        values = {"a": a, "W": W, "b": b}

        def loss(value: np.ndarray, which: str = which, values: dict = values) -> float:
            now = {**values, which: value}
            return dz @ (now["W"] @ now["a"] + now["b"])

        assert_close(central_difference(loss, values[which]), gradient, error=1e-8)
    same(reference.dense_dx(dz[None], W)[0], W.T @ dz)
    same(reference.dense_dw(a[None], dz[None]), np.outer(dz, a))
    same(reference.bias_gradient(dz[None]), dz)


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 3)])
def test_eq_6_stride(stride):
    """F(x, y) = Σ_y Σ_x Σ_c K(x, y, c) M(x·s_x + x, y·s_y + y, c) + b, x the column."""
    M, K, b = normals(3, (2, 7, 8), (2, 3, 2), (1,))
    s_x, s_y = stride
    rows, columns = (7 - 3) // s_y + 1, (8 - 2) // s_x + 1
    F = np.zeros((rows, columns))
    for Y, X, c, y, x in np.ndindex(rows, columns, 2, 3, 2):
        F[Y, X] += K[c, y, x] * M[c, Y * s_y + y, X * s_x + x]
    same(reference.cross_correlate(M[None], K[None], b, stride=(s_y, s_x))[0, 0], F + b)


def literal_forward(a: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    z = np.zeros((K_C, N_X - K_X + 1, N_Y - K_Y + 1))
    for c, x, y, c1, x1, y1 in np.ndindex(*z.shape, N_C, K_X, K_Y):
        z[c, x, y] += w[c, c1, x1, y1] * a[c1, x + x1, y + y1]
    return z + b[:, None, None]


def test_eq_8_and_9_convolutional_layer(layer):
    """z, and by way of h: Z = H + B."""
    a, w, b, _ = layer
    z = literal_forward(a, w, b)
    same(reference.cross_correlate(a[None], w, b)[0], z)
    h = literal_forward(a, w, np.zeros(K_C))
    B = np.repeat(b, z[0].size).reshape(z.shape)
    same(h + B, z)
    same(reference.add_bias(h[None], b)[0], z)


def test_eq_10_gradient_of_the_input(layer):
    """∂z_c(x, y)/∂a_c″(x″, y″) = w_cc″(x″ − x, y″ − y) where that is a tap, else 0."""
    a, w, b, dz = layer
    da = np.zeros_like(a)
    for c2, x2, y2, c, x, y in np.ndindex(*a.shape, *dz.shape):
        if 0 <= x2 - x < K_X and 0 <= y2 - y < K_Y:
            da[c2, x2, y2] += dz[c, x, y] * w[c, c2, x2 - x, y2 - y]
    same(reference.cross_correlate_dx(dz[None], w, size=(N_X, N_Y))[0], da)
    assert_gradient(lambda a: reference.cross_correlate(a[None], w, b)[0], a, dz, da)


def test_eq_11_gradient_of_the_weights(layer):
    """∂z_c(x, y)/∂w_cc″(x″, y″) = a_c″(x + x″, y + y″)."""
    a, w, b, dz = layer
    dw = np.zeros_like(w)
    for c, c2, x2, y2, x, y in np.ndindex(*w.shape, *dz.shape[1:]):
        dw[c, c2, x2, y2] += dz[c, x, y] * a[c2, x + x2, y + y2]
    same(reference.cross_correlate_dw(a[None], dz[None], kernel=(K_X, K_Y)), dw)
    assert_gradient(lambda w: reference.cross_correlate(a[None], w, b)[0], w, dz, dw)


def test_eq_12_gradient_of_the_bias(layer):
    """∂z_c(x, y)/∂b_c = 1 at every place, so ∂ℓ/∂b_c = Σ_xy ∂ℓ/∂z_c(x, y)."""
    a, w, b, dz = layer
    db = np.array([sum(dz[c, x, y] for x, y in np.ndindex(dz.shape[1:])) for c in range(K_C)])
    same(reference.bias_gradient(dz[None]), db)
    assert_gradient(lambda b: reference.cross_correlate(a[None], w, b)[0], b, dz, db)


def test_eq_23_and_24_convolution_of_functions():
    """∫ k(x) m(t − x) dx of two boxes is a triangle; Σ k(x) m(X − x) of two sequences is NumPy's convolve."""

    def box(x: float) -> float:
        return float(0 <= x <= 1)

    for t in (0.25, 1.0, 1.5):
        area = quad(lambda x, t=t: box(x) * box(t - x), 0, 1, points=[min(max(t - 1, 0), 1), min(t, 1)])[0]
        assert_close(area, min(t, 2 - t))
    k, m = normals(7, (3,), (5,))
    sums = [sum(k[x] * m[X - x] for x in range(3) if 0 <= X - x < 5) for X in range(7)]
    same(np.convolve(k, m), sums)


def test_eq_25_26_27_convolution_in_two_dimensions():
    """Sums over all indices are sums over those of k, and commute; the map has n(k) + n(m) − 1 places."""
    k, m = normals(8, (2, 3), (4, 5))

    def s(k: np.ndarray, m: np.ndarray, rows: range, columns: range) -> np.ndarray:
        result = np.zeros((5, 7))
        for Y, X in np.ndindex(5, 7):
            for y in rows:
                for x in columns:
                    inside = 0 <= y < k.shape[0] and 0 <= x < k.shape[1]
                    inside = inside and 0 <= Y - y < m.shape[0] and 0 <= X - x < m.shape[1]
                    result[Y, X] += k[y, x] * m[Y - y, X - x] if inside else 0
        return result

    same(s(k, m, range(-9, 10), range(-9, 10)), s(k, m, range(2), range(3)))
    same(s(k, m, range(2), range(3)), s(m, k, range(4), range(5)))
    same(s(k, m, range(2), range(3)), convolve2d(m, k, "full"))
    same(reference.cross_correlate_dx(plane(m), plane(k), size=(5, 7))[0, 0], convolve2d(m, k, "full"))


def test_eq_29_max_pooling():
    """The largest of size × size cells from (x·s_x, y·s_y) on; the channels stay as many."""
    a = normals(10, (2, 7, 6))[0]
    y, _ = reference.max_pool(a[None], window=(3, 2), stride=(2, 3))
    assert y.shape == (1, 2, 3, 2)
    for c, i, j in np.ndindex(2, 3, 2):
        assert y[0, c, i, j] == max(a[c, 2 * i + u, 3 * j + v] for u in range(3) for v in range(2))


def test_eq_30_gradient_of_max_pooling():
    """∂ℓ/∂a(x″, y″) = Σ over the windows whose maximum it is, of ∂ℓ/∂a^(l)(x, y)."""
    a, dy = normals(11, (2, 7, 6), (2, 3, 5))
    y, winner = reference.max_pool(a[None], window=(3, 2), stride=(2, 1))
    da = np.zeros_like(a)
    for c, i, j in np.ndindex(2, 3, 5):
        cells = [(2 * i + u, j + v) for u in range(3) for v in range(2)]
        da[c][max(cells, key=lambda cell, c=c: a[c][cell])] += dy[c, i, j]
    same(reference.max_pool_dx(dy[None], winner, size=(7, 6))[0], da)
    assert_gradient(lambda a: reference.max_pool(a[None], window=(3, 2), stride=(2, 1))[0][0], a, dy, da, smooth=False)
    assert y.shape == (1, 2, 3, 5)


def test_eq_31_and_32_relu():
    """max(0, z); 1 above 0 and 0 below, and at 0 as the text has it: 0."""
    z = frozen([-2.0, -0.5, 0.0, 0.5, 2.0])
    y = reference.relu(z)
    assert_array_equal(y, [max(0, each) for each in z])
    assert_array_equal(reference.relu_dx(np.ones(5), y), [0, 0, 0, 1, 1])
    slopes = central_difference(lambda z: reference.relu(z).sum(), z)
    assert_close(slopes[[0, 1, 3, 4]], [0, 0, 1, 1], error=1e-8)


def test_eq_33_softmax():
    z = normals(12, (5,))[0]
    a = [np.exp(each) / sum(np.exp(other) for other in z) for each in z]
    same(reference.softmax(z[None])[0], a)
    assert_close(sum(a), 1)


def test_eq_34_softmax_jacobian():
    """∂a_c/∂z_c = a_c(1 − a_c), ∂a_c/∂z_c′ = −a_c a_c′."""
    z = normals(13, (5,))[0]
    a = reference.softmax(z[None])[0]
    J = np.array([[a[c] * (1 - a[c]) if c == other else -a[c] * a[other] for other in range(5)] for c in range(5)])
    slopes = [central_difference(lambda z, c=c: reference.softmax(z[None])[0, c], z) for c in range(5)]
    assert_close(slopes, J, error=1e-9)
    e = np.exp(z)
    same(np.diag(J), (e * e.sum() - e**2) / e.sum() ** 2)  # the quotient rule, as printed
    same(J[0, 1], -e[0] * e[1] / e.sum() ** 2)
    same([reference.softmax_dx(row[None], a[None])[0] for row in np.eye(5)], J)
