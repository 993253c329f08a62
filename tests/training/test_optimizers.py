"""Optimizers by name, and their options."""

import math

import numpy as np
import pytest

from chainrule.errors import OptionError
from chainrule.training import optimizers

BELOW_ONE = ("momentum", "alpha", "beta1", "beta2")
NOT_ZERO = ("learning_rate", "epsilon")


@pytest.mark.parametrize("name", optimizers.NAMED)
def test_numbers_out_of_range_are_refused(name: str) -> None:
    options = optimizers.find(name).to_config()
    for option in options.keys() - {"name"}:
        wrong = [-0.1, math.nan, math.inf, "fast", None]
        for value in wrong + [1.0] * (option in BELOW_ONE) + [0] * (option in NOT_ZERO):
            with pytest.raises(OptionError, match=f"{option} {value!r}: expected "):
                optimizers.find({"name": name, option: value})
        if option not in NOT_ZERO:
            assert getattr(optimizers.find({"name": name, option: 0}), option) == 0


def test_an_unknown_optimizer_is_named() -> None:
    for unknown in ("lbfgs", {"learning_rate": 0.1}):
        with pytest.raises(OptionError, match=r"unknown optimizer ('lbfgs'|None); known: sgd, momentum, nesterov"):
            optimizers.find(unknown)


def test_numbers_become_pythons_own() -> None:
    """Convert, as a NumPy scalar in float64 would turn float32 parameters into float64."""
    optimizer = optimizers.Adam(learning_rate=np.float64(0.5), beta1=np.float32(0.5), beta2=0.25)
    assert [type(number) for number in (optimizer.learning_rate, optimizer.beta1, optimizer.beta2)] == [float] * 3
    assert (optimizer.learning_rate, optimizer.beta1, optimizer.beta2) == (0.5, 0.5, 0.25)
    assert type(optimizers.SGD(learning_rate=2).learning_rate) is int
