"""Introduction to a NumPy CNN, errata of sections 3 to 5: code and statements about it."""

import numpy as np
import pytest
from numerical import frozen, normals
from tutorials import listings
from tutorials.comparing import other, same

from chainrule import reference, zoo
from chainrule.data.catalogue import find


def test_the_two_convolutions_are_not_identical():
    """Not "two identical convolutional layers": 8 kernels on one channel, and 8 on eight."""
    model = zoo.find("numpy-cnn").build(engine="numpy")
    assert model.size("conv1") != model.size("conv2")
    assert (model.size("conv1"), model.size("conv2")) == (8 * 1 * 25 + 8, 8 * 8 * 25 + 8)


def test_convolution_as_it_is_indented():
    """With both steps in the inner loop it runs down the diagonal and leaves the rest zero."""
    image, filt, bias = normals(1, (2, 7, 7), (3, 2, 3, 3), (3, 1))
    right = reference.cross_correlate(image[None], filt, bias[:, 0])[0]
    printed = listings.convolution(image, filt, bias, as_indented=True)
    other(printed, right)
    assert not printed[:, ~np.eye(5, dtype=bool)].any()
    same(listings.convolution(image, filt, bias), right)


def test_convolution_takes_squares_only():
    """The width is never looked at: of 5×8 the columns beyond the fifth are not read, of 8×5 windows are cut short."""
    wide, filt = normals(2, (1, 5, 8), (1, 1, 3, 3))
    bias = np.zeros((1, 1))
    right = reference.cross_correlate(wide[None], filt)[0]
    other(listings.convolution(wide, filt, bias), right)
    same(listings.convolution(wide[:, :, :5], filt, bias), right[:, :, :3])
    with pytest.raises(ValueError, match="broadcast"):
        listings.convolution(wide.transpose(0, 2, 1), filt, bias)


def test_maxpool_backward_forgets_a_window():
    """dout[…] = dpool[…]: where windows overlap, the last one wins; += is right, and the same for f = s."""
    image, dpool = normals(3, (1, 5, 5), (1, 3, 3))
    options = {"window": (3, 3), "stride": (1, 1)}
    _, winner = reference.max_pool(image[None], **options)
    right = reference.max_pool_dx(dpool[None], winner, size=(5, 5))[0]
    other(listings.maxpool_backward(dpool, image, 3, 1), right)
    same(listings.maxpool_backward(dpool, image, 3, 1, add=True), right)


def test_adam_without_a_memory():
    """adamGD neither takes nor returns moments: they begin at zero in every batch.

    What is left is a step of rate·(1 − β₁)/√(1 − β₂)·sign(g), half the rate for its β₁ = 0.95, β₂ = 0.99 (the whole
    rate if corrected for bias), however small the gradient; Adam's own moments remember.
    """
    beta1, beta2, rate, epsilon = 0.95, 0.99, 0.01, 1e-8
    options = {"rate": rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "decay": 0.0}
    forgetful, p, m, v = 0.0, frozen([0.0]), frozen([0.0]), frozen([0.0])
    for step, g in enumerate([1.0, -0.9, 1.1, -1.0, 0.05], start=1):
        first, second = (1 - beta1) * g, (1 - beta2) * g**2
        moved = -rate * first / (np.sqrt(second) + epsilon)
        assert moved / rate == pytest.approx(-0.5 * np.sign(g), abs=1e-5)
        forgetful += moved
        p, m, v = (frozen(each) for each in reference.adam_update(p, frozen([g]), m, v, step=step, **options))
    other(forgetful, p[0])
    same(m[0], sum((1 - beta1) * beta1 ** (4 - at) * g for at, g in enumerate([1.0, -0.9, 1.1, -1.0, 0.05])))


def test_adam_gd_as_it_is_printed_changes_nothing():
    """No lines stand under "initialize gradients" and "Parameter Update": df1 is not there to be added to."""
    params = [np.ones(2)]

    def printed(params: list[np.ndarray], grads: list[np.ndarray]) -> list[np.ndarray]:
        (f1,) = params
        for _ in grads:
            pass  # df1 += df1_
        return [f1]

    with pytest.raises(NameError):
        exec("df1 += 1", {})
    other(printed(params, [np.ones(2)])[0], reference.sgd_update(params[0], np.ones(2), rate=0.1))
    same(printed(params, [np.ones(2)])[0], params[0])


def test_gradients_after_the_loop():
    """As indented, df1 += df1_ comes after the loop over the batch and sees its last image alone."""
    gradients = normals(4, (5, 3))[0]
    total, as_indented = np.zeros(3), np.zeros(3)
    for g in gradients:
        total += g
    as_indented += g
    other(as_indented, total)
    same(total, gradients.sum(0))


def test_mnist_is_not_ten_thousand_images():
    """MNIST "is in fact 10.000 labeled images": 60,000 and 10,000; its code reads 50,000."""
    known = find("mnist")
    assert known.train + known.test != 10_000
    assert (known.train, known.test) == (60_000, 10_000)
    assert zoo.find("numpy-cnn").tutorial_images == 50_000


def test_a_sixteenth_is_another_one_in_every_epoch():
    """They "reduced the training set": the code shuffles all of it in every epoch and takes a sixteenth anew."""
    generator, images = np.random.default_rng(0), np.arange(1_600)
    first, second = (set(generator.permutation(images)[: len(images) // 16]) for _ in range(2))
    assert first != second  # a reduced training set would be the same
    assert len(first | second) > 1.8 * len(first)
    starts = range(0, 50_000 // 16, 32)  # and a little more than a sixteenth: the last batch is whole
    assert len(starts) * 32 == 3_136 > 50_000 // 16
