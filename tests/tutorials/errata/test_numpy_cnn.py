"""Introduction to a NumPy CNN, errata of sections 1 and 2: what is printed fails, what the errata say holds.

η and k are one less than the number of cells, as the text defines them, unless a test says otherwise.
"""

import numpy as np
import pytest
from numerical import assert_close, central_difference, frozen, normals
from numpy.testing import assert_array_equal
from scipy.signal import convolve2d, correlate2d
from tutorials.comparing import other, plane, same

from chainrule.core import shapes
from chainrule.operations import reference

SIZES = [(28, 5), (7, 3), (4, 4)]  # cells before, cells of the kernel


@pytest.fixture
def layer() -> list[np.ndarray]:
    """Draw a^(l−1) (2 channels of 6×5), w (3×2 kernels of 3×2), ∂ℓ/∂z."""
    return normals(1, (2, 6, 5), (3, 2, 3, 2), (3, 4, 4))


def test_negative_inverse():
    """The gradient's "negative inverse" −1/g: it does point downhill, but is the longer the nearer the minimum is.

    For ½p², g = p: at 4 a step of rate 0.1 is 0.025 where −g gives 0.4, and at 0.01 it is 10, and the loss rises from
    0.00005 to 49.9.
    """
    for p, step in ((4.0, 0.025), (0.01, 10.0), (-0.5, -0.2)):
        g = p
        assert (-1 / g) * g < 0  # downhill: a step that is short enough lowers the loss
        assert 0.5 * (p + 1e-6 * (-1 / g)) ** 2 < 0.5 * p**2
        same(0.1 / g, step)
        other(p + 0.1 * (-1 / g), reference.sgd_update(frozen([p]), frozen([g]), rate=0.1)[0])
        same(p + 0.1 * -g, reference.sgd_update(frozen([p]), frozen([g]), rate=0.1)[0])
    assert round(0.5 * (0.01 - 0.1 / 0.01) ** 2, 1) == 49.9


def test_vectors_that_begin_at_one():
    """z and a are printed from index 1 to η, W and b from 0: η rows cannot be η + 1."""
    a, W, b = normals(2, (4,), (3, 4), (3,))
    eta, eta_before = 2, 3
    assert len(range(1, eta_before + 1)) != W.shape[1]
    assert len(range(1, eta + 1)) != len(W @ a + b)
    assert (len(range(eta + 1)), len(range(eta_before + 1))) == W.shape


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_eq_7_adds_one_too_many(n, k):
    """η = η − k + 1: right when k is the kernel's length, but then the sums of eq. 8, to k inclusive, are too long."""
    eta = len(correlate2d(np.ones((n, n)), np.ones((k, k)), "valid")) - 1
    assert (n - 1) - (k - 1) + 1 != eta
    assert (n - 1) - (k - 1) == eta
    assert (n - 1) - k + 1 == eta  # with the length
    assert len(range(k + 1)) != k  # and the terms that Σ from 0 to k then has


def test_eq_8_reads_the_output_channel(layer):
    """a_(c) inside Σ_c′: channel 2 of three outputs is not there to be read in two inputs; it is a_(c′)."""
    a, w, _ = layer
    right = reference.cross_correlate(a[None], w)[0]
    with pytest.raises(IndexError):
        correlate2d(a[2], w[2, 0], "valid")
    other(sum(correlate2d(a[1], w[1, c1], "valid") for c1 in range(2)), right[1])
    same(sum(correlate2d(a[c1], w[1, c1], "valid") for c1 in range(2)), right[1])


def test_eq_8_reads_along_the_diagonal(layer):
    """a(x + x′, x + y′): the column is y + y′. Also in h, and where eq. 10, 11 and 12 are derived."""
    a, w, _ = layer
    right = reference.cross_correlate(a[None], w)[0]
    taps = list(np.ndindex(2, 3, 2))
    for x, y in ((0, 2), (1, 3), (3, 0)):
        other(sum(w[1, c, u, v] * a[c, x + u, min(x + v, 4)] for c, u, v in taps), right[1, x, y])
        same(sum(w[1, c, u, v] * a[c, x + u, y + v] for c, u, v in taps), right[1, x, y])


