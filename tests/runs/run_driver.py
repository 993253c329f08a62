"""A process that trains a small run, to be killed by test_runs.py.

    run_driver.py start FOLDER DATA ENGINE    a run from the start; a checkpoint after every step
    run_driver.py resume FOLDER DATA          on from the checkpoint
    run_driver.py crash FOLDER DATA           one run for every call that touches the disk, killed at that call and
                                              then resumed: FOLDER/0, FOLDER/1, …
Everything that makes training depend on what happened before is on: dropout, augmentation, batch norm, Adam,
a one-cycle rate, clipping and validation.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chainrule import layers as cr
from chainrule.data import load_npz
from chainrule.data.augmentation import Augmentation
from chainrule.errors import ChainruleError
from chainrule.model import Sequential
from chainrule.optimizers import Adam
from chainrule.runs import running
from chainrule.runs.jobs import DataChoice, Job
from chainrule.schedules import OneCycle
from chainrule.training.loop import Callback, Trainer
from chainrule.training.recipe import Recipe
from chainrule.training.step import Outcome

RECIPE = Recipe(
    epochs=4,
    batch_size=7,
    optimizer=Adam(0.02),
    schedule=OneCycle(),
    normalise="standardise",
    augmentation=Augmentation(shift=1, rotation=10.0, scale=0.1, flip=True),
    clip_norm=2.0,
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
    """Time enough between two steps for a signal to arrive there."""

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        time.sleep(0.003)


def start(folder: Path, data: Path, engine: str = "numpy", *callbacks: Callback) -> running.Result:
    return running.start(folder, make_job(data, engine), *load_npz(data), callbacks, interval=0.0)


def resume(folder: Path, data: Path, *callbacks: Callback, interval: float = 0.0) -> running.Result:
    return running.resume(folder, *load_npz(data), callbacks, interval)


def killed_at(call: int) -> None:
    """From here on, die when the disk is touched for the call-th time, before or after (odd calls) it happened."""
    touched = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def touch(*arguments: Any, **options: Any) -> Any:
            nonlocal touched
            touched += 1
            if touched == call // 2 and call % 2 == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*arguments, **options)
            if touched == call // 2 and call % 2 == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return touch

    os.fsync, os.replace = counted(os.fsync), counted(os.replace)
    Path.open = counted(Path.open)


def crash(folder: Path, data: Path) -> None:
    """The children are forked: this process has no threads."""
    for call in range(2, 10_000):
        if call > 32 and call % 29:  # all until the first checkpoint is whole, then some
            continue
        place = folder / str(call)
        if child(lambda place=place, call=call: (killed_at(call), start(place, data))) == 0:
            return
        assert (
            child(lambda place=place: resume(place, data, interval=9.0) if (place / "config.json").exists() else None)
            == 0
        )


def child(work: Callable[[], Any]) -> int:
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(process, 0)[1]


def main(command: str, *arguments: str) -> int:
    running.draw = lambda *_: None
    try:
        folder, data = Path(arguments[0]), Path(arguments[1])
        print("ready", flush=True)
        if command == "crash":
            crash(folder, data)
            return 0
        result = resume(folder, data, Slowly()) if command == "resume" else start(folder, data, arguments[2], Slowly())
        print("finished" if result.evaluation else f"stopped {len(result.history)}")
    except ChainruleError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
