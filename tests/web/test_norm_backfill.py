"""Gradient norms at steps taken before the page was opened."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from web.looked_at import assert_steps, completed, finished, opened, run, small, trained_through, until

from chainrule.engines import loader
from chainrule.engines.interpreter import Interpreter
from chainrule.errors import DataError
from chainrule.web import norms, subjects
from chainrule.web.norms import POINTS, Gradients, evenly_spaced_steps
from chainrule.web.session import Session

STOP = 12


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run that stops within its second epoch."""
    return run(tmp_path_factory.mktemp("runs") / "run", data, stop=STOP)


@pytest.fixture
def session(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(norms, "QUIET", 0.0)
    return opened(subjects.of_path(folder))


def surveyed(session: Session) -> dict[str, int]:
    """Keep a page open until all norms are measured."""

    def looked() -> bool:
        session.page_opened()
        state = session.state()["survey"]
        return state["measured"] == state["of"]

    until(looked)
    return session.state()["survey"]


def gradients(data: Path, *steps: int) -> dict[int, np.ndarray]:
    """Return the gradients of some steps, by the reference loops with the weights of ordinary training."""
    subject = small(data)
    numbers, trainer = trained_through(subject)
    model, recipe = subject.model, subject.recipe
    walk = Interpreter(loader.find("reference"), model.plan(recipe.loss), model.layout, model)
    values: dict[int, np.ndarray] = {}
    for step in steps:
        model.parameters[:], model.statistics[:] = numbers[step - 1][:2]
        x, t, _ = trainer.loader.batch(step - 1)
        values[step] = walk.gradients(x, t, seed=recipe.seed, step=step)[2].astype(float)
    return values


def assert_norms(session: Session, series: dict[str, Any], expected: dict[int, np.ndarray]) -> None:
    """Compare the norms of all layers together, and of the last."""
    layout, layers = session.subject.model.layout, series["norms"]
    last = slice(layout["dense1.w"][0], layout["dense1.b"][1])
    for step, gradient in expected.items():
        assert_close(sum(each[step - 1] ** 2 for each in layers.values()), np.sum(gradient**2), dtype="f4", name=step)
        assert_close(layers["dense1"][step - 1], np.linalg.norm(gradient[last]), dtype="f4", name=step)


def test_norms_are_those_of_the_gradients_of_training(session: Session, data: Path) -> None:
    """Norms of steps before the page was opened, and of a step that the page takes."""
    assert session.norms() == {"norms": {"conv1": [], "norm1": [], "dense1": []}, "norm_steps": []}
    assert surveyed(session) == {"measured": STOP, "of": STOP}
    assert session.norms()["norm_steps"] == [*range(1, STOP + 1)]
    assert_norms(session, session.norms(), gradients(data, 1, 7, STOP))
    other = opened(small(data))
    completed(other, "advance", 1)
    assert other.series(0)["norm_steps"] == [1]
    assert_norms(other, other.series(0), gradients(data, 1))


def test_the_past_of_a_weight_is_that_of_ordinary_training(session: Session, data: Path) -> None:
    surveyed(session)
    expected, _ = trained_through(small(data))
    past = session.past("dense1.w", 5)
    place = session.subject.model.layout["dense1.w"][0] + 5
    assert past["steps"] == [*range(STOP + 1)]
    values = (past["values"], past["moments"]["m"], past["moments"]["v"])
    for buffer, series in zip((0, 2, 3), values, strict=True):
        assert series == [float(expected[step][buffer][place]) for step in past["steps"]]
    assert past["gradient_steps"] == [*range(STOP)]  # step s leads from frame s − 1 to frame s
    for step, gradient in gradients(data, 1, 7, STOP).items():
        assert_close(past["gradients"][step - 1], gradient[place], error=1e-4, name=step)
    assert not past["growing"]
    for name, index in (("dense1.w", 10**6), ("norm1.running_mean", 0)):
        with pytest.raises(DataError):
            session.past(name, index)


def test_measuring_leaves_training_and_the_run_as_they_were(session: Session, data: Path, folder: Path) -> None:
    expected, _ = trained_through(small(data))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    surveyed(session)
    finished(session)
    assert_steps(session, expected, 3, 11, STOP, 27)
    assert session.norms()["norm_steps"][:STOP] == [*range(1, STOP + 1)]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_nothing_is_measured_unless_a_page_is_open_and_idle(session: Session) -> None:
    time.sleep(0.1)
    assert session.state()["survey"]["measured"] == 0
    with session._running.backfill.paused():
        session.page_opened()
        time.sleep(0.3)
        assert session.state()["survey"]["measured"] == 0
    assert surveyed(session)["measured"] == STOP


def test_a_restart_ends_measuring(session: Session) -> None:
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


def test_gradients_stay_in_order_and_within_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(4)
    every = random.normal(size=(300, 1000)).astype("f4")
    monkeypatch.setattr(norms, "MEMORY", 40 * every[0].nbytes)
    kept = Gradients()
    for step in random.permutation(300).tolist():
        kept.keep(step, every[step])
        if step in kept.of(0)[0]:
            kept.keep(step, every[0])  # it is known
        assert len(kept.of(0)[0]) <= 40
    steps, values = kept.of(7)
    assert len(steps) >= 20
    assert steps == sorted(set(steps))
    assert values == [float(every[step, 7]) for step in steps]
    kept.clear()
    assert kept.of(7) == ([], [])
