"""The page's session: any step to the same bits, observable training, and failures."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from web.looked_at import NOBODY, RECIPE, assert_steps, completed, finished, opened, small, trained_through, until

from chainrule.errors import OptionError
from chainrule.training.optimizers import SGD, Momentum
from chainrule.training.schedules import Cosine, OneCycle, Schedule, Step, Triangular, WarmUp
from chainrule.web.frames import Frame, Timeline, early_step
from chainrule.web.replaying import Cancelled
from chainrule.web.session import Session


def forget(session: Session) -> None:
    """Forget all frames but the first, so that steps must be replayed."""
    timeline = session._running.timeline
    timeline.forget(session.frame(0, NOBODY))
    timeline._kept.clear()
    timeline.spacing = 4


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("optimizer", [RECIPE.optimizer, Momentum(0.1)], ids=["adam", "momentum"])
def test_any_step_comes_back_to_the_bit(data: Path, engine: str, optimizer: object) -> None:
    subject = small(data, engine, replace(RECIPE, optimizer=optimizer))
    expected, trainer = trained_through(subject)
    session = opened(subject)
    state = finished(session)
    assert (state["step"], state["steps"], state["epochSteps"]) == (27, 27, 9)
    forget(session)
    assert_steps(session, expected, 26, 3, 9, 10, 25, 1, 18, 0, 27)
    assert [session.frame(step, NOBODY).rate for step in range(27)] == list(trainer.history.rates)
    assert session.series(0)["loss"] == list(trainer.history.losses)
    assert session.series(20)["accuracy"] == list(trainer.history.measures)[20:]
    assert session.series(20)["first"] == 21


def test_replaying_does_not_disturb_training(data: Path) -> None:
    subject = small(data, recipe=replace(RECIPE, epochs=12))
    expected, _ = trained_through(subject)
    session = opened(subject)
    session._running.timeline.most = 2
    session.command("start")
    wrong: list[int] = []

    def scrub(seed: int) -> None:
        generator = np.random.default_rng(seed)
        while session.state()["running"]:
            newest = session.frame(None, NOBODY)
            for frame in (newest, session.frame(int(generator.integers(0, newest.step + 1)), NOBODY)):
                if not np.array_equal(frame.parameters, expected[frame.step][0]):
                    wrong.append(frame.step)

    threads = [threading.Thread(target=scrub, args=[seed]) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert session.frame(None, NOBODY).step == session.state()["step"] == 108
    assert wrong == []
    assert_steps(session, expected, 108)


def test_steps_and_epochs_are_taken_again_after_a_restart(session: Session) -> None:
    expected, _ = trained_through(session.subject)
    assert completed(session, "advance", 4)["step"] == 4
    assert completed(session, "epoch")["step"] == 9
    assert completed(session, "epoch")["step"] == 18
    assert session.command("restart")["step"] == 0
    assert session.series(0)["loss"] == []
    completed(session, "advance", 4)
    assert_steps(session, expected, 0, 4)


def test_training_is_paused_and_restarted_while_it_runs(data: Path) -> None:
    session = opened(small(data, recipe=replace(RECIPE, epochs=1000)))
    for _ in range(5):
        session.command("start")
        before = session.state()["step"]
        until(lambda before=before: session.state()["step"] > before + 3)
        paused = session.command("pause")
        assert not paused["running"]
        assert session.state()["step"] == paused["step"]
        session.command("start")
        assert session.command("restart")["step"] == 0
        assert not session.state()["running"]


def test_a_rate_that_is_too_large_stops_training_with_a_message(data: Path) -> None:
    session = opened(small(data, recipe=replace(RECIPE, optimizer=SGD(1e30))))
    state = finished(session)
    assert "not finite" in state["message"]
    assert state["step"] < 27
    assert session.command("restart")["message"] is None


def test_a_replay_nobody_waits_for_ends(session: Session) -> None:
    finished(session)
    forget(session)
    given_up = threading.Event()
    given_up.set()
    with pytest.raises(Cancelled):
        session.frame(20, given_up)
    assert session.frame(20, NOBODY).step == 20


def test_keyframes_are_bounded_and_spread() -> None:
    def frame(step: int) -> Frame:
        return Frame(step, 0.1, np.full(4, step, np.float32), np.zeros(0, np.float32), ())

    timeline = Timeline([frame(0), frame(777)], most=16)
    for step in range(1, 5000):
        if timeline.wants(step):
            timeline.keep(frame(step))
        assert len(timeline) <= 18
    assert timeline.spacing == 512
    for step in (0, 1, 511, 512, 776, 777, 778, 4999):
        known = timeline.before(step)
        assert step - known.step < 512
        assert known.parameters[0] == known.step
    assert timeline.before(800).step == 777


def test_without_data_the_network_is_shown_but_not_trained(tmp_path: Path) -> None:
    session = opened(small(tmp_path / "missing.npz"))
    assert "missing.npz" in session.state()["message"]
    assert len(session.sample_images().x) == 0
    assert session.frame(None, NOBODY).step == 0
    with pytest.raises(OptionError, match=r"missing\.npz"):
        session.command("start")


def test_the_page_opens_where_the_loss_begins_to_fall() -> None:
    """A loss that never falls leaves it at a fixed step."""
    for falls in (8, 30, 120):
        assert falls < early_step([2.3] * falls + [0.5] * 500) <= falls + 5
    assert [early_step([2.3] * 9), early_step([2.3] * 1000), early_step([float("nan")] * 1000)] == [None, 10, 10]


@pytest.mark.parametrize(
    "schedule", [OneCycle(), Cosine(), Triangular(), Step(1), WarmUp(), Schedule()], ids=lambda each: each.name
)
def test_a_step_after_the_end_is_one_that_can_be_seen(data: Path, schedule: Schedule) -> None:
    """Its rate is at least a hundredth of the largest, and the page says it before the step is taken."""
    session = opened(small(data, recipe=replace(RECIPE, schedule=schedule)))
    end = int(str(finished(session)["step"]))
    most = max(session.frame(step, NOBODY).rate for step in range(end))
    said = session.frame(end, NOBODY).rate
    completed(session, "advance", 2)
    assert most >= session.frame(end + 1, NOBODY).rate >= most / 100
    assert session._running.trainer.history.rates[end] == said
