"""The tutorials' claims about parameters, activations, pooling and learning: proved or counted; verdicts in claims.md.

Claims that only training can judge were tried; the table of results is on that page.
"""

import itertools

import numpy as np
import pytest
from numerical import assert_close, central_difference, frozen, normals
from scipy.signal import convolve2d
from tutorials.comparing import other, same
from tutorials.nets import gradients, small

from chainrule import layers, zoo
from chainrule.layers import Layer
from chainrule.operations import reference

# ---------------------------------------------------------------------- parameters


def test_parameters_of_the_networks():
    """A CNN of 3,898 parameters; one dense layer from the same pixels to ten classes has twice as many."""
    cnn = zoo.find("vanilla-cnn").build(engine="numpy").parameters.size
    assert cnn == 3_898 < 784 * 10 + 10 < zoo.find("mlp").build(engine="numpy").parameters.size
    assert zoo.find("numpy-cnn").build(engine="numpy").parameters.size > 100_000  # not every CNN is small


def test_a_kernel_is_small_whatever_the_image():
    """On "1000 by 1000 image and a 7 by 7 kernel … 49 trainable parameters with 1000000 inputs"."""
    layer = layers.Conv2D(1, 7, bias=False)
    assert [w.shape for w in layer.parameters((1, 1000, 1000), "conv1")] == [(1, 1, 7, 7)]
    assert layers.Conv2D(5, 7, bias=False).parameters((3, 1000, 1000), "conv1")[0].shape[:2] == (5, 3)  # n·m kernels


@pytest.mark.parametrize("K", [3, 5, 11])
def test_larger_kernels_do_not_make_gradients_vanish(K):
    """With Glorot's weights var(dx) = C_out K² · 2/((C_in + C_out) K²) · var(dy): K cancels (inside the image)."""
    C_in, C_out, size = 4, 4, 40
    bound = np.sqrt(6 / ((C_in + C_out) * K**2))
    generator = np.random.default_rng(14)
    w = generator.uniform(-bound, bound, (C_out, C_in, K, K))
    dy = generator.normal(size=(C_out, size, size))
    dx = np.array([sum(convolve2d(dy[o], w[o, c], "valid") for o in range(C_out)) for c in range(C_in)])
    assert_close(dx.var(), C_out * 2 / (C_in + C_out), error=0.35)


# ---------------------------------------------------------------------- activations


def test_linear_layers_in_a_row_are_one():
    x, W1, W2, b1, b2 = normals(15, (3, 4), (5, 4), (2, 5), (5,), (2,))
    twice = reference.dense(reference.dense(x, W1, b1), W2, b2)
    same(twice, reference.dense(x, W2 @ W1, W2 @ b1 + b2))
    other(reference.dense(reference.relu(reference.dense(x, W1, b1)), W2, b2), twice)


def test_what_sigmoid_loses_and_relu_keeps():
    """σ′ ≤ ¼: five sigmoids in a row pass on less than a thousandth; ReLU passes on all or nothing."""
    x = frozen(np.linspace(-6, 6, 201))
    slope = reference.sigmoid_dx(np.ones_like(x), reference.sigmoid(x))
    assert_close(slope.max(), 1 / 4)
    assert slope.max() ** 5 < 1e-3
    assert set(reference.relu_dx(np.ones_like(x), reference.relu(x))) == {0.0, 1.0}


def test_the_zero_of_relu_is_met():
    """The point "can safely be ignored": black pixels and biases of 0 put whole maps exactly there at the start.

    With 1 in place of 0 the gradient of the bias would be another; those of the weights would not (their pixels are 0).
    """
    x = np.zeros((1, 1, 6, 6))
    x[0, 0, 2, 2] = 1.0
    w, dy = normals(16, (2, 1, 3, 3), (1, 2, 4, 4))
    z = reference.cross_correlate(x, w, np.zeros(2))
    assert np.mean(z == 0) > 0.4
    zero_at_zero, one_at_zero = dy * (z > 0), dy * (z >= 0)
    other(reference.bias_gradient(zero_at_zero), reference.bias_gradient(one_at_zero))
    options = {"kernel": (3, 3)}
    same(
        reference.cross_correlate_dw(x, zero_at_zero, **options),
        reference.cross_correlate_dw(x, one_at_zero, **options),
    )
    shifted = reference.cross_correlate(x - x.mean(), w, np.zeros(2))
    assert not (shifted == 0).any()  # standardized pixels, as in the tutorial's code, do not meet it


