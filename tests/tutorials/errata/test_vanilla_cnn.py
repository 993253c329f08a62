"""VanillaCNN's errata: what is printed fails, what docs/derivations/errata.md puts in its place holds."""

import numpy as np
import pytest
from numerical import assert_close, central_difference
from scipy.signal import convolve2d, correlate2d
from tutorials.comparing import other, same
from tutorials.paper import Paper

from chainrule import data, zoo
from chainrule.core import shapes

SIZES = [(7, 3), (6, 2), (28, 5)]  # x_i, x_k
sizes = pytest.mark.parametrize(("x_i", "x_k"), SIZES)


def test_an_iteration_is_not_an_epoch():
    """A "learning iteration (or epoch)": of 60,000 images ten at a time there are 6,000 iterations an epoch."""
    assert data.batch_count(60_000, 10) == 6_000 != 1


def test_shift_between_convolution_and_correlation(pair):
    """O_conv(i, j) = O_corr(i − x_k − 1, …): the shift is i − x_k + 1."""
    image, K = pair
    (x_k, y_k), O_conv = K.shape, convolve2d(image, K, "full")
    O_corr = correlate2d(image, np.rot90(K, 2), "valid")
    for i, j in ((3, 3), (4, 5)):
        other(O_conv[i, j], O_corr[i - x_k - 1, j - y_k - 1])
        same(O_conv[i, j], O_corr[i - x_k + 1, j - y_k + 1])
        u, v = 1, 0  # and in the sum: i − (x_k − 1 − u)
        assert (i - (x_k - 1 - u), j - (y_k - 1 - v)) != ((i - x_k - 1) + u, (j - y_k - 1) + v)
        assert (i - (x_k - 1 - u), j - (y_k - 1 - v)) == ((i - x_k + 1) + u, (j - y_k + 1) + v)


def test_the_same_star_twice(pair):
    """That "I * K and I * K_rot should be exactly the same": I * K and I ⋆ K_rot are."""
    image, K = pair
    other(convolve2d(image, K, "valid"), convolve2d(image, np.rot90(K, 2), "valid"))
    same(convolve2d(image, K, "valid"), correlate2d(image, np.rot90(K, 2), "valid"))


def test_eq_2_as_code_wraps_around(pair):
    """With i from 0 and I from 0, I(i − u, j − v) asks for negative indices: an array then reads its other end."""
    image, K = pair
    literal = np.zeros((5, 5))
    for i, j, u, v in np.ndindex(5, 5, 3, 2):
        literal[i, j] += image[i - u, j - v] * K[u, v]
    other(literal, convolve2d(image, K, "valid"))
    other(literal, convolve2d(image, K, "full")[:5, :5])
    same(literal[2:, 1:], convolve2d(image, K, "full")[2:5, 1:5])  # right where no index is negative


def test_a_size_that_is_not_defined():
    """0 ≤ j + v ≤ y_j − 1: j is an index, and the input has y_i columns."""
    names = {"x_i": 7, "y_i": 6, "x_k": 3, "y_k": 2, "x_o": 5, "y_o": 5, "j": 4, "v": 1}
    with pytest.raises(NameError, match="y_j"):
        eval("j + v <= y_j - 1", {}, names)
    assert eval("j + v <= y_i - 1", {}, names)


@sizes
def test_ranges_of_the_index_of_a_convolution(x_i, x_k):
    """−x_k + 1 ≤ i + u ≤ x_i − x_k, and padded −(x_k − 1) ≤ i + u, or these bounds without padding: it is i − u.

    −x_k + 1 = 0 − (x_k + 1), whose sides differ by 2, or min(i) + min(u): it is min(i) − max(u).
    """
    plain, padded = (-x_k + 1, x_i - x_k), (-(x_k - 1), x_i - 1 + (x_k - 1))
    for x_o, bounds, wrong in ((x_i - x_k + 1, plain, padded), (x_i + x_k - 1, padded, plain)):
        i, u = range(x_o), range(x_k)
        added, taken = ([one + sign * other for one in i for other in u] for sign in (1, -1))
        assert max(added) > bounds[1]
        assert (min(taken), max(taken)) == bounds != wrong
        assert min(taken) == min(i) - max(u) != min(i) + min(u)
        assert -x_k + 1 != 0 - (x_k + 1)


