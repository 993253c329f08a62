"""Gradient norms at steps taken before the page was opened."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numerical import assert_close
from web.looked_at import completed, finished, opened, run, small, trained_through, until

from chainrule.engines import loader
from chainrule.engines.interpreter import Interpreter
from chainrule.errors import DataError
from chainrule.training.samples import Samples
from chainrule.web import norms, subjects
from chainrule.web.norms import POINTS, evenly_spaced_steps
from chainrule.web.session import Session

NOBODY = threading.Event()
STOP = 12


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run that stops within its second epoch."""
    return run(tmp_path_factory.mktemp("runs") / "run", data, stop=STOP)


@pytest.fixture
def session(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr(norms, "QUIET", 0.0)
    session = opened(subjects.of_path(folder))
    yield session
    session.close()


def surveyed(session: Session) -> dict[str, int]:
    """Keep a page open until all norms are measured."""

    def looked() -> bool:
        session.page_opened()
        state = session.state()["survey"]
        return state["measured"] == state["of"]

    until(looked)
    return session.state()["survey"]


def gradients(data: Path, steps: list[int]) -> dict[int, np.ndarray]:
    """Return the norms at some steps, by the reference loops with the weights of ordinary training."""
    subject = small(data)
    numbers, _ = trained_through(subject)
    model, (training, _) = small(data).model, subject.choice.load(subject.recipe.seed)
    trainer = model.trainer(subject.recipe, Samples.of_dataset(training, 3))
    walk = Interpreter(loader.find("reference"), model.plan(subject.recipe.loss), model.layout, model)
    found = {}
    for step in steps:
        model.parameters[:], model.statistics[:] = numbers[step - 1][:2]
        x, t, _ = trainer.loader.batch(step - 1)
        found[step] = walk.gradients(x, t, seed=subject.recipe.seed, step=step)[2].astype(float)
    return found


def test_norms_of_earlier_steps_are_those_of_their_gradients(session: Session, data: Path) -> None:
    assert session.norms() == {"norms": {"conv1": [], "norm1": [], "dense1": []}, "norm_steps": []}
    assert surveyed(session) == {"measured": STOP, "of": STOP}
    found = session.norms()
    assert found["norm_steps"] == [*range(1, STOP + 1)]
    assert_norms(session, found["norms"], gradients(data, [1, 7, STOP]))


def assert_norms(session: Session, found: dict[str, list[float]], expected: dict[int, np.ndarray]) -> None:
    """Compare the norms of all layers together, and of the last."""
    first, last = session.subject.model.layout["dense1.w"][0], session.subject.model.layout["dense1.b"][1]
    for step, gradient in expected.items():
        total = sum(norms[step - 1] ** 2 for norms in found.values())
        assert_close(total, np.sum(gradient**2), dtype="f4", name=step)
        assert_close(found["dense1"][step - 1], np.linalg.norm(gradient[first:last]), dtype="f4", name=step)


def test_norms_of_a_step_that_the_page_takes(data: Path) -> None:
    session = opened(small(data))
    completed(session, "advance", 1)
    found = session.series(0)
    assert found["norm_steps"] == [1]
    assert_norms(session, found["norms"], gradients(data, [1]))
    session.close()


def test_the_past_of_a_weight_is_that_of_ordinary_training(session: Session, data: Path) -> None:
    surveyed(session)
    expected, _ = trained_through(small(data))
    found = session.past("dense1.w", 5)
    place = session.subject.model.layout["dense1.w"][0] + 5
    assert found["steps"] == [*range(STOP + 1)]
    assert found["values"] == [float(expected[step][0][place]) for step in found["steps"]]
    for at, moment in enumerate(("m", "v")):
        assert found["moments"][moment] == [float(expected[step][2 + at][place]) for step in found["steps"]]
    assert found["gradient_steps"] == [*range(STOP)]  # step s leads from frame s − 1 to frame s
    for step, gradient in gradients(data, [1, 7, STOP]).items():
        assert_close(found["gradients"][step - 1], gradient[place], error=1e-4, name=step)
    assert not found["growing"]
    for name, index in (("dense1.w", 10**6), ("norm1.running_mean", 0)):
        with pytest.raises(DataError):
            session.past(name, index)


def test_it_leaves_keyframes_and_the_run_goes_on_as_ever(session: Session, data: Path, folder: Path) -> None:
    expected, _ = trained_through(small(data))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    surveyed(session)
    timeline = session._running.timeline
    assert [timeline.before(step).step for step in (3, 7, 11)] == [3, 7, 11]
    for step in (3, 7, 11, STOP):
        assert np.array_equal(session.frame(step, NOBODY).parameters, expected[step][0]), step
    finished(session)
    assert np.array_equal(session.frame(None, NOBODY).parameters, expected[27][0])
    steps = session.norms()["norm_steps"]
    assert steps == sorted(set(steps))
    assert steps[:STOP] == [*range(1, STOP + 1)]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_nothing_is_measured_while_nobody_looks_or_something_is_asked(session: Session) -> None:
    time.sleep(0.1)
    assert session.state()["survey"]["measured"] == 0
    with session._running.backfill.paused():
        session.page_opened()
        time.sleep(0.3)
        assert session.state()["survey"]["measured"] == 0
    assert surveyed(session)["measured"] == STOP


def test_training_again_from_the_start_ends_it(session: Session) -> None:
    session.page_opened()
    until(lambda: session.state()["survey"]["measured"] > 0)
    state = session.command("restart")
    assert "survey" not in state
    time.sleep(0.1)
    assert session.norms()["norm_steps"] == []


@pytest.mark.parametrize("steps", [0, 1, 5, 80, 81, 1000, 3676, 10**7])
def test_steps_are_spread_over_the_run(steps: int) -> None:
    chosen = evenly_spaced_steps(steps)
    assert len(chosen) == min(steps, POINTS)
    assert chosen == sorted(set(chosen))
    if steps:
        assert (chosen[0], chosen[-1]) == (1, steps)
        gaps = np.diff([0, *chosen])
        assert gaps.max() <= steps / (POINTS - 1) + 1
