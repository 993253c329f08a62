"""Batches computed in parts, and averages of the weights."""

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.made import network_of_vectors, vectors

import chainrule as cr
from chainrule.errors import NotFiniteError
from chainrule.training.steps.stepper import Stepper

LOSS = "softmax_cross_entropy"
RANDOM = cr.BatchNorm2D(), cr.Dropout(0.4)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_a_part_has_its_own_statistics_and_its_own_random_numbers(engine: str) -> None:
    """Expect what three plans of their own give for the parts of 3, 4 and 4 samples, at the steps 4, 5 and 6."""
    x, t, _ = vectors(1, 11)
    made, twin = (network_of_vectors(*RANDOM, engine=engine) for _ in range(2))
    before = made.parameters.copy()
    outcome = Stepper(made, cr.SGD(0.1), LOSS, parts=3).step(x, t, step=2, rate=1.0, seed=7)
    expected, total, compiled = 0.0, 0.0, twin.compile(twin.plan(LOSS))
    for number, part in enumerate((slice(0, 3), slice(3, 7), slice(7, 11))):
        losses, _, gradient = compiled.gradients(x[part], t[part], seed=7, step=4 + number)
        compiled.commit_statistics()
        expected, total = expected + gradient * (len(losses) / 11), total + losses.sum()
    assert_close(before - made.parameters, expected)
    assert_close(made.statistics, twin.statistics)
    assert_close(outcome.loss, total / 11, dtype=float)


def test_a_later_part_that_is_not_finite_changes_nothing() -> None:
    x, t, _ = vectors(1, 9)
    x[8] = np.inf
    made = network_of_vectors(*RANDOM)
    before = made.parameters.copy(), made.statistics.copy()
    with pytest.raises(NotFiniteError, match="the input is not finite"):
        Stepper(made, cr.Adam(), LOSS, parts=3).step(x, t, step=1, rate=0.1)
    assert_array_equal(made.parameters, before[0])
    assert_array_equal(made.statistics, before[1])