def test_eq_3_sums_to_the_size_of_the_kernel(pair):
    """Σ from u = 0 to x_k: K has no row x_k; in a larger array it would be another number's."""
    image, K = pair
    with pytest.raises(IndexError):
        K[K.shape[0], 0]
    right = convolve2d(image, K, "full")
    larger = np.pad(K, ((0, 1), (0, 1)), constant_values=1.0)
    other(convolve2d(image, larger, "full")[:9, :7], right)
    same(convolve2d(image, larger[:3, :2], "full"), right)


def test_eq_3_reads_beyond_the_input(pair):
    """I_pad = I where 0 ≤ i − u ≤ x_i: I has no row x_i; x_i − 1 is the last."""
    image, K = pair

    def padded(i: int, j: int, last: tuple[int, int]) -> float:
        return image[i, j] if 0 <= i <= last[0] and 0 <= j <= last[1] else 0.0

    def convolution(last: tuple[int, int]) -> np.ndarray:
        result = np.zeros((9, 7))
        for i, j, u, v in np.ndindex(9, 7, 3, 2):
            result[i, j] += padded(i - u, j - v, last) * K[u, v]
        return result

    with pytest.raises(IndexError):
        convolution((7, 6))
    same(convolution((7 - 1, 6 - 1)), convolve2d(image, K, "full"))


def test_the_bias_of_the_last_layer_is_no_scalar():
    """That "b is a (10 × 1) scalar": it is ten numbers."""
    b = zoo.find("vanilla-cnn").build(engine="numpy").weights["dense1.b"]
    assert b.size != 1
    assert b.shape == (10,)


@pytest.mark.parametrize("layer", [1, 2])
def test_eq_14_and_18_leave_out_a_row_and_a_column(paper, layer):
    """Σ from 0 to 3 for a kernel of 5×5."""
    inputs, kernels = ((paper.image[None], paper.K1[None]), (paper.S1, paper.K2))[layer - 1]
    size, bias, C = ((24, paper.b1, paper.C1), (8, paper.b2, paper.C2))[layer - 1]

    def summed(last: int) -> np.ndarray:
        result = np.zeros_like(C)
        for p, q, u, v in np.ndindex(*kernels.shape[:2], last + 1, last + 1):
            result[q] += inputs[p, u : u + size, v : v + size] * kernels[p, q, u, v]
        return result + bias[:, None, None]

    other(summed(3), C)
    same(summed(4), C)


def test_eq_21_repeats_the_first_row(paper):
    """(S(0,:); S(0,:); …; S(3,:)): the second row is S(1,:)."""
    S, v = paper.S2[3], paper.v[48:64]
    other(np.concatenate([S[0], S[0], S[2], S[3]]), v)
    same(np.concatenate([S[0], S[1], S[2], S[3]]), v)


def test_eq_22_counts_from_one(paper):
    """v = (v_1 … v_12) with v(16q + 4i + j): v_12 would be cells 192 to 207 of 192."""
    assert paper.v.size <= 16 * 12
    same(np.concatenate([paper.S2[q].ravel() for q in range(12)]), paper.v)
    with pytest.raises(IndexError):
        np.concatenate([paper.S2[q].ravel() for q in range(1, 13)])


def test_maps_are_not_kernels(paper):
    """That "S2_q is an array of kernels": it changes with the image, and no parameter has its shape."""
    weights = zoo.find("vanilla-cnn").build(engine="numpy").weights
    assert not any(w.shape[-3:] == paper.S2.shape for w in weights.values())
    one, another = Paper(), Paper()
    another.image = 1 - another.image
    other(one.S2, another.S2)


def test_eq_24_sums_over_the_row(paper):
    """Σ over i of W(i, j) v(j), i to 191: W has ten rows, and ŷ(i) must keep its i."""
    with pytest.raises(IndexError):
        sum(paper.W[i, 0] * paper.v[0] for i in range(192))
    other(paper.W.sum(0) @ paper.v + paper.b, paper.z)
    same(np.array([sum(paper.W[i, j] * paper.v[j] for j in range(192)) for i in range(10)]) + paper.b, paper.z)


def test_the_derivative_of_a_square(paper):
    """∂(ŷσ − y)²/∂ŷσ = 2ŷσ − y: the 2 multiplies both."""
    slope = central_difference(lambda a: np.sum((a - paper.y) ** 2), paper.a)
    other(slope, 2 * paper.a - paper.y)
    assert_close(slope, 2 * (paper.a - paper.y), error=1e-8)


