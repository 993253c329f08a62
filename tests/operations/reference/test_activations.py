"""Activations: slopes at kinks and extreme inputs.

test_oracles.py compares them with ONNX Runtime's operators, and test_gradients.py with finite differences."""

from functools import partial

import numpy as np
import pytest
from numerical import assert_close, frozen
from numpy.testing import assert_array_equal

from chainrule.layers.kinds import EXAMPLES
from chainrule.operations import reference

FAR = [-1e30, -1000.0, -100.0, -20.0, -1.0, -1e-8, 0.0, 1e-8, 1.0, 20.0, 100.0, 1000.0, 1e30]

NAMES = [*EXAMPLES, "softmax", "log_softmax"]


def pair(name):
    """Return the function and its gradient, with the attributes of the layer's first example."""
    attributes = EXAMPLES[name][0].attributes() if name in EXAMPLES else {}
    return [partial(getattr(reference, each), **attributes) for each in (name, f"{name}_dx")]


def kept(name, x):
    return x if name in EXAMPLES and EXAMPLES[name][0].keeps == "x" else frozen(pair(name)[0](x))


# the limits at ±1e30, where they are not 0 and x
LIMITS = {
    "sigmoid": (0, 1),
    "tanh": (-1, 1),
    "arctan": (-np.pi / 2, np.pi / 2),
    "leaky_relu": (-1e28, 1e30),
    "clip": (0, 6),
    "softsign": (-1, 1),
    "exp": (0, np.inf),
    "rescaling": (5e29, -5e29),
    "absolute": (1e30, 1e30),
    "erf": (-1, 1),
    "heaviside": (0, 1),
    "shrink": (-1e30, 1e30),
    "hard_sigmoid": (0, 1),
    "elu": (-0.5, 1e30),
    "selu": (-1.7580993408473766, 1.0507009873554805e30),
}

AT_KINKS = [
    ("clip", [-1, 0, 1e-300, 5.99, 6, 7], [0, 0, 1, 1, 0, 0]),
    ("hard_sigmoid", [-3, -2.9, 2.9, 3], [0, 1 / 6, 1 / 6, 0]),
    ("hard_swish", [-3, -2.7, -1.5, 0, 3], [0, -0.4, 0, 0.5, 1]),
    ("elu", [-np.log(2), -0.0, 0, 1e-300], [0.25, 0.5, 0.5, 1]),
    ("selu", [-np.log(2), -0.0, 1e-300], [0.8790496704236881, 1.7580993408473762, 1.0507009873554805]),
    ("leaky_relu", [-0.0, 0, 1e-300], [0.01, 0.01, 1]),
]


@pytest.mark.parametrize(("name", "x", "slopes"), AT_KINKS)
def test_slopes_at_kinks(name, x, slopes):
    """At a bound, the slope is that of the side that lies beyond it, as in PyTorch."""
    x = frozen([float(value) for value in x])
    assert_close(pair(name)[1](frozen(np.full(len(x), 2.0)), kept(name, x)), 2 * np.array(slopes))


def test_the_derivative_of_relu_at_zero_is_zero():
    y = frozen(reference.relu(frozen([-1.0, -0.0, 0.0, 1e-300])))
    assert_array_equal(y, [0, 0, 0, 1e-300])
    assert_array_equal(reference.relu_dx(frozen([3.0, 3, 3, 3]), y), [0, 0, 0, 3])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXAMPLES)
def test_far_ends_are_finite_and_in_silence(name, dtype):
    """Give no warning (an error here), no NaN, and the limits of function and derivative for the largest inputs."""
    x, dy = frozen(FAR, dtype), frozen(np.full(len(FAR), 3), dtype)
    forward, backward = pair(name)
    y, dx = forward(x), backward(dy, kept(name, x))
    assert y.dtype == dx.dtype == dtype
    low, high = LIMITS.get(name, (0, 1e30))
    assert_close([y[0], y[-1]], [low, high])
    assert_close([dx[0], dx[-1]], [-3 * low / 1e30, 3 * high / 1e30], magnitude=1e-15)
    assert name == "exp" or np.isfinite(y).all()
    assert name == "exp" or np.isfinite(dx).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
def test_small_tails_are_kept(name, dtype):
    x = frozen([-80.0, -40.0], dtype)
    assert_close(getattr(reference, name)(x), np.exp([-80.0, -40.0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_of_large_numbers(dtype):
    x = frozen([[1000.0, 1000, -1000], [-1e30, 0, 1e30], [3, 3, 3]], dtype)
    assert_close(reference.softmax(x), [[0.5, 0.5, 0], [0, 0, 1], [1 / 3] * 3])
    assert reference.softmax(x).dtype == dtype
    assert reference.softmax_dx(x, kept("softmax", x)).dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_nan_passes_through(name):
    x = frozen([[np.nan, 1.0, -1.0]])
    forward, backward = pair(name)
    assert np.isnan(forward(x)[0, 0])
    assert np.isnan(backward(frozen([[np.nan, 1.0, 1.0]]), kept(name, x))[0, 0])
