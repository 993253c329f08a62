"""Schedules against their definitions; PyTorch's are in tests/parity."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close

from chainrule.errors import OptionError
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


FRACTIONS = st.floats(0.05, 0.95)
COUNTS = st.integers(1, 40)


def arc(start: float, end: float, fraction: float) -> float:
    """Interpolate by the square of a sine, which is the half cosine of the schedules."""
    return start + (end - start) * math.sin(math.pi / 2 * fraction) ** 2


@given(steps=COUNTS, share=FRACTIONS, divisor=st.floats(1, 30), final=st.floats(1, 1e4))
def test_one_cycle_rises_and_falls_along_two_arcs(steps: int, share: float, divisor: float, final: float) -> None:
    top, last = share * steps - 1, steps - 1
    expected = list[float]()
    for step in range(steps):
        if top > 0 and step <= top:
            expected.append(arc(1 / divisor, 1, step / top))
        elif step >= last > top:
            expected.append(1 / (divisor * final))
        else:
            expected.append(arc(1, 1 / (divisor * final), (step - top) / (last - top)))
    assert_close(factors(schedules.OneCycle(share, divisor, final), steps, steps), expected)


@given(steps=COUNTS, epoch_steps=st.integers(1, 6), epochs=st.integers(1, 4), gamma=FRACTIONS)
def test_steps_and_cosines(steps: int, epoch_steps: int, epochs: int, gamma: float) -> None:
    """Multiply by γ where a group of epochs begins; a square of a cosine has half the angle."""
    factor, expected = 1.0, list[float]()
    for step in range(steps):
        if step and step % (epoch_steps * epochs) == 0:
            factor *= gamma
        expected.append(factor)
    assert_close(factors(schedules.Step(epochs, gamma), steps, epoch_steps), expected)
    angles = np.pi / 2 * np.arange(steps) / steps
    assert_close(factors(schedules.Cosine(), steps, epoch_steps), np.cos(angles) ** 2, magnitude=1)
    assert factors(schedules.Constant(), steps, epoch_steps) == [1.0] * steps


@given(better=st.lists(st.booleans(), max_size=30), patience=st.integers(0, 4), gamma=FRACTIONS)
def test_a_plateau_counts_from_zero_after_every_reduction(better: list[bool], patience: int, gamma: float) -> None:
    """A run of n epochs that are not better reduces the rate ⌊n / (patience + 1)⌋ times."""
    runs = "".join("+" if is_better else "-" for is_better in better).split("+")
    reductions = sum(len(run) // (patience + 1) for run in runs)
    schedule = schedules.Plateau(gamma, patience).after(lambda: better)
    assert_close(schedule.factor(0, 1, 1), gamma**reductions)
    assert schedule.after(list[bool]) == schedules.Plateau(gamma, patience)


DRAWN = st.one_of(
    st.just(schedules.Constant()),
    st.just(schedules.Cosine()),
    st.builds(schedules.Step, st.integers(1, 4), FRACTIONS),
    st.builds(schedules.Plateau, FRACTIONS, st.integers(0, 5), st.integers(0, 3)),
    st.builds(schedules.OneCycle, FRACTIONS, st.floats(1, 30), st.floats(1, 1e4)),
    st.builds(schedules.WarmUp, FRACTIONS),
    st.builds(schedules.Triangular, FRACTIONS, FRACTIONS, FRACTIONS),
)


@given(schedule=DRAWN, epoch_steps=st.integers(1, 5), lengths=st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_an_extended_run_keeps_the_past_and_starts_a_cycle(
    schedule: schedules.Schedule, epoch_steps: int, lengths: list[int]
) -> None:
    """Each extension leaves the factors so far; the steps that it adds are those of a run of their number alone.

    What depends on the epoch alone, or on results, goes on as if the run had been planned so long.
    """
    goes_on = isinstance(schedule, schedules.Step | schedules.Plateau) or type(schedule) is schedules.Schedule
    expected, extended, epochs = factors(schedule, lengths[0] * epoch_steps, epoch_steps), schedule, lengths[0]
    for length in lengths[1:]:
        extended = extended.extended(len(expected), epochs)
        epochs += length
        expected += factors(schedule, length * epoch_steps, epoch_steps)
        if goes_on:
            assert extended == schedule
            expected = factors(schedule, epochs * epoch_steps, epoch_steps)
        actual = factors(extended, epochs * epoch_steps, epoch_steps)
        assert actual == expected
        stored = json.loads(json.dumps(extended.to_config()))
        assert schedules.find(stored) == extended
        assert schedules.find(extended) == extended
    assert isinstance(schedules.Restarted(extended, 1, 1).first, type(schedule))


@given(schedule=DRAWN)
def test_a_schedule_as_text_is_the_same(schedule: schedules.Schedule) -> None:
    config = schedule.to_config()
    text = ",".join([config.pop("name"), *(f"{name}={value!r}" for name, value in config.items())])
    assert schedules.find(text) == schedule
    assert schedules.find(None) == schedules.Constant()


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, math.nan])
def test_a_warm_up_of_no_step_or_of_more_than_all_is_refused(share: float) -> None:
    with pytest.raises(OptionError):
        schedules.WarmUp(share)
    assert factors(schedules.WarmUp(1.0), 4, 4) == [0.25, 0.5, 0.75, 1.0]


class Halving:
    """An object with the method of a schedule."""

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        return 0.5 ** (step // epoch_steps)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.5, "fast", None])
def test_custom_schedules_return_numbers_of_at_least_0(value: Any) -> None:
    halving = schedules.find(Halving())
    assert factors(halving, 6, 2) == factors(schedules.Step(1, 0.5), 6, 2)
    assert factors(schedules.find(lambda step: 0), 3, 1) == [0.0] * 3
    name = halving.to_config()["name"]
    assert "Halving" in name
    with pytest.raises(OptionError, match="Halving"):
        schedules.find(halving.to_config()).factor(0, 6, 2)
    with pytest.raises(OptionError, match="expected a number"):
        schedules.find(lambda step: value).factor(0, 1, 1)
    for other in (Halving, 3):
        with pytest.raises(OptionError, match="expected a name"):
            schedules.find(other)
