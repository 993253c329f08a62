"""VanillaCNN, sections 2 to 4.3: indices, padding, sigmoid, first weights, feed forward. Equations by their numbers."""

import numpy as np
import pytest
from numerical import assert_close, complex_step, frozen, normals
from scipy.signal import convolve2d, correlate2d
from scipy.special import expit
from tutorials.comparing import plane, same

from chainrule import zoo
from chainrule.core import shapes
from chainrule.operations import reference

SIZES = [(7, 3), (6, 2), (5, 5), (4, 1), (28, 5), (12, 5)]  # cells of the input and of the kernel
sizes = pytest.mark.parametrize(("x_i", "x_k"), SIZES)


def correlated(image: np.ndarray, kernel: np.ndarray, flip: bool = False) -> np.ndarray:
    """Correlate one plane with one kernel by the reference."""
    return reference.cross_correlate(plane(image), plane(kernel), flip=flip)[0, 0]


def test_eq_1_correlation(pair):
    image, K = pair
    literal = np.zeros((5, 5))
    for i, j, u, v in np.ndindex(5, 5, 3, 2):
        literal[i, j] += image[i + u, j + v] * K[u, v]
    same(correlated(image, K), literal)
    same(correlate2d(image, K, "valid"), literal)


def test_eq_2_convolution_with_indices_as_section_2_2_2_has_them(pair):
    """Either the indices of O begin at x_k − 1, or those of I at −(x_k − 1): the valid convolution both ways."""
    image, K = pair
    shifted = {(h - 2, k - 1): image[h, k] for h, k in np.ndindex(image.shape)}  # I(−x_k + 1 …)
    first, second = np.zeros((5, 5)), np.zeros((5, 5))
    for i, j, u, v in np.ndindex(5, 5, 3, 2):
        first[i, j] += image[i + 2 - u, j + 1 - v] * K[u, v]  # O(i + x_k − 1, …)
        second[i, j] += shifted[i - u, j - v] * K[u, v]
    for literal in (first, second):
        same(correlated(image, K, flip=True), literal)
        same(convolve2d(image, K, "valid"), literal)


def test_correlation_is_convolution_with_the_rotated_kernel(pair):
    """K_rot(u, v) = K(x_k − 1 − u, y_k − 1 − v), and O_conv(i, j) = O_corr(i − x_k + 1, j − y_k + 1)."""
    image, K = pair
    K_rot = np.array([[K[3 - 1 - u, 2 - 1 - v] for v in range(2)] for u in range(3)])
    same(K_rot, np.rot90(K, 2))
    same(correlated(image, K), correlated(image, K_rot, flip=True))
    full = convolve2d(image, K, "full")  # O_conv by eq. 2, with zeros outside of I
    O_corr = correlated(image, K_rot)
    for i, j in np.ndindex(O_corr.shape):
        same(full[i + 3 - 1, j + 2 - 1], O_corr[i, j])


@sizes
def test_index_ranges_of_correlation(x_i, x_k):
    """Of all x_o, just x_i − x_k + 1 lets i + u take every value from 0 to x_i − 1 and no other."""
    touched = {x_o: {i + u for i in range(x_o) for u in range(x_k)} for x_o in range(1, x_i + x_k)}
    assert [x_o for x_o, cells in touched.items() if cells == set(range(x_i))][-1] == x_i - x_k + 1
    assert max(touched[x_i - x_k + 1]) == x_i - 1
    assert shapes.output_size(x_i, x_k) == x_i - x_k + 1


@sizes
def test_the_first_option_of_indices(x_i, x_k):
    """O(i) = Σ_u I(i − u) K(u) for i from x_k − 1 to x_o + x_k − 2: every cell of I is read, and none beyond it.

    These i, and no others, need no index of I outside 0 … x_i − 1; what they give is the valid convolution.
    """
    image, K = normals(x_i, (x_i,), (x_k,))
    x_o = shapes.output_size(x_i, x_k)
    inside = [i for i in range(-x_k, x_i + x_k) if all(0 <= i - u <= x_i - 1 for u in range(x_k))]
    assert inside == list(range(x_k - 1, x_o + x_k - 1))
    assert {i - u for i in inside for u in range(x_k)} == set(range(x_i))
    output = {i: sum(image[i - u] * K[u] for u in range(x_k)) for i in inside}
    same([output[i] for i in range(x_k - 1, x_o + x_k - 1)], np.convolve(image, K, "valid"))
    same(list(output.values()), correlated(image[:, None], K[:, None], flip=True)[:, 0])


def test_eq_3_convolution_with_padding(pair):
    image, K = pair
    literal = np.zeros((7 + 3 - 1, 6 + 2 - 1))
    for i, j, u, v in np.ndindex(*literal.shape, 3, 2):
        inside = 0 <= i - u <= 7 - 1 and 0 <= j - v <= 6 - 1
        literal[i, j] += (image[i - u, j - v] if inside else 0) * K[u, v]
    same(convolve2d(image, K, "full"), literal)
    same(reference.cross_correlate(plane(image), plane(K), padding=((2, 2), (1, 1)), flip=True)[0, 0], literal)
    same(reference.cross_correlate_dx(plane(image), plane(K), size=literal.shape)[0, 0], literal)


