"""Optimizers by name, and their options."""

import numpy as np

from chainrule.training import optimizers


def test_numbers_become_pythons_own() -> None:
    """Convert, as a NumPy scalar in float64 would turn float32 parameters into float64."""
    optimizer = optimizers.Adam(learning_rate=np.float64(0.5), beta1=np.float32(0.5), beta2=0.25)
    assert [type(number) for number in (optimizer.learning_rate, optimizer.beta1, optimizer.beta2)] == [float] * 3
    assert (optimizer.learning_rate, optimizer.beta1, optimizer.beta2) == (0.5, 0.5, 0.25)
    assert type(optimizers.SGD(learning_rate=2).learning_rate) is int