def test_eq_36_sums_over_p_twice(paper):
    """Σ_p inside ∂/∂K_pq with the same p, and a case that does not ask p̃ = p: every map would be counted."""
    dC = np.random.default_rng(2).normal(size=(8, 8))
    p, q, u, v = 2, 5, 1, 3

    def read_from(k: np.ndarray) -> float:
        kernels = [k if at == p else paper.K2[at, q] for at in range(6)]
        return np.sum(dC * sum(correlate2d(S, K, "valid") for S, K in zip(paper.S1, kernels, strict=True)))

    found = central_difference(read_from, paper.K2[p, q])[u, v]
    window = paper.S1[:, u : u + 8, v : v + 8]
    other(np.sum(window.sum(0) * dC), found)
    assert_close(np.sum(window[p] * dC), found, error=1e-9)


@pytest.mark.parametrize(("image", "size"), [("S1", 8), ("image", 24)])
def test_eq_36_and_41_run_along_the_diagonal(paper, image, size):
    """Σ I(u + i, v + i) ΔC(i, j): the column is v + j."""
    plane = getattr(paper, image).reshape(-1, size + 4, size + 4)[0]
    dC = np.random.default_rng(3).normal(size=(size, size))
    right = correlate2d(plane, dC, "valid")
    cells = range(size)
    for u, v in ((0, 0), (1, 3)):
        other(sum(plane[u + i, v + i] * dC[i, j] for i in cells for j in cells), right[u, v])
        same(sum(plane[u + i, v + j] * dC[i, j] for i in cells for j in cells), right[u, v])


def spread(dC: np.ndarray, K: np.ndarray, last: int) -> np.ndarray:
    """Sum ΔC(i − u, j − v) K(u, v) over u, v from 0 to `last`, with ΔC zero outside."""
    result = np.zeros((12, 12))
    for u, v in np.ndindex(last + 1, last + 1):
        result[u : u + 8, v : v + 8] += dC * K[u, v]
    return result


def test_eq_38_leaves_out_a_row_and_a_column(paper):
    """S(i, j) "contributes to C(i − u, j − v) where 0 ≤ u ≤ 3": it reaches 25 cells, not 16."""
    dC, K = np.random.default_rng(4).normal(size=(8, 8)), paper.K2[2, 5]
    found = central_difference(lambda S: np.sum(dC * correlate2d(S, K, "valid")), paper.S1[2])
    other(spread(dC, K, 3), found)
    assert_close(spread(dC, K, 4), found, error=1e-8)


def test_eq_38_compares_a_column_with_a_tap():
    """(j − v + ṽ) = v is not ṽ = v: for j = 5, v = 1 it asks for ṽ = −3."""
    j, taps = 5, range(5)
    for v in taps:
        assert [t for t in taps if j - v + t == v] != [v]
        assert [t for t in taps if j - v + t == j] == [v]


def test_eq_38_needs_the_padded_convolution(paper):
    """It is "based on convolution equation (2)", whose result is 4×4 by eq. 4; S1 is 12×12, eq. 3 and 5."""
    dC, K = np.random.default_rng(5).normal(size=(8, 8)), paper.K2[2, 5]
    assert convolve2d(dC, K, "valid").shape == (shapes.output_size(8, 5),) * 2 == (4, 4)
    other(convolve2d(dC, K, "valid"), spread(dC, K, 4))
    same(convolve2d(dC, K, "full"), spread(dC, K, 4))


def test_eq_41_names_another_kernel(paper):
    """ΔK1_q = I ⋆ ΔC1_p: map p belongs to kernel p; kernel q ≠ p does not touch it."""
    dC = np.random.default_rng(6).normal(size=(6, 24, 24))
    p, q = 1, 4

    def read_from(kernel: np.ndarray, at: int) -> float:
        kernels = [kernel if place == at else K for place, K in enumerate(paper.K1)]
        return sum(np.sum(d * correlate2d(paper.image, K, "valid")) for d, K in zip(dC, kernels, strict=True))

    printed = correlate2d(paper.image, dC[p], "valid")
    other(central_difference(lambda k: read_from(k, q), paper.K1[q], 1e-3), printed)
    assert_close(central_difference(lambda k: read_from(k, p), paper.K1[p], 1e-3), printed, error=1e-10)
