"""Run folders: a job trained from start to end, or on from where it stopped.

A run folder holds config.json, history.csv, checkpoint.safetensors, best.safetensors and, at the end,
model.safetensors, evaluation.json and pictures.
"""

import os
import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chainrule import files
from chainrule.data.dataset import Dataset
from chainrule.errors import RunError
from chainrule.model import Sequential, load
from chainrule.runs import keeper
from chainrule.runs.folder import BEST, CONFIG, EVALUATION, MODEL, claimed, locked
from chainrule.runs.jobs import Job
from chainrule.training.evaluation import Evaluation, confidences
from chainrule.training.history import History
from chainrule.training.loop import Callback, Trainer
from chainrule.training.samples import Samples

STOPPING = "chainrule: stopping after this step; once more to stop at once"
STDERR = 2


@dataclass(frozen=True)
class Result:
    """What a run came to. `evaluation` is None when it was interrupted: it can be resumed."""

    folder: Path
    model: Sequential
    history: History
    seconds: float
    evaluation: Evaluation | None


def start(
    folder: Path,
    job: Job,
    training: Dataset,
    test: Dataset,
    callbacks: Sequence[Callback] = (),
    interval: float = keeper.INTERVAL,
) -> Result:
    """Train a job in a new folder, with a checkpoint after every epoch and every ``interval`` seconds."""
    found = job.check_data(training, test)
    model, trainer = _prepare(job, training)
    job = replace(job, found=found, engine=model.engine.name, threads=model.threads)
    with claimed(folder):
        files.write_json(folder / CONFIG, job.to_config())
        return _train(folder, model, trainer, test, [keeper.Keeper(folder, model, interval), *callbacks])


def resume(
    folder: Path,
    training: Dataset,
    test: Dataset,
    callbacks: Sequence[Callback] = (),
    interval: float = keeper.INTERVAL,
) -> Result:
    """Train the job of a folder on from its checkpoint, bit for bit as if it had never stopped."""
    job = read_job(folder)
    job.check_data(training, test)
    model, trainer = _prepare(job, training)
    with locked(folder):
        keeper.restore(folder, model, trainer)
        return _train(folder, model, trainer, test, [keeper.Keeper(folder, model, interval), *callbacks])


def read_job(folder: Path) -> Job:
    """The job of a run folder."""
    if not (folder / CONFIG).is_file():
        raise RunError(f"{folder} holds no run (there is no {CONFIG})")
    return Job.from_config(files.read_json(folder / CONFIG), folder / CONFIG)


def _prepare(job: Job, training: Dataset) -> tuple[Sequential, Trainer]:
    model = job.build()
    samples = Samples.of_dataset(training, model.output_shape[-1])
    return model, model.trainer(job.recipe, *samples.parts(job.recipe.validation, job.recipe.seed))


def _train(folder: Path, model: Sequential, trainer: Trainer, test: Dataset, callbacks: Sequence[Callback]) -> Result:
    with _stop_on_interrupt(trainer):
        trainer.run(callbacks)
    seconds = trainer.history.epochs[-1].seconds if trainer.history.epochs else trainer.seconds
    if not trainer.finished:
        return Result(folder, model, trainer.history, seconds, None)
    if trainer.recipe.patience is not None and trainer.validation is not None:
        model.set_weights(load(folder / BEST, engine=model.engine.name).weights)
    evaluation = model.evaluate(test)
    model.save(folder / MODEL)
    files.write_json(folder / EVALUATION, evaluation.to_json(model.classes))
    draw(folder, model, trainer.history, test, evaluation)
    return Result(folder, model, trainer.history, seconds, evaluation)


@contextmanager
def _stop_on_interrupt(trainer: Trainer) -> Generator[None]:
    """The first Ctrl-C ends training after the current step, and says so; a second one interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: Any) -> None:
        trainer.stop = True
        signal.signal(signal.SIGINT, before)
        _tell(STOPPING)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(text: str) -> None:
    """A line on stderr, past Python's buffers: a signal may come while they are being written."""
    with suppress(OSError):
        os.write(STDERR, f"{chr(10) if os.isatty(STDERR) else ''}{text}\n".encode())


def draw(folder: Path, model: Sequential, history: History, test: Dataset, evaluation: Evaluation) -> None:
    """The pictures of a run: curves, kernels, confusion matrix, most confident mistakes."""
    from chainrule.pictures import confusion, curves, kernels, mistakes
    from chainrule.pictures.files import save

    steps = range(1, len(history) + 1)
    figure = curves.learning_curves(steps, history.loss, history.accuracy, history.epoch_dicts(), model.name)
    save(figure, folder / "curves.png")
    for name, w in model.weights.items():
        if name.endswith(".w") and w.ndim == 4:
            save(kernels.kernel_grid(w, f"{model.name}: kernels {name}"), folder / f"kernels-{name[:-2]}.png")
    save(confusion.confusion_matrix(evaluation.confusion, model.classes), folder / "confusion.png")
    shares = confidences(evaluation.outputs, model.loss)
    figure = mistakes.mistakes(test.x, test.y, evaluation.predicted, shares.max(1), model.classes)
    save(figure, folder / "mistakes.png")