def test_sigmoids_are_bounded_until_they_round():
    """On "bounded between 0 & 1": in float32 σ(17) is 1, where log(1 − y) is infinite; hence our clipping."""
    s = reference.sigmoid(np.linspace(-15, 15, 31, dtype=np.float32))
    assert ((s > 0) & (s < 1)).all()
    one = reference.sigmoid(np.float32([17.0]))
    assert one == 1
    with np.errstate(divide="ignore"):
        assert np.isinf(np.log(1 - one))
    assert np.isfinite(reference.binary_cross_entropy(one[None], np.zeros((1, 1), np.float32))).all()


def test_binary_cross_entropy_needs_more_than_positive_inputs():
    """On "can't take negative inputs": nor any above 1, nor 0 and 1 where the other is right."""
    with np.errstate(all="ignore"):
        lost = [
            -(t * np.log(np.float64(y)) + (1 - t) * np.log(np.float64(1 - y)))
            for y, t in ((-0.5, 1), (1.5, 0), (0.0, 1), (1.0, 0))
        ]
    assert not np.isfinite(lost).any()


def test_binary_cross_entropy_takes_any_number_of_outputs_and_targets_between():
    """On "only 2 digits": the loss itself takes ten outputs, and targets that are neither 0 nor 1."""
    z, t = normals(17, (2, 10), (2, 10))
    t = reference.sigmoid(t)
    slopes = central_difference(lambda z: reference.binary_cross_entropy(reference.sigmoid(z), t).mean(), z)
    assert_close(slopes, (reference.sigmoid(z) - t) / 10 / 2, error=1e-7)


def test_softmax_with_cross_entropy_collapses():
    """Jᵀ(−y/a) = a − y: all of eq. 34 and 36 in one difference, when the targets add up to 1."""
    z = normals(18, (3, 5))[0]
    a, y = reference.softmax(z), np.eye(5)[[1, 4, 0]]
    through = reference.softmax_dx(reference.categorical_cross_entropy_dp(a, y, batch=1), a)
    same(through, a - y)
    same(reference.softmax_cross_entropy_dp(z, y, batch=1), a - y)
    slopes = central_difference(lambda z: -np.sum(y * np.log(np.exp(z) / np.exp(z).sum(1, keepdims=True))), z)
    assert_close(slopes, a - y, error=1e-8)
    twice = 2 * y
    other(reference.softmax_dx(reference.categorical_cross_entropy_dp(a, twice, batch=1), a), a - twice)


# ---------------------------------------------------------------------- pooling


def test_pooling_makes_less_work_and_less_memory():
    """A pool of 2×2 leaves a quarter of the cells: fewer products in what follows, fewer weights in the dense layer."""

    def cost(pool: list[Layer]) -> tuple[int, int, int]:
        net = small([layers.Conv2D(4, 3), *pool, layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(10)], (1, 28, 28))
        cells = net.shapes[1 + len(pool)]
        return int(np.prod(cells)) * 4 * 9, sum(int(np.prod(shape)) for shape in net.shapes), net.parameters.size

    pooled, whole = cost([layers.MaxPool2D(2)]), cost([])
    assert all(p < w for p, w in zip(pooled, whole, strict=True))
    assert pooled[0] * 4 < whole[0]


def test_kinds_of_pooling():
    """On "typically summing, averaging, or taking the max": all three, and a sum is an average times the cells."""
    x = normals(19, (1, 2, 4, 4))[0]
    y = {kind: small([getattr(layers, f"{kind}Pool2D")(2)], (2, 4, 4)).apply(x) for kind in ("Sum", "Average", "Max")}
    same(y["Sum"], 4 * y["Average"])
    assert (y["Max"] >= y["Average"]).all()


# ---------------------------------------------------------------------- learning