def test_eq_10_lacks_the_zero(layer):
    """w(x″ − x, y″ − y) summed over all x, y: beyond the kernel it is 0, not an index from the other end."""
    _, w, dz = layer
    right = reference.cross_correlate_dx(dz[None], w, size=(6, 5))[0]
    with pytest.raises(IndexError):
        w[0, 0, 5 - 0, 0]
    x2, y2 = 1, 1

    def total(least: int) -> float:
        """Sum over the positions whose difference is at least `least`, and on the kernel at the far side."""
        places = [(x, y) for x, y in np.ndindex(4, 4) if least <= x2 - x < 3 and least <= y2 - y < 2]
        return sum(dz[c, x, y] * w[c, 0, x2 - x, y2 - y] for c in range(3) for x, y in places)

    other(total(-2), right[0, x2, y2])  # as NumPy would read negative indices
    same(total(0), right[0, x2, y2])


def test_eq_11_gives_the_wrong_column(layer):
    """∂z(x, y)/∂w(x″, y″) = a(x + x″, x + y″): the column is y + y″."""
    a, w, _ = layer
    c, x, y = 1, 2, 3
    slopes = central_difference(lambda w: reference.cross_correlate(a[None], w)[0, c, x, y], w)[c]
    printed = np.array([[[a[c2, x + u, min(x + v, 4)] for v in range(2)] for u in range(3)] for c2 in range(2)])
    other(printed, slopes)
    assert_close(a[:, x : x + 3, y : y + 2], slopes, error=1e-8)


def test_eq_12_lacks_the_sum(layer):
    """∂ℓ/∂b_c = ∂ℓ/∂z_c(x, y) for no place in particular: it is their sum (alone for an untied bias is it right)."""
    a, w, dz = layer
    b = normals(3, (3,))[0]
    slopes = central_difference(lambda b: np.sum(dz * reference.cross_correlate(a[None], w, b)[0]), b)
    for x, y in np.ndindex(4, 4):
        other(dz[:, x, y], slopes)
    assert_close(dz.sum((1, 2)), slopes, error=1e-8)
    same(reference.bias_gradient(dz[None], untied=True), dz)


def test_eq_13_is_no_hadamard_product():
    """Hadamard's product is the array of the products; their sum is Frobenius's inner product."""
    A, B = normals(4, (3, 2), (3, 2))
    total = sum(A[i, j] * B[i, j] for i, j in np.ndindex(A.shape))
    other(A * B, total)
    same(np.vdot(A, B), total)


def test_an_input_as_small_as_the_kernel():
    """An input "of size greater than its kernel": the same size does, and gives one cell."""
    A, B = normals(5, (3, 2), (3, 2))
    assert not A.size > B.size
    same(reference.cross_correlate(plane(A), plane(B)), [[[[np.vdot(A, B)]]]])


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_eq_14_has_kernel_and_input_exchanged(n, k):
    """δx_Z^(l+1) = δx_W − δx_Z + 1 shrinks as the input grows; it is δx_Z − δx_W (with lengths + 1)."""
    size = shapes.output_size(n, k)
    assert (k - 1) - (n - 1) + 1 != size - 1 or n == k
    assert k - n + 1 != size or n == k
    assert (n - 1) - (k - 1) == size - 1
    assert n - k + 1 == size
    assert (7 - 1) - (28 - 1) + 1 < 0


def test_eq_16_sums_over_the_input(layer):
    """Σ up to δ_Z, the size of the input: W ends at δ_W."""
    a, w, _ = layer
    with pytest.raises(IndexError):
        sum(w[0, 0, u, v] * a[0, u, v] for u in range(6) for v in range(5))
    right = reference.cross_correlate(a[None], w)[0, 0, 0, 0]
    same(sum(w[0, c, u, v] * a[c, u, v] for c in range(2) for u in range(3) for v in range(2)), right)


def test_eq_16_forgets_the_activation(layer):
    """Z^(l+1) from Z^(l), both "before activation": between them stands the activation, and in eq. 17 its slope."""
    Z, w, _ = layer
    right = reference.cross_correlate(reference.relu(Z)[None], w)[0]
    other(reference.cross_correlate(Z[None], w)[0], right)
    same(reference.cross_correlate(np.maximum(Z, 0)[None], w)[0], right)
    slopes = central_difference(lambda Z: reference.cross_correlate(reference.relu(Z)[None], w)[0, 1, 0, 0], Z)
    other(w[1], slopes[:, :3, :2])
    assert_close(w[1] * (Z[:, :3, :2] > 0), slopes[:, :3, :2], error=1e-9)


