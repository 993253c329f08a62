"""Subjects for tests of the page: small networks with small data, and waiting functions."""

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs.run_driver import Halt

from chainrule.core.plan import gradient_name
from chainrule.data.augmentation import Augmentation
from chainrule.explain import NextStep, Trace
from chainrule.layers import BatchNorm2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Softmax
from chainrule.models.model import Model, Sequential
from chainrule.models.record import Record
from chainrule.runs import running
from chainrule.runs.jobs import DataChoice, Job
from chainrule.training.loop import train
from chainrule.training.optimizers import Adam
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import OneCycle
from chainrule.training.steps.gradients import Outcome
from chainrule.training.trainer import Callback, Trainer
from chainrule.web.frames import Frame
from chainrule.web.session import Session
from chainrule.web.subjects import PageSubject

RECIPE = Recipe(
    epochs=3,
    batch_size=7,
    optimizer=Adam(0.01),
    schedule=OneCycle(),
    normalization="standardize",
    augmentation=Augmentation(shift=1),
    seed=5,
)
IMPATIENT = replace(RECIPE, epochs=30, validation=0.3, patience=1, optimizer=Adam(0.05))  # stops early
# make replaying hard: batch statistics, dropout
LAYERS = (Conv2D(3, 3), BatchNorm2D(), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.3), Dense(3), Softmax())
SESSIONS: list[Session] = []  # that are open
NOBODY = threading.Event()  # waits for a frame and gives up


def stripes(path: Path, samples: int = 60) -> Path:
    """Write an .npz of noisy 8×8 images of three classes: a bright row, corner or column."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, samples + 30)
    x = generator.integers(0, 120, (samples + 30, 8, 8), dtype=np.uint8)
    x[y == 0, 3:5] += 100
    x[y == 1, :4, :4] += 100
    x[y == 2, :, 6:] += 100
    np.savez(path, x=x[:samples], y=y[:samples], x_test=x[samples:], y_test=y[samples:])
    return path


def stored(data: Path) -> dict[str, Any]:
    """Return the arrays of an .npz."""
    with np.load(data) as file:
        return dict(file)


def small(data: Path, engine: str = "numpy", recipe: Recipe = RECIPE) -> PageSubject:
    """Return an untrained network with its data."""
    model = Sequential(LAYERS, (1, 8, 8), seed=recipe.seed, engine=engine, threads=2, name="small")
    return untrained(model, recipe, data)


def untrained(model: Model, recipe: Recipe, data: Path | DataChoice) -> PageSubject:
    """Return a network, before its first step, as a subject of the page."""
    choice = data if isinstance(data, DataChoice) else DataChoice(str(data))
    moments = recipe.optimizer.init(model.parameters)
    return PageSubject(model.name, model, recipe, choice, moments=moments, fitted=False)


def opened(subject: PageSubject) -> Session:
    """Open a session and load its data; `close_sessions` closes those that a test opened."""
    session = Session(subject)
    SESSIONS.append(session)
    assert session.loaded.wait(60)
    return session


def assert_frame(frame: Frame, expected: list[np.ndarray]) -> None:
    """Compare a frame with the values of ordinary training, bit for bit."""
    for array, values in zip((frame.parameters, frame.statistics, *frame.moments), expected, strict=True):
        assert np.array_equal(array, values), frame.step


def assert_steps(session: Session, expected: dict[int, list[np.ndarray]], *steps: int) -> None:
    """Compare the frames of steps with the values of ordinary training, bit for bit."""
    for step in steps:
        frame = session.frame(step, NOBODY)
        assert frame.step == step
        assert_frame(frame, expected[step])


def gradient_of(model: Model, recipe: Recipe, x: np.ndarray, t: np.ndarray, step: int) -> np.ndarray:
    """Return the gradient of a batch, by a trace."""
    trace = Trace(model, x, t, recipe.loss, NextStep(seed=recipe.seed, step=step))
    return np.concatenate([trace[gradient_name(name)].ravel() for name in model.trainable_layout])


def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def finished(session: Session) -> dict[str, Any]:
    """Train to the end and return the final state."""
    return completed(session, "start")


def completed(session: Session, command: str, *arguments: Any) -> dict[str, Any]:
    """Give a command, wait until training stops, and return the state."""
    session.command(command, *arguments)
    until(lambda: not session.state()["running"])
    return session.state()


class Watch(Callback):
    """Copies all parameters, statistics and moments at step 0 and after each step."""

    def __init__(self) -> None:
        self.seen: dict[int, list[np.ndarray]] = {}

    def begin(self, trainer: Trainer) -> None:
        """Copy the values as they are."""
        arrays = (trainer.network.parameters, trainer.network.statistics, *trainer.moments)
        self.seen[len(trainer.history)] = [array.copy() for array in arrays]

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Copy the values after a step."""
        self.begin(trainer)


def trained_through(subject: PageSubject) -> tuple[dict[int, list[np.ndarray]], Trainer]:
    """Return the values after each step of ordinary training of a copy, without the page."""
    model, recipe = copy.deepcopy(subject.model), subject.recipe
    training, _ = subject.choice.load(recipe.seed)
    trainer = model.trainer(recipe, Record.of(model, recipe.ignore_label).read(training))
    watch = Watch()
    train(trainer, [watch])
    return watch.seen, trainer


def run(folder: Path, data: Path, recipe: Recipe = RECIPE, stop: int = 10**9) -> Path:
    """Train a run up to a step; return its folder."""
    return run_of(folder, small(data, recipe=recipe), stop)


def run_of(folder: Path, subject: PageSubject, stop: int = 10**9) -> Path:
    """Train a run of an untrained subject up to a step; return its folder."""
    training, test = subject.choice.load(subject.recipe.seed)
    job = Job(subject.model.about(), subject.choice, subject.recipe, "numpy", 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "draw", lambda *_: None)
        running.start(folder, job, training, test, [Halt(stop)])
    return folder