def test_the_gradient_is_the_steepest_way():
    """Of all short steps of one length the one against the gradient lowers the loss most."""
    net = small([layers.Flatten(), layers.Dense(3), layers.Sigmoid()])
    x, t = normals(20, (4, 1, 6, 6), (4, 3))
    loss, g = gradients(net, x, t)
    start = net.parameters.copy()

    def after(direction: np.ndarray) -> float:
        net.parameters[:] = start + 1e-5 * direction / np.linalg.norm(direction)
        return gradients(net, x, t)[0]

    best = after(-g)
    assert best < loss < after(g)
    assert all(best < after(direction) for direction in np.random.default_rng(21).normal(size=(50, g.size)))


def test_a_falling_loss_does_not_prove_the_gradient():
    """On "consistently decreasing, … which means … the negative gradient direction": wrong gradients lower it too.

    Here: no gradient but that of the last bias, and one whose numbers are all multiplied by what they should not be.
    """
    net = small([layers.Conv2D(2, 3), layers.Sigmoid(), layers.Flatten(), layers.Dense(3), layers.Sigmoid()])
    x, t = normals(22, (6, 1, 6, 6))[0], np.eye(3)[[0, 1, 2, 0, 1, 0]]
    first, last = net.layout["dense1.b"]
    bias_only = np.zeros(net.parameters.size)
    bias_only[first:last] = 1
    wrong_scale = np.random.default_rng(23).uniform(0.1, 10, net.parameters.size)
    start = net.parameters.copy()
    for mistake in (bias_only, wrong_scale):
        net.parameters[:] = start
        losses = []
        for _ in range(20):
            loss, g = gradients(net, x, t)
            losses.append(loss)
            net.parameters[:] -= 0.1 * mistake * g
        assert all(after < before for before, after in itertools.pairwise(losses))


def test_a_lower_cost_may_classify_worse():
    """On "the better …, the lower the cost": all outputs at 0.1 cost less than a right answer among bold ones."""
    t = np.eye(10)[[3]]
    plateau = np.full((1, 10), 0.1)
    bold = np.where(t == 1, 0.9, 0.85)
    assert reference.correct(bold, t) == 1 > reference.correct(plateau, t)
    assert reference.half_squared_error(plateau, t) < reference.half_squared_error(bold, t)


def test_a_level_loss_is_no_minimum():
    """On "converges, which suggests … a local minimum": ½(ab − 1)² near a = b = 0 is level, and far from it."""
    p = frozen([1e-4, 1e-4])

    def loss(p: np.ndarray) -> float:
        return 0.5 * (p[0] * p[1] - 1) ** 2

    start = loss(p)
    for _ in range(20):
        p = frozen(reference.sgd_update(p, frozen([(p[0] * p[1] - 1) * p[1], (p[0] * p[1] - 1) * p[0]]), rate=0.1))
    assert start - loss(p) < 1e-6
    assert loss(frozen([1.0, 1.0])) == 0 < loss(p)


def test_samples_of_a_batch_are_independent():
    """On "completely independent": the gradient of a batch is the mean of its samples' (not with batch norm)."""
    x, t = normals(24, (4, 1, 6, 6), (4, 8))

    def halves(parts: list[Layer]) -> tuple[np.ndarray, np.ndarray]:
        net = small([*parts, layers.Flatten(), layers.Dense(8)])
        whole = gradients(net, x, t)[1]
        return whole, (gradients(net, x[:2], t[:2])[1] + gradients(net, x[2:], t[2:])[1]) / 2

    same(*halves([layers.Conv2D(2, 3), layers.Sigmoid(), layers.AveragePool2D(2)]))
    other(*halves([layers.Conv2D(2, 3), layers.BatchNorm2D(), layers.Sigmoid()]))


def test_costs_are_not_negative():
    """On "a real valued non-negative function", for probabilities and one-hot targets; the squared errors for any."""
    z, t = normals(25, (5, 4), (5, 4))
    hot, p = np.eye(4)[[0, 3, 1, 1, 2]], reference.softmax(z)
    for loss, targets in (("half_squared_error", t), ("mean_squared_error", t), ("binary_cross_entropy", hot)):
        assert (getattr(reference, loss)(p, targets) >= 0).all()
    assert (reference.categorical_cross_entropy(p, hot) >= 0).all()
    assert reference.categorical_cross_entropy(p, -hot).min() < 0  # and not for any targets