def test_eq_17_keeps_the_summation_index(layer):
    """∂Z_xyc/∂Z_x*y*c* = W_x′y′c′, with indices that were summed away: it is W at x* − x, y* − y, c*."""
    a, w, _ = layer
    c, x, y = 2, 1, 2
    slopes = central_difference(lambda a: reference.cross_correlate(a[None], w)[0, c, x, y], a)
    at = (1, 3, 3)  # c*, x*, y*
    for c1, u, v in np.ndindex(2, 3, 2):
        if (c1, u, v) != (1, 3 - x, 3 - y):
            other(w[c, c1, u, v], slopes[at])
    assert_close(w[c, 1, 3 - x, 3 - y], slopes[at], error=1e-9)


def test_eq_17_shifts_the_channel(layer):
    """c* ∈ [c … c + δc_W]: channels do not slide; c* runs over all channels of the input, whatever c."""
    a, w, _ = layer
    c = 2
    slopes = central_difference(lambda a: reference.cross_correlate(a[None], w)[0, c, 0, 0], a)
    read = [channel for channel in range(2) if np.abs(slopes[channel]).max() > 1e-3]
    assert [*range(c, c + 1 + 1)] != read
    assert [*range(1 + 1)] == read


def test_eq_18_keeps_the_summation_index(layer):
    """∂Z_xyc/∂W_x*y*c* = Z at x* + x′, y* + y′: it is Z at x + x*, y + y*."""
    a, w, _ = layer
    c, x, y = 1, 3, 2
    slopes = central_difference(lambda w: reference.cross_correlate(a[None], w)[0, c, x, y], w)
    for u, v in np.ndindex(3, 2):  # any x′, y′ that might be meant: they reach rows 0 … 2 for x* = 0
        other(a[1, 0 + u, 1 + v], slopes[c, 1, 0, 1])
    assert_close(a[1, x + 0, y + 1], slopes[c, 1, 0, 1], error=1e-9)


def test_eq_20_adds_the_bias_for_every_product():
    """Σ Σ (K·M + b) adds b six times for a kernel of 2×3; section 2.4.1 says once, and eq. 22 has it so."""
    M, K, b = normals(6, (6, 5), (2, 3), (1,))
    right = reference.cross_correlate(plane(M), plane(K), b)[0, 0, 0, 0]
    printed = sum(K[y, x] * M[y, x] + b[0] for y, x in np.ndindex(2, 3))
    other(printed, right)
    same(printed - 5 * b[0], right)
    same(sum(K[y, x] * M[y, x] for y, x in np.ndindex(2, 3)) + b[0], right)


def test_eq_26_stops_too_early():
    """x ∈ [0 … n_x(m) − 1]: the sum goes on to n_x(m) + n_x(k) − 2, and only so it commutes (eq. 27)."""
    k, m = normals(7, (2, 3), (4, 5))
    whole = convolve2d(m, k, "full")
    assert whole.shape == (4 + 2 - 1, 5 + 3 - 1)
    other(whole[4:], 0)
    other(whole[:4, :5], convolve2d(k, m, "full")[:2, :3])  # the printed ranges of k * m and of m * k
    same(whole, convolve2d(k, m, "full"))


@pytest.mark.parametrize(("n", "size", "stride"), [(25, 2, 2), (7, 3, 3), (11, 4, 3)])
def test_eq_28_counts_lengths_as_eta(n, size, stride):
    """⌊(η − δ)/s⌋ + 1 is right for lengths; for η, one less, it is ⌊(η + 1 − δ)/s⌋ (the same for 24, 2, 2)."""
    y, _ = reference.max_pool(np.zeros((1, 1, n, n)), window=(size, size), stride=(stride, stride))
    eta = n - 1
    assert (eta - size) // stride + 1 != y.shape[2] - 1
    assert (eta + 1 - size) // stride == y.shape[2] - 1
    assert (n - size) // stride + 1 == y.shape[2]
    assert (23 - 2) // 2 + 1 == (23 + 1 - 2) // 2


