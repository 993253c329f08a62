"""The update rules, two steps by hand."""

from fractions import Fraction
from math import sqrt

import numpy as np
from numerical import frozen

from chainrule.operations.reference.updates import adam_update, momentum_update, rmsprop_update, sgd_update

ADAM = {"rate": 0.1, "beta1": 0.5, "beta2": 0.75, "epsilon": 0.5, "decay": 0.0}


def test_sgd():
    p = sgd_update(frozen([1.0, -2]), frozen([4.0, 8]), rate=0.5)
    np.testing.assert_array_equal(p, [-1, -6])
    np.testing.assert_array_equal(sgd_update(p, frozen([-2.0, 0]), rate=0.25), [-0.5, -6])


def test_momentum_two_steps():
    """v: 0 → 4 → 0.5·4 + 2 = 4;  p: 10 → 10 − 0.5·4 = 8 → 8 − 0.5·4 = 6."""
    options = {"rate": 0.5, "momentum": 0.5, "nesterov": False}
    p, v = momentum_update(frozen([10.0]), frozen([4.0]), frozen([0.0]), **options)
    assert (p.item(), v.item()) == (8, 4)
    p, v = momentum_update(frozen(p), frozen([2.0]), frozen(v), **options)
    assert (p.item(), v.item()) == (6, 4)


def test_nesterov_two_steps():
    """v as before;  p: 10 → 10 − 0.5·(4 + 0.5·4) = 7 → 7 − 0.5·(2 + 0.5·4) = 5."""
    options = {"rate": 0.5, "momentum": 0.5, "nesterov": True}
    p, v = momentum_update(frozen([10.0]), frozen([4.0]), frozen([0.0]), **options)
    assert (p.item(), v.item()) == (7, 4)
    p, v = momentum_update(frozen(p), frozen([2.0]), frozen(v), **options)
    assert (p.item(), v.item()) == (5, 4)


def test_rmsprop_two_steps():
    """α = 0.75, ε = 0.5, μ = 0.5, rate 0.1, from p = 3.
    Step 1, g = 4:  v = 0.25·16 = 4;  u = 4/(2 + 0.5) = 1.6;  p = 3 − 0.16 = 2.84.
    Step 2, g = 2·√6:  v = 0.75·4 + 0.25·24 = 9;  u = 0.8 + 2√6/3.5;  p = 2.84 − 0.1·u.
    """
    options = {"rate": 0.1, "alpha": 0.75, "epsilon": 0.5, "momentum": 0.5}
    p, v, u = rmsprop_update(frozen([3.0]), frozen([4.0]), frozen([0.0]), frozen([0.0]), **options)
    np.testing.assert_allclose([p.item(), v.item(), u.item()], [2.84, 4, 1.6], rtol=1e-15)
    p, v, u = rmsprop_update(frozen(p), frozen([2 * sqrt(6)]), frozen(v), frozen(u), **options)
    speed = 0.8 + 2 * sqrt(6) / 3.5
    np.testing.assert_allclose([p.item(), v.item(), u.item()], [2.84 - 0.1 * speed, 9, speed], rtol=1e-14)


def test_adam_two_steps():
    """Step 1, g = 2:  m = 1, v = 1;  m̂ = 1/0.5 = 2, v̂ = 1/0.25 = 4;  p = 3 − 0.1·2/(2 + 0.5) = 2.92.
    Step 2, g = −1: m = 0, v = 0.75 + 0.25 = 1;  m̂ = 0, so p stays.
    Step 3, g = 4:  m = 2, v = 0.75 + 4 = 4.75;  m̂ = 2/(7/8), v̂ = 4.75/(37/64).
    """
    p, m, v = adam_update(frozen([3.0]), frozen([2.0]), frozen([0.0]), frozen([0.0]), step=1, **ADAM)
    np.testing.assert_allclose([p.item(), m.item(), v.item()], [2.92, 1, 1], rtol=1e-15)
    p, m, v = adam_update(frozen(p), frozen([-1.0]), frozen(m), frozen(v), step=2, **ADAM)
    np.testing.assert_allclose([p.item(), m.item(), v.item()], [2.92, 0, 1], rtol=1e-15)
    p, m, v = adam_update(frozen(p), frozen([4.0]), frozen(m), frozen(v), step=3, **ADAM)
    root = sqrt(Fraction(475, 100) / Fraction(37, 64))
    np.testing.assert_allclose(
        [p.item(), m.item(), v.item()], [2.92 - 0.1 * 16 / 7 / (root + 0.5), 2, 4.75], rtol=1e-14
    )
