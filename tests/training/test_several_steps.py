"""Several training steps in one call of a compiled program: the same results as step by step."""

from typing import Any

import numpy as np
import pytest
from training.test_loop import COUNT, make, network, recipe, samples

import chainrule as cr
from chainrule.data.normalization import Normalization
from chainrule.engines.compiled import programs
from chainrule.errors import NotFiniteError
from chainrule.training import optimizers
from chainrule.training.loop import train
from chainrule.training.optimizers import SGD
from chainrule.training.schedules import OneCycle
from chainrule.training.steps.gradients import Outcome
from chainrule.training.trainer import Callback, Trainer


class Told(Callback):
    """Notes what it is told of, and the state of the network where that is as after the step.

    each_step   whether it is told of each step before the next one
    """

    def __init__(self, *, each_step: bool) -> None:
        self.each_step = each_step
        self.outcomes: list[Any] = []
        self.ahead: list[int] = []
        self.states: dict[int, list[bytes]] = {}

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        step = len(trainer.history)
        self.outcomes.append((step, samples, *outcome))
        self.ahead.append(trainer.ahead)
        if not trainer.ahead:
            self.states[step] = state_of(trainer)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have steps taken at once however long they take."""
    monkeypatch.setattr(programs, "STEP_LIMITS", programs.STEP_LIMITS._replace(seconds=None))


def state_of(trainer: Trainer) -> list[bytes]:
    network = trainer.network
    return [array.tobytes() for array in (network.parameters, network.statistics, *trainer.moments)]


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("number", range(16))
def test_steps_taken_at_once_are_those_taken_one_by_one(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(number)
    most = int(draw.integers(2, 9))
    monkeypatch.setattr(programs, "STEP_LIMITS", programs.STEP_LIMITS._replace(steps=most))
    chosen = recipe(
        batch_size=int(draw.integers(1, 8)),
        optimizer=(SGD(0.05), optimizers.Adam(0.01), optimizers.Nesterov(0.02), optimizers.RMSProp(0.001))[number % 4],
        schedule=OneCycle() if draw.integers(2) else None,
        clip_norm=0.3 if draw.integers(2) else None,
        class_weight={0: 2.0} if draw.integers(2) else None,
    )
    single, several = Told(each_step=True), Told(each_step=False)
    slow, other = (make(chosen, engine="compiled") for _ in range(2))
    train(slow, [single])
    train(other, [several])
    assert several.outcomes == single.outcomes
    assert (slow.history.rates, slow.history.losses) == (other.history.rates, other.history.losses)
    assert set(single.ahead) == {0}
    assert max(several.ahead) == min(most, COUNT // chosen.batch_size) - 1
    assert several.states == {step: single.states[step] for step in several.states}
    assert not other.ahead
    assert state_of(other) == state_of(slow)


def test_a_training_looks_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    most: list[int] = []
    for seconds in (1e-9, 60.0):
        monkeypatch.setattr(programs, "STEP_LIMITS", programs.STEP_LIMITS._replace(seconds=seconds))
        trainer, told = make(recipe(batch_size=1), engine="compiled"), Told(each_step=False)
        train(trainer, [told])
        assert told.ahead[0] == 0  # of the first step nobody knows how long it takes
        most.append(max(told.ahead))
    assert most[0] == 0
    assert most[1] > 1


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("bad", range(0, COUNT, 4))
def test_a_step_that_is_not_finite_ends_a_training_after_those_before_it(bad: int) -> None:
    """Steps taken at once end before the one whose image is not finite, as if they had been taken one by one."""
    data, states = samples(), []
    data.x[cr.data.order(COUNT, 4, 0)[bad], 0, 2, 2] = np.inf
    for each_step in (True, False):
        chosen, told = recipe(batch_size=1, optimizer=optimizers.Adam()), Told(each_step=each_step)
        trainer = Trainer(network("compiled"), chosen, data, Normalization("none"))
        with pytest.raises(NotFiniteError, match=f"step {bad + 1}: the input is not finite"):
            train(trainer, [told])
        assert [outcome[0] for outcome in told.outcomes] == list(range(1, bad + 1))
        assert len(trainer.history) == bad
        states.append(state_of(trainer))
    assert states[0] == states[1]
