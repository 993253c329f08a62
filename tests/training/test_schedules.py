"""Schedules against their definitions; PyTorch's are in tests/parity."""

import numpy as np
import pytest
from numerical import assert_close

from chainrule.training import schedules


def factors(schedule: schedules.Schedule, steps: int, epoch_steps: int) -> list[float]:
    return [schedule.factor(step, steps, epoch_steps) for step in range(steps)]


def test_one_cycle_where_pytorch_divides_by_zero() -> None:
    """Reach the top at step 0, where the rise ends."""
    actual = factors(schedules.OneCycle(warm=0.25), 4, 4)
    assert actual[0] == 1.0
    assert_close(actual[-1], 1 / (25 * 1e4))
    assert actual == sorted(actual, reverse=True)


@pytest.mark.parametrize("steps", [1, 2, 7, 40])
def test_warm_up_and_triangular_are_piecewise_linear(steps: int) -> None:
    """Interpolate between the corners, as the record's code does but for rounding the peak to a step."""
    actual = factors(schedules.Triangular(0.2, 0.25, 0.07), steps, steps)
    assert_close(actual, np.interp(range(steps), [0, 0.25 * steps, steps], [0.2, 1, 0.07]))
    warm = 0.4 * steps
    assert_close(factors(schedules.WarmUp(0.4), steps, steps), np.interp(range(steps), [-1, warm - 1], [0, 1]))
