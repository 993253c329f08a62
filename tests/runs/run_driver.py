"""A process that trains a small run, to be killed by test_runs.py.

    run_driver.py start FOLDER DATA ENGINE [EPOCHS]    a run from the start; a checkpoint after every step
    run_driver.py pause FOLDER DATA ENGINE    the same, but waits after some steps until its input ends
    run_driver.py resume FOLDER DATA          resumes from the checkpoint
Everything that makes training depend on earlier steps is enabled: dropout, augmentation, batch norm, Adam,
a one-cycle rate, rates of single parameters, clipping and validation.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from training.made import stripes

from chainrule import layers as cr
from chainrule.data import load
from chainrule.data.augmentation import Augmentation
from chainrule.errors import ChainruleError
from chainrule.models.model import Sequential
from chainrule.runs import running
from chainrule.runs.jobs import DataChoice, Job
from chainrule.runs.running import Result
from chainrule.training.optimizers import Adam
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import OneCycle
from chainrule.training.steps.gradients import Outcome
from chainrule.training.trainer import Callback, Trainer

STEPS_BEFORE_PAUSE = 15
RECIPE = Recipe(
    epochs=4,
    batch_size=7,
    optimizer=Adam(0.02),
    schedule=OneCycle(),
    normalization="standardize",
    augmentation=Augmentation(shift=1, rotation=10.0, scale=0.1, flip=True),
    clip_norm=2.0,
    freeze=("gamma",),
    validation=0.2,
    seed=3,
)


def layers() -> list[cr.Layer]:
    return [
        cr.Conv2D(3, (3, 2), padding="same"),
        cr.BatchNorm2D(),
        cr.ReLU(),
        cr.Dropout(0.3),
        cr.MaxPool2D(2),
        cr.Flatten(),
        cr.Dense(3),
        cr.Softmax(),
    ]


def make_job(data: Path, engine: str = "numpy", recipe: Recipe = RECIPE) -> Job:
    model = Sequential(layers(), (1, 8, 8), seed=recipe.seed, engine=engine, threads=2, name="small")
    return Job(model.about(), DataChoice(name=str(data)), recipe, engine, 2)


class Slowly(Callback):
    """Waits between two steps, so that a signal arrives there."""

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        time.sleep(0.003)


class Pause(Callback):
    """Waits after so many steps until the input ends, so that the run cannot end before a signal arrives."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        if len(trainer.history) == self.step:
            sys.stdin.read()


class Halt(Callback):
    """Stops training after so many steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        trainer.stop = len(trainer.history) >= self.step


def start(folder: Path, data: Path, *callbacks: Callback, engine: str = "numpy", recipe: Recipe = RECIPE) -> Result:
    """Train a run, with a checkpoint after every step."""
    return running.start(folder, make_job(data, engine, recipe), *load(data), callbacks, interval=0.0)


def resume(folder: Path, data: Path, *callbacks: Callback, interval: float = 0.0, **options: Any) -> Result:
    """Resume a run."""
    return running.resume(folder, *load(data), callbacks, interval, **options)


def make_data(path: Path) -> None:
    """Write images of three classes as an .npz."""
    x, y = stripes(80)
    np.savez(path, x=x[:60, 0], y=y[:60], x_test=x[60:, 0], y_test=y[60:])


def main(command: str, *arguments: str) -> int:
    running.draw = lambda *_: None
    try:
        folder, data = Path(arguments[0]), Path(arguments[1])
        print("ready", flush=True)
        if command == "resume":
            result = resume(folder, data, Slowly())
        else:
            recipe = replace(RECIPE, epochs=int(arguments[3])) if arguments[3:] else RECIPE
            pauses = [Pause(STEPS_BEFORE_PAUSE)] if command == "pause" else []
            result = start(folder, data, Slowly(), *pauses, engine=arguments[2], recipe=recipe)
        print("finished" if result.finished else f"stopped {len(result.history)}")
    except ChainruleError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