def test_eq_29_takes_a_cell_too_many():
    """r ∈ [0 … δ] are δ + 1 cells, when δ is the size of the region, as the text says."""
    a = frozen([[1.0, 2, 9], [3, 4, 9], [9, 9, 9]])
    size = 2
    right = reference.max_pool(plane(a), window=(size, size))[0][0, 0, 0, 0]
    other(max(a[u, v] for u in range(size + 1) for v in range(size + 1)), right)
    same(max(a[u, v] for u in range(size) for v in range(size)), right)


POOLED = np.array([[5.0, 2, 7, 4], [6, 3, 2, 1], [8, 6, 5, 9], [1, 3, 6, 1]])


def test_eq_30_has_one_place_for_two():
    """∂a^(l)(x, y)/∂a^(l−1)(x, y): the cell that wins window (x, y) is not cell (x, y) of the input."""
    y, winner = reference.max_pool(plane(POOLED), window=(2, 2))
    dy = frozen([[0.1, 0.2], [0.3, 0.4]])
    right = reference.max_pool_dx(plane(dy), winner, size=(4, 4))[0, 0]
    printed, read = np.zeros((4, 4)), np.zeros((4, 4))
    for i, j in np.ndindex(2, 2):
        printed[i, j] = dy[i, j] if POOLED[i, j] == y[0, 0, i, j] else 0
    for h, k in np.ndindex(4, 4):
        read[h, k] = dy[h // 2, k // 2] if POOLED[h, k] == y[0, 0, h // 2, k // 2] else 0
    other(printed, right)
    same(read, right)


def test_eq_30_credits_every_equal_maximum():
    """By "if a = maxpool(a)" of two equal cells both would get the whole gradient; the listing credits the first."""
    a = frozen([[3.0, 3], [1, 2]])
    y, winner = reference.max_pool(plane(a), window=(2, 2))
    dx = reference.max_pool_dx(np.ones((1, 1, 1, 1)), winner, size=(2, 2))[0, 0]
    printed = (a == y.item()).astype(float)
    assert printed.sum() == 2
    assert_array_equal(dx, [[1, 0], [0, 0]])
    moved = a + 1e-6 * np.ones((2, 2))  # both moved together: y moves once, not twice
    slope = (reference.max_pool(plane(moved), window=(2, 2))[0].item() - 3) / 1e-6
    assert_close(slope, dx.sum(), error=1e-8)


def test_eq_30_lacks_the_sum_over_windows():
    """With strides smaller than the region a cell may win several windows: their gradients add up."""
    a, dy = frozen([[0.0, 5, 1]]), frozen([[2.0, 3]])
    slopes = central_difference(
        lambda a: np.sum(dy * reference.max_pool(plane(a), window=(1, 2), stride=(1, 1))[0][0, 0]), a
    )
    for j in range(2):
        other([0, dy[0, j], 0], slopes[0])
    assert_close([0, dy.sum(), 0], slopes[0], error=1e-8)


def test_eq_32_contradicts_its_text():
    """1 if z ≥ 0, where the text says "zero at zero", as its code does: dz[z <= 0] = 0."""
    y = reference.relu(frozen([0.0]))
    printed = 1.0 if y[0] >= 0 else 0.0
    listed = np.ones(1)
    listed[y <= 0] = 0
    other(printed, listed[0])
    same(reference.relu_dx(np.ones(1), y), listed)


@pytest.mark.parametrize(("dtype", "largest"), [(np.float64, 709.0), (np.float32, 88.0)])
def test_eq_33_overflows_as_code(dtype: type, largest: float) -> None:
    """exp(z)/Σ exp(z) is finite up to the largest z whose power is, and not a number above it."""

    def printed(z: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.exp(z) / np.exp(z).sum()

    for value, finite in ((largest, True), (largest + 1, False)):
        z = np.array([value, 0, -value], dtype)
        assert np.isfinite(printed(z)).all() == finite
        assert_close(reference.softmax(z[None])[0], [1, 0, 0])
        assert_close(printed(z - z.max()), [1, 0, 0])
