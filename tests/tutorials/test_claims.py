"""The tutorials' claims about convolution, padding and position: proved or counted; verdicts in claims.md.

Claims that only training can judge were tried; the table of results is on that page.
"""

import numpy as np
import pytest
from numerical import assert_close, central_difference, normals
from scipy.signal import convolve2d, correlate2d
from tutorials.comparing import other, plane, same
from tutorials.nets import gradients, small

from chainrule import layers
from chainrule.core import shapes
from chainrule.operations import reference

# ---------------------------------------------------------------------- convolution


def test_convolution_commutes_and_correlation_does_not():
    k, m = normals(2, (2, 3), (4, 5))
    same(convolve2d(k, m, "full"), convolve2d(m, k, "full"))
    other(correlate2d(k, m, "full"), correlate2d(m, k, "full"))
    same(correlate2d(k, m, "full"), np.rot90(correlate2d(m, k, "full"), 2))  # it is turned by 180°


def test_a_convolution_layer_can_compute_all_that_a_correlation_layer_can():
    """On "not changing the functionality": turn the kernels, and every output and gradient is the same, turned."""
    plain = small([layers.Conv2D(3, (3, 2)), layers.Flatten(), layers.Dense(4)])
    turned = small([layers.Conv2D(3, (3, 2), convolution=True), layers.Flatten(), layers.Dense(4)])
    turned.set_weights({n: w[..., ::-1, ::-1] if w.ndim == 4 else w for n, w in plain.weights.items()})
    x, t = normals(3, (2, 1, 6, 6), (2, 4))
    same(plain.apply(x), turned.apply(x))
    (loss, g), (loss_turned, g_turned) = gradients(plain, x, t), gradients(turned, x, t)
    same(loss, loss_turned)
    first, last = plain.layout["conv1.w"]
    same(g[first:last].reshape(3, 1, 3, 2)[..., ::-1, ::-1], g_turned[first:last].reshape(3, 1, 3, 2))


def test_a_moving_average_is_a_convolution():
    """A kernel of weights that add up to 1 is a weighted moving average, in one dimension and in two."""
    x, weights = np.arange(8.0) ** 2, np.array([0.2, 0.3, 0.5])
    averages = [sum(w * x[i + 2 - u] for u, w in enumerate(weights)) for i in range(6)]
    same(np.convolve(x, weights, "valid"), averages)
    image = normals(4, (5, 6))[0]
    blurred = reference.cross_correlate(plane(image), np.full((1, 1, 3, 3), 1 / 9))[0, 0]
    same(blurred[1, 2], image[1:4, 2:5].mean())


def test_the_fourth_order_tensor():
    """∂Y/∂X of a function of matrices has four axes: 2×2 by 2×2 for Zayan's example."""
    W, X = normals(5, (3, 3), (2, 2))
    tensor = np.array(
        [[central_difference(lambda X, at=(a, b): correlate2d(W, X, "valid")[at], X) for b in (0, 1)] for a in (0, 1)]
    )
    assert tensor.shape == (2, 2, 2, 2)
    assert_close(np.einsum("abcd,cd->ab", tensor, X), correlate2d(W, X, "valid"), error=1e-8)


def test_convolution_by_fourier_is_the_same_numbers():
    x, w = normals(6, (2, 3, 9, 8), (4, 3, 3, 2))
    products = np.einsum("nchk,ochk->nohk", np.fft.rfft2(x), np.conj(np.fft.rfft2(w, (9, 8))))
    same(np.fft.irfft2(products, (9, 8))[:, :, :7, :7], reference.cross_correlate(x, w))


# ---------------------------------------------------------------------- padding, strides, edges


