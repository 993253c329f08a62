"""Introduction to a NumPy CNN, errata of sections 3 to 5: code and statements about it."""

import numpy as np
import pytest
from numerical import assert_close, frozen, normals
from tutorials import listings
from tutorials.comparing import other, same

from chainrule import zoo
from chainrule.data import load
from chainrule.data.input_statistics import mean_and_deviation
from chainrule.data.known import find
from chainrule.data.normalization import Normalization
from chainrule.errors import DataError
from chainrule.operations import reference


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


def test_convolution_and_both_backward_functions_take_squares_only():
    """The width is never looked at: of 5×8 the columns beyond the fifth are not read, of 8×5 windows are cut short."""
    wide, filt = normals(2, (1, 5, 8), (1, 1, 3, 3))
    bias = np.zeros((1, 1))
    right = reference.cross_correlate(wide[None], filt)[0]
    other(listings.convolution(wide, filt, bias), right)
    same(listings.convolution(wide[:, :, :5], filt, bias), right[:, :, :3])
    dy = normals(12, right.shape)[0]
    dimage, dfilt, _ = listings.convolution_backward(dy, wide, filt, 1)
    other(dimage, reference.cross_correlate_dx(dy[None], filt, size=(5, 8))[0])
    other(dfilt, reference.cross_correlate_dw(wide[None], dy[None], kernel=(3, 3)))
    assert not dimage[:, :, 5:].any()
    same(dfilt, reference.cross_correlate_dw(wide[None, :, :, :5], dy[None, :, :, :3], kernel=(3, 3)))
    even, dpool = normals(13, (1, 4, 8), (1, 2, 4))
    _, winner = reference.max_pool(even[None], window=(2, 2))
    passed = listings.maxpool_backward(dpool, even, 2, 2)
    other(passed, reference.max_pool_dx(dpool[None], winner, size=(4, 8))[0])
    assert not passed[:, :, 4:].any()
    same(passed[:, :, :4], reference.max_pool_dx(dpool[None], winner, size=(4, 8))[0][:, :, :4])
    tall = [each.transpose(0, 2, 1) for each in (wide, dy, even, dpool)]
    with pytest.raises(ValueError, match="broadcast"):
        listings.convolution(tall[0], filt, bias)
    with pytest.raises((ValueError, IndexError)):
        listings.convolution_backward(tall[1], tall[0], filt, 1)
    with pytest.raises((ValueError, IndexError)):
        listings.maxpool_backward(tall[3], tall[2], 2, 2)


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
        assert_close(moved / rate, -0.5 * np.sign(g), error=2e-5)
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
    assert known.training + known.test != 10_000
    assert (known.training, known.test) == (60_000, 10_000)
    assert zoo.find("numpy-cnn").tutorial_images == 50_000


def test_a_sixteenth_is_another_one_in_every_epoch():
    """They "reduced the training set": the code shuffles all of it in every epoch and takes a sixteenth anew."""
    generator, images = np.random.default_rng(0), np.arange(1_600)
    first, second = (set(generator.permutation(images)[: len(images) // 16]) for _ in range(2))
    assert first != second  # a reduced training set would be the same
    assert len(first | second) > 1.8 * len(first)
    starts = range(0, 50_000 // 16, 32)  # and a little more than a sixteenth: the last batch is whole
    assert len(starts) * 32 == 3_136 > 50_000 // 16


def adam_without_correction(g: float, steps: int, *, rate: float, beta1: float, beta2: float) -> list[float]:
    """Return the steps of Adam with stored, uncorrected moments for a constant gradient."""
    first = second = 0.0
    taken: list[float] = []
    for _ in range(steps):
        first = beta1 * first + (1 - beta1) * g
        second = beta2 * second + (1 - beta2) * g**2
        taken.append(rate * first / (np.sqrt(second) + 1e-8))
    return taken


def test_adam_without_the_number_of_the_step():
    """adamGD is not told which step it is, and so cannot correct its moments, which begin at zero.

    With its β₁ = 0.95, β₂ = 0.99 and a gradient that stays the same, Adam steps by the rate; uncorrected, the steps are
    (1 − β₁ᵗ)/√(1 − β₂ᵗ) of it: 0.50 at first, 1.54 at the 29th, still 1.25 at the hundredth.
    """
    options = {"rate": 0.01, "beta1": 0.95, "beta2": 0.99}
    shares = np.array(adam_without_correction(0.3, 500, **options)) / 0.01
    t = np.arange(1, 501)
    assert_close(shares, (1 - 0.95**t) / np.sqrt(1 - 0.99**t), error=1e-6)
    assert [round(float(shares[at - 1]), 2) for at in (1, 29, 100)] == [0.5, 1.54, 1.25]
    assert shares.argmax() + 1 == 29
    p, m, v = (frozen([0.0]) for _ in range(3))
    for step in range(1, 31):
        before = p[0]
        updated = reference.adam_update(p, frozen([0.3]), m, v, step=step, epsilon=1e-8, decay=0.0, **options)
        p, m, v = (frozen(each) for each in updated)
        assert_close((before - p[0]) / 0.01, 1.0, error=1e-6)
        other(shares[step - 1], 1.0)


def mean_and_deviation_of_mnist() -> tuple[float, float]:
    """Return those of the 50,000 images that its code reads, precomputed where MNIST is unavailable."""
    try:
        training, _ = load("mnist", progress=False)
    except DataError:
        return 33.395, 78.666
    (mean,), (deviation,) = mean_and_deviation(training.x[:50_000])
    return mean, deviation


def test_mean_and_deviation_are_cut_to_whole_numbers():
    """X -= int(np.mean(X)); X /= int(np.std(X)) "standardizes" pixels of 0 … 255 nearly, others not at all.

    MNIST's 50,000 images have mean 33.395 and deviation 78.666, of which 33 and 78 are left: mean 0.005 and deviation
    1.0085. Pixels of 0 … 1 are divided by int(0.3…) = 0; bytes wrap around and cannot be divided in place.
    """
    mean, deviation = mean_and_deviation_of_mnist()
    assert (round(mean, 3), round(deviation, 3)) == (33.395, 78.666)
    left, spread = (mean - int(mean)) / int(deviation), deviation / int(deviation)
    assert (round(left, 3), round(spread, 4)) == (0.005, 1.0085)
    pixels = np.random.default_rng(5).integers(0, 256, 10_000)
    whole = pixels.astype(np.float64)
    exact = (whole - whole.mean()) / whole.std()
    cut = (whole - int(whole.mean())) / int(whole.std())
    other(cut, exact)
    same(Normalization.fit("standardize", pixels.astype(np.uint8)).apply(pixels.astype(np.uint8), np.float64), exact)
    assert abs(cut.std() - 1) < 0.02
    shares = whole / 255
    shares -= int(np.mean(shares))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares /= int(np.std(shares))
    assert not np.isfinite(shares).any()
    stored = pixels.astype(np.uint8)
    stored -= np.uint8(int(np.mean(stored)))
    other(stored.astype(int), pixels - int(pixels.mean()))
    with pytest.raises(TypeError, match="ufunc"):
        stored /= int(np.std(pixels))
