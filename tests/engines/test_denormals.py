"""Programs treat denormal floats as 0 in all their threads, and restore the mode of the calling thread."""

import numpy as np
import pytest

from chainrule import Dense, Sequential, Softmax
from chainrule.engines.native import programs
from chainrule.engines.native.build import IS_X86

pytestmark = pytest.mark.skipif(not IS_X86, reason="denormal floats cost nothing here")


def are_kept() -> bool:
    """Return whether the arithmetic of this thread has denormal floats."""
    return bool(np.float32(1e-38) * np.float32(0.1) != 0 != np.float64(1e-308) * np.float64(0.1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_moments_that_shrink_become_zero(dtype: str, threads: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    count = int(draw.integers(programs.MIN_THREADED_UPDATE, 3 * programs.MIN_THREADED_UPDATE))
    limits = np.finfo(dtype)
    sizes = draw.uniform(-3, 3, count)
    moment = (limits.tiny * 10.0**sizes * draw.choice([-1, 1], count)).astype(dtype)
    p, g = draw.standard_normal(count).astype(dtype), np.zeros(count, dtype)
    attributes = {"rate": 0.01, "momentum": 0.5, "nesterov": False, "decay": 0.0}
    expected = np.where(np.abs(moment) < limits.tiny, 0, moment * moment.dtype.type(0.5))
    expected[np.abs(expected) < limits.tiny] = 0
    programs.update("momentum_update", p, g, (moment,), attributes, threads)
    np.testing.assert_array_equal(moment, expected)
    assert (expected == 0).any()
    assert (expected != 0).any()
    assert are_kept()


def test_training_leaves_the_arithmetic_of_python_as_it_was() -> None:
    x = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    model = Sequential([Dense(64), Dense(2), Softmax()], (8,), engine="compiled")
    model.fit(x, x[:, 0] > 0, epochs=2, progress=False)
    model.predict(x)
    assert are_kept()