@sizes
def test_eq_4_and_5_output_sizes(x_i, x_k):
    image, K = np.ones((x_i, x_i)), np.ones((x_k, x_k))
    assert shapes.output_size(x_i, x_k) == x_i - x_k + 1 == len(correlate2d(image, K, "valid"))
    padding = shapes.axis_padding("full", x_i, x_k)
    assert shapes.output_size(x_i, x_k, padding=padding) == x_i + x_k - 1 == len(convolve2d(image, K, "full"))


def test_sigmoid_and_its_derivative():
    """Both forms of σ; f = 1/σ, f′ = −σ′/σ² = −e⁻ˣ = 1 − f = (σ − 1)/σ; and eq. 6, σ′ = σ(1 − σ)."""
    x = frozen(np.linspace(-4, 4, 17))
    s = reference.sigmoid(x)
    same(s, np.exp(x) / (np.exp(x) + 1))
    same(s, 1 / (1 + np.exp(-x)))
    f, slope = 1 / s, complex_step(lambda x: np.sum(reference.sigmoid(x)), x)
    same(f, 1 + np.exp(-x))
    f_slope = complex_step(lambda x: np.sum(1 + np.exp(-x)), x)
    for form in (-slope / s**2, -np.exp(-x), 1 - f, 1 - 1 / s, (s - 1) / s):
        same(f_slope, form)
    same(slope, s * (1 - s))
    same(reference.sigmoid_dx(np.ones_like(x), s), slope)


def test_the_architecture():
    """28×28 in, 6 maps of 24×24, 12×12, 12 maps of 8×8, 4×4, a vector of 192, 10 out."""
    model = zoo.find("vanilla-cnn").build(engine="numpy")
    maps = [(6, 24, 24), (6, 24, 24), (6, 12, 12), (12, 8, 8), (12, 8, 8), (12, 4, 4), (192,), (10,), (10,)]
    assert (model.input_shape, model.shapes) == ((1, 28, 28), maps)
    assert {name: w.shape for name, w in model.weights.items()} == {
        "conv1.w": (6, 1, 5, 5),
        "conv1.b": (6,),
        "conv2.w": (12, 6, 5, 5),
        "conv2.b": (12,),
        "dense1.w": (10, 192),
        "dense1.b": (10,),
    }


def test_eq_15_19_25_sigmoids(paper):
    same(reference.sigmoid(paper.C1), paper.C1s)
    same(reference.sigmoid(paper.C2), paper.C2s)
    same(reference.sigmoid(paper.z), paper.a)
    same(paper.a, np.exp(paper.z) / (np.exp(paper.z) + 1))


@pytest.mark.parametrize(("source", "result"), [("C1s", "S1"), ("C2s", "S2")])
def test_eq_16_and_20_pooling(paper, source, result):
    C, S = getattr(paper, source), getattr(paper, result)
    literal = np.zeros_like(S)
    for q, i, j, u, v in np.ndindex(*S.shape, 2, 2):
        literal[q, i, j] += C[q, 2 * i + u, 2 * j + v] / 4
    same(S, literal)
    same(reference.average_pool(C[None], window=(2, 2))[0], literal)


def test_eq_17_and_18_second_convolution(paper):
    C2 = np.zeros((12, 8, 8))
    for p, q, u, v in np.ndindex(6, 12, 5, 5):
        C2[q] += paper.S1[p, u : u + 8, v : v + 8] * paper.K2[p, q, u, v]
    C2 += paper.b2[:, None, None]
    same(C2, paper.C2)
    same(reference.cross_correlate(paper.S1[None], paper.K2.transpose(1, 0, 2, 3), paper.b2)[0], C2)


def test_eq_21_and_22_vectorization(paper):
    """v_q(4i + j) = S2_q(i, j), v(16q + 4i + j) = S2_q(i, j); and v_q is the rows of S2_q under one another."""
    for q, i, j in np.ndindex(12, 4, 4):
        v_q = np.concatenate([paper.S2[q, row] for row in range(4)])
        assert v_q[4 * i + j] == paper.v[16 * q + 4 * i + j] == paper.S2[q, i, j]
    layer = zoo.find("vanilla-cnn").layers(10)[6]
    assert layer.output_shape((12, 4, 4), "flatten1") == paper.v.shape


def test_eq_23_and_24_fully_connected(paper):
    literal = np.array([sum(paper.W[i, j] * paper.v[j] for j in range(192)) + paper.b[i] for i in range(10)])
    same(paper.z, literal)
    same(reference.dense(paper.v[None], paper.W, paper.b)[0], literal)


def test_eq_26_loss(paper):
    literal = sum((paper.a[i] - paper.y[i]) ** 2 for i in range(10)) / 2
    same(reference.half_squared_error(paper.a[None], paper.y[None])[0], literal)
    same(np.linalg.norm(expit(paper.z) - paper.y) ** 2 / 2, literal)
    assert_close(literal, paper.loss(a=paper.a))