@pytest.mark.parametrize(("size", "K"), [(6, 3), (8, 5)])
def test_edge_pixels_are_seen_less_without_padding(size, K):
    """Windows over a pixel: 1 in the corner, K on the edge, K² inside; full padding gives K² to all, same does not."""

    def seen(rule: str) -> np.ndarray:
        padding = (shapes.axis_padding(rule, size, K),) * 2
        outputs = size + sum(padding[0]) - K + 1
        ones = np.ones((1, 1, outputs, outputs))
        return reference.cross_correlate_dx(ones, np.ones((1, 1, K, K)), size=(size, size), padding=padding)[0, 0]

    valid, same_padding, full = seen("valid"), seen("same"), seen("full")
    middle = size // 2
    assert valid[0, 0] == 1
    assert valid[0, middle] == valid[:, middle].min() <= K
    assert valid[0, 0] < valid[0, middle] < valid[middle, middle]
    assert (same_padding[0, 0], same_padding[middle, middle]) == (((K + 1) // 2) ** 2, min(K, size) ** 2)
    assert (full == K**2).all()
    assert valid.sum() < same_padding.sum() < full.sum()


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_what_back_propagation_pads_with(zeros):
    """On "convolution with padding" going back: K − 1 − p zeros, where forward had p; none if p = K − 1."""
    K, size = 3, 6
    padding = ((zeros, zeros),) * 2
    w = normals(7, (1, 1, K, K))[0]
    outputs = size + 2 * zeros - K + 1
    dy = normals(8, (1, 1, outputs, outputs))[0]
    around = ((K - 1 - zeros,) * 2,) * 2
    found = reference.cross_correlate(dy, w, padding=around, flip=True)
    same(found, reference.cross_correlate_dx(dy, w, size=(size, size), padding=padding))


def test_a_corner_hears_from_the_output_it_feeds():
    """I(0, 0) contributes to O(0, 0) alone, and its gradient comes from there alone."""
    image, K, dy = normals(9, (5, 4), (3, 2), (3, 3))
    nudged = image.copy()
    nudged[0, 0] += 1
    changed = correlate2d(nudged, K, "valid") - correlate2d(image, K, "valid")
    assert np.flatnonzero(np.abs(changed) > 1e-12).tolist() == [0]
    same(reference.cross_correlate_dx(plane(dy), plane(K), size=(5, 4))[0, 0, 0, 0], dy[0, 0] * K[0, 0])


def test_what_a_large_stride_overlooks():
    """Longer steps make smaller maps; where the stride exceeds the kernel, pixels between windows are never read."""
    sizes = [shapes.output_size(28, 3, stride) for stride in (1, 2, 3, 4)]
    assert sizes == sorted(sizes, reverse=True)
    for stride, unread in ((1, 0), (3, 0), (4, 5)):
        outputs = shapes.output_size(23, 3, stride)
        read = reference.cross_correlate_dx(
            np.ones((1, 1, outputs, outputs)), np.ones((1, 1, 3, 3)), size=(23, 23), stride=(stride, stride)
        )[0, 0]
        assert (read[11] == 0).sum() >= unread
        assert (read == 0).any() == (unread > 0 or (23 - 3) % stride > 0)


# ---------------------------------------------------------------------- flattening and the position of things


def test_flattening_loses_nothing_and_an_mlp_sees_no_order():
    """Pixels in another order, first weights in the same order: every output and every gradient is the same."""
    order = np.random.default_rng(10).permutation(36)
    plain, shuffled = (small([layers.Flatten(), layers.Dense(5), layers.ReLU(), layers.Dense(3)]) for _ in range(2))
    weights = dict(plain.weights)
    shuffled.set_weights({**weights, "dense1.w": weights["dense1.w"][:, order]})
    x, t = normals(11, (4, 1, 6, 6), (4, 3))
    mixed = x.reshape(4, 36)[:, order].reshape(x.shape)
    same(plain.apply(x), shuffled.apply(mixed))
    (_, g), (_, g_mixed) = gradients(plain, x, t), gradients(shuffled, mixed, t)
    first, last = plain.layout["dense1.w"]
    same(g[first:last].reshape(5, 36)[:, order], g_mixed[first:last].reshape(5, 36))
    np.testing.assert_array_equal(x.reshape(4, -1).reshape(x.shape), x)


def test_a_convolution_moves_with_the_image_and_a_dense_layer_does_not():
    """Shift the image and the map is shifted (the edge aside); what is flattened and weighed is another number."""
    x, w = normals(12, (1, 1, 8, 9), (2, 1, 3, 3))
    shifted = np.roll(x, 1, axis=3)
    same(reference.cross_correlate(shifted, w)[..., 1:], reference.cross_correlate(x, w)[..., :-1])
    dense = normals(13, (3, 72))[0]
    other(reference.dense(shifted.reshape(1, -1), dense), reference.dense(x.reshape(1, -1), dense))
    averages = [reference.cross_correlate(each, w, padding=((2, 2), (2, 2))).mean((2, 3)) for each in (x, shifted)]
    assert np.abs(averages[0] - averages[1]).max() < 1e-12  # an average over the whole map is the same
