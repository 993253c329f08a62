"""Losses: examples by hand, finite differences, and probabilities of 0 and 1; see test_oracles.py, too."""

import numpy as np
import pytest
import scipy.special as special
from numerical import assert_close, assert_gradient, frozen, normals
from numpy.testing import assert_array_equal

from chainrule.operations import reference

LOSSES = [
    "half_squared_error",
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "softmax_cross_entropy",
    "sigmoid_cross_entropy",
    "sigmoid_focal_cross_entropy",
    "softmax_focal_cross_entropy",
    "binary_focal_cross_entropy",
    "categorical_focal_cross_entropy",
    "dice",
]
every_loss = pytest.mark.parametrize("name", LOSSES)


def pair(name):
    return getattr(reference, name), getattr(reference, f"{name}_dp")


def samples(name, dtype=np.float64):
    """Draw predictions and targets of a kind: values, probabilities, or one-hot rows."""
    x, t = normals(1, (4, 3), (4, 3))
    if "cross_entropy" in name:
        t = special.expit(t) if name.startswith(("binary", "sigmoid")) else np.eye(3)[[2, 0, 1, 2]]
        x = {"b": special.expit, "c": lambda x: special.softmax(x, 1), "s": lambda x: 5 * x}[name[0]](x)
    return frozen(x, dtype), frozen(t, dtype)


def test_absolute_and_huber_losses_by_hand():
    """Draw the line between parabola and line at a difference of exactly 1; the slope is 0 where there is none."""
    p, t = frozen([[1.0, -2, 5], [0, 0.5, 2.5]]), frozen([[0.0, 2, 5], [0, 0, 0]])
    assert_close(reference.mean_absolute_error(p, t), [5 / 3, 1])
    assert_array_equal(reference.mean_absolute_error_dp(p, t, batch=1) * 3, [[1, -1, 0], [0, 1, 1]])
    assert_close(reference.huber(p, t), [(0.5 + 3.5) / 3, (0.125 + 2) / 3])
    assert_close(reference.huber_dp(p, t, batch=1), [[1 / 3, -1 / 3, 0], [0, 0.5 / 3, 1 / 3]])


@pytest.mark.parametrize("name", ["mean_absolute_error", "huber"])
def test_a_difference_that_is_no_number_is_no_number(name):
    p, t = frozen([[np.nan, 1.0], [np.inf, 1.0]]), frozen([[0.0, 0.0], [0.0, 0.0]])
    forward, backward = pair(name)
    assert_array_equal(forward(p, t), [np.nan, np.inf])
    assert_array_equal(backward(p, t, batch=1), [[np.nan, 0.5], [0.5, 0.5]])


@every_loss
def test_gradient_of_the_mean(name):
    p, t = samples(name)
    forward, backward = pair(name)
    assert_gradient(lambda p: forward(p, t).mean(), p, frozen(1.0), backward(p, t))


@pytest.mark.parametrize("name", [*LOSSES[:4], "softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_gradient_for_targets_of_any_numbers(name):
    p, t = normals(2, (3, 4), (3, 4))
    forward, backward = pair(name)
    assert_gradient(lambda p: forward(p, t).mean(), p, frozen(1.0), backward(p, t))


@every_loss
def test_parts_of_a_batch_add_up(name):
    p, t = samples(name)
    backward = pair(name)[1]
    whole = backward(p, t)
    parts = [backward(p[:1], t[:1], batch=4), backward(p[1:], t[1:], batch=4)]
    assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_of_zero_and_one_are_finite(dtype):
    epsilon = float(np.finfo(dtype).eps)
    p, t = frozen([[0.0, 1.0], [1.0, 0.0]], dtype), frozen([[1.0, 0.0], [1.0, 0.0]], dtype)
    lost = -np.log(epsilon)
    assert_close(reference.binary_cross_entropy(p, t), [lost, 0])
    assert_close(reference.categorical_cross_entropy(p, t), [lost, 0])
    binary = reference.binary_cross_entropy_dp(p, t, batch=1)
    assert_close(binary, [[-0.5 / epsilon, 0.5 / epsilon], [-0.5, 0.5]])
    categorical = reference.categorical_cross_entropy_dp(p, t, batch=1)
    assert_close(categorical, [[-1 / epsilon, 0], [-1, 0]])


def test_categorical_keeps_a_probability_of_exactly_one():
    item = frozen([[1.0, 0.0]])
    assert reference.categorical_cross_entropy(item, item).item() == 0
    assert reference.categorical_cross_entropy_dp(item, item)[0, 0] == -1


def test_values_outside_0_and_1_are_clipped():
    p, t = frozen([[1.5, -0.5]]), frozen([[1.0, 0.0]])
    epsilon = float(np.finfo(np.float64).eps)
    assert reference.categorical_cross_entropy(p, t).item() == 0
    assert reference.categorical_cross_entropy_dp(p, t)[0, 0] == -1
    assert_close(reference.binary_cross_entropy(p, t), [0], magnitude=1, error=2 * epsilon)
    assert_close(reference.binary_cross_entropy_dp(p, t), [[-0.5, 0.5]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_cross_entropy_of_large_logits(dtype):
    p = frozen([[1000.0, 0, -1000], [-1e30, 0, 1e30]], dtype)
    t = frozen([[0.0, 1, 0], [0, 0, 1]], dtype)
    assert_close(reference.softmax_cross_entropy(p, t), [1000, 0])
    assert_close(reference.softmax_cross_entropy_dp(p, t, batch=1), [[1, -1, 0], [0, 0, 0]])


def test_correct_labels():
    """Count ½ as yes, and NaN as neither yes nor no."""
    p = frozen([[0.5, 0.49, 0.9], [0.1, 0.2, 0.7], [np.nan, 0.2, 0.7]])
    t = frozen([[1.0, 0, 1], [1, 0, 0], [0, 0, 1]])
    assert_close(reference.correct_labels(p, t), [1, 1 / 3, 2 / 3])


def test_correct_places_nan_as_argmax_does():
    p = frozen([[0.1, np.nan, 0.9], [np.nan, 0.5, np.nan]])
    for place in range(3):
        t = np.eye(3)[[place, place]]
        assert_array_equal(reference.correct(p, t), p.argmax(1) == place)


@every_loss
def test_nan_passes_through(name):
    p, t = samples(name)
    broken = p.copy()
    broken[1, 2] = np.nan
    loss = pair(name)[0](broken, np.ones_like(t))
    assert_array_equal(np.isnan(loss), [False, True, False, False])
    assert np.isnan(pair(name)[1](broken, np.ones_like(t))[1, 2])
