"""Training of a job in a run folder, from the start or from a checkpoint.

A run folder contains config.json, history.csv and checkpoint.safetensors. A finished run also has model.safetensors,
evaluation.json (if there are test data) and plots.
"""

import os
import signal
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from chainrule._io import files
from chainrule.data.containers import Data
from chainrule.data.dataset import Dataset
from chainrule.data.normalization import decision
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError
from chainrule.models.model import Model
from chainrule.models.record import Record
from chainrule.network.fitted import UNFITTED
from chainrule.network.tasks import BINARY, CLASSIFICATION
from chainrule.runs import checkpointer
from chainrule.runs.checkpointer import Checkpoint, Checkpointer
from chainrule.runs.folder import CONFIG, EVALUATION, MODEL, claim, locked, require_run
from chainrule.runs.jobs import EPOCH_SAMPLES, Job, fingerprint, read_job
from chainrule.training import dense
from chainrule.training.history import History
from chainrule.training.loop import train
from chainrule.training.metrics import Evaluation
from chainrule.training.trainer import Callback, Trainer
from chainrule.training.workers import SINGLE_PROCESS, Workers

STOPPING = "chainrule: stopping after this step; press Ctrl-C again to stop immediately"
STDERR = 2


@dataclass(frozen=True)
class Result:
    """Result of a run.

    seconds      training time
    finished     False if the run was stopped and can be resumed
    evaluation   evaluation on the test data; None without test data, or if the run is not finished
    interrupted  whether the run was stopped by Ctrl-C
    """

    folder: Path
    model: Model
    history: History
    seconds: float
    finished: bool
    evaluation: Evaluation | None
    interrupted: bool = False


def start(
    folder: Path,
    job: Job,
    training: Dataset,
    test: Dataset,
    callbacks: Sequence[Callback] = (),
    interval: float = checkpointer.INTERVAL,
    *,
    weights: Mapping[str, Array] | None = None,
    workers: Workers = SINGLE_PROCESS,
    plots: bool = True,
) -> Result:
    """Train a job in a new folder, with a checkpoint after every epoch and every ``interval`` seconds.

    weights   initial weights; None: the weights from `Job.build`
    workers   processes that train together and all call this function; only worker 0 writes files
    plots     whether to draw plots at the end
    """
    job.check_shapes(training, test)
    job = replace(job, pretrained=weights is not None)
    model, trainer = _prepare(job, training, weights, workers)
    if workers.rank:
        return assist(folder, model, trainer)
    trainer.history.notes.append(decision(trainer.normalization, trainer.train_data.statistics))
    machine: dict[str, Any] = {"engine": model.engine.name, "threads": model.threads, "precise": model.precise}
    job = replace(job, properties={"source": training.source}, **machine)
    return begin(folder, job, model, trainer, test, callbacks, interval, plots=plots)


def begin(
    folder: Path,
    job: Job,
    model: Model,
    trainer: Trainer,
    test: Data | None,
    callbacks: Sequence[Callback],
    interval: float = checkpointer.INTERVAL,
    *,
    plots: bool = True,
) -> Result:
    """Train a model in a new folder, and return the history, the seconds and, if training is finished, the evaluation.

    job        what a later `resume` needs to repeat the preparation; written to the folder before training
    model      with its initial weights; it has the trained weights at the end
    trainer    for this model, with the training data, before the first step
    test       data for the evaluation at the end; None: no evaluation
    callbacks  called after those that write checkpoints
    interval   seconds between checkpoints within an epoch
    plots      whether to draw plots at the end

    Errors   RunError if the folder contains a run, is in use, or cannot be created
    """
    prints = fingerprint(trainer.train_data, trainer.validation)
    job = replace(job, properties={**job.properties, EPOCH_SAMPLES: len(trainer.train_data), "fingerprint": prints})
    with claim(folder):
        checkpoints = Checkpointer(folder, model, interval)
        checkpoints.write_checkpoint(trainer)  # first: a folder with a config.json is a run that can be continued
        files.write_atomic(folder / CONFIG, job.to_json())
        return _train(folder, job, model, trainer, test, [checkpoints, *callbacks], plots=plots)


def resume(
    folder: Path,
    training: Dataset,
    test: Dataset,
    callbacks: Sequence[Callback] = (),
    interval: float = checkpointer.INTERVAL,
    *,
    epochs: int | None = None,
    patience: int | None = None,
    workers: Workers = SINGLE_PROCESS,
    plots: bool = True,
) -> Result:
    """Resume the run in a folder from its checkpoint. The results are bitwise identical to an uninterrupted run.

    See `continue_run` and `start` for the arguments.
    """

    def prepare(job: Job) -> tuple[Model, Trainer]:
        job.check_shapes(training, test)
        model, trainer = _prepare(job, training, workers=workers)
        job.check_data(folder, trainer.train_data, trainer.validation)
        return model, trainer

    if workers.rank:
        return assist_continued(folder, prepare, epochs=epochs, patience=patience)
    changes: dict[str, Any] = {"epochs": epochs, "patience": patience, "plots": plots}
    return continue_run(folder, prepare, test, callbacks, interval, **changes)


def continue_run(
    folder: Path,
    prepare: Callable[[Job], tuple[Model, Trainer]],
    test: Data | None,
    callbacks: Sequence[Callback],
    interval: float = checkpointer.INTERVAL,
    *,
    epochs: int | None = None,
    patience: int | None = None,
    plots: bool = True,
) -> Result:
    """Resume training from the checkpoint of a folder.

    prepare            function that returns model and trainer for the folder's job, or raises an error
    epochs, patience   new values for the recipe (`extended`); None for no change
    plots              whether to draw plots at the end
    """
    with locked(require_run(folder)):
        job = read_job(folder)
        model, trainer, checkpoint = _restored(folder, job, prepare)
        extended_job = extended(job, trainer, epochs, patience)
        if extended_job != job:
            job = extended_job
            files.write_atomic(folder / CONFIG, job.to_json())
            trainer.replan(job.recipe)
        checkpoints = Checkpointer(folder, model, interval, checkpoint.best)
        return _train(folder, job, model, trainer, test, [checkpoints, *callbacks], plots=plots)


def _restored(
    folder: Path, job: Job, prepare: Callable[[Job], tuple[Model, Trainer]]
) -> tuple[Model, Trainer, Checkpoint]:
    """Return model and trainer of a job, restored from the checkpoint of its folder, and the checkpoint."""
    model, trainer = prepare(job)
    checkpoint = checkpointer.restore(folder, model, trainer)
    trainer.adopt()  # so that weights and normalization of the model match, even if a later check raises an error
    return model, trainer, checkpoint


def extended(job: Job, trainer: Trainer, epochs: int | None, patience: int | None) -> Job:
    """Return the job with another total number of epochs, another patience, or both. None: no change.

    Only the steps after the trainer's current step are affected. If the schedule depends on the total number of steps,
    it starts a new cycle there.

    Errors   OptionError if ``epochs`` does not exceed the number of epochs already done
    """
    recipe = job.recipe
    done = len(trainer.history)
    if patience is not None:
        recipe = replace(recipe, patience=patience)
    if epochs is not None and epochs != recipe.epochs:
        if epochs * trainer.epoch_steps <= done:
            progress = f"{done // trainer.epoch_steps} epochs are done"
            raise OptionError(f"{epochs} epochs: {progress}; expected a larger total number")
        schedule = recipe.schedule
        if done:
            schedule = schedule.extended(done, recipe.epochs)
        recipe = replace(recipe, epochs=epochs, schedule=schedule)
    return replace(job, recipe=recipe)


def assist_continued(
    folder: Path,
    prepare: Callable[[Job], tuple[Model, Trainer]],
    callbacks: Sequence[Callback] = (),
    *,
    epochs: int | None = None,
    patience: int | None = None,
) -> Result:
    """Resume training as a worker that writes no files, together with worker 0, which calls `continue_run`."""
    job = read_job(folder)
    model, trainer, _ = _restored(folder, job, prepare)
    trainer.replan(extended(job, trainer, epochs, patience).recipe)
    return assist(folder, model, trainer, callbacks)


def assist(folder: Path, model: Model, trainer: Trainer, callbacks: Sequence[Callback] = ()) -> Result:
    """Train as a worker that writes no files; worker 0 evaluates the model and writes the run folder."""
    train(trainer, callbacks)
    return Result(folder, model, trainer.history, trainer.seconds, trainer.finished, None)


def _prepare(
    job: Job, training: Dataset, weights: Mapping[str, Array] | None = None, workers: Workers = SINGLE_PROCESS
) -> tuple[Model, Trainer]:
    """Return model and trainer for a job.

    If the initial weights are from a file, the normalization that belongs to them is kept.
    """
    model = job.build()
    if weights is not None:
        model.set_weights(weights)
    kept = None
    if job.pretrained and model.normalization != UNFITTED:
        kept = model.normalization
    record = Record.learned(model, training, job.recipe.loss, ignore_label=job.recipe.ignore_label)
    parts = job.split(replace(record, normalization=kept or UNFITTED), training)
    options: dict[str, Any] = {"labels": record.labels, "normalization": kept}
    trainer = model.trainer(job.recipe, *parts, workers=workers, **options)
    trainer.adopt()
    return model, trainer


def _train(
    folder: Path,
    job: Job,
    model: Model,
    trainer: Trainer,
    test: Data | None,
    callbacks: Sequence[Callback],
    *,
    plots: bool,
) -> Result:
    """Train in a locked folder. If training is finished, write the evaluation, the model and, if ``plots``, plots.

    callbacks   the first one writes checkpoints
    """
    checkpoints = cast(Checkpointer, callbacks[0])
    with _stop_on_interrupt(trainer) as interrupted:
        try:
            train(trainer, callbacks, finish=True)
        finally:
            # The best epoch may be one before a resumption, whose weights are only in the checkpoint.
            if trainer.history.restored is not None and checkpoints.best:
                model.set_weights(checkpoints.best)
    seconds = trainer.seconds
    if trainer.history.epochs:
        seconds = trainer.history.epochs[-1].seconds
    if not trainer.finished:
        return Result(folder, model, trainer.history, seconds, False, None, interrupted=bool(interrupted))
    evaluation = None
    if test is not None:
        evaluation = model.evaluate(test, ignore_label=trainer.recipe.ignore_label)
    if evaluation is not None:
        files.write_atomic(folder / EVALUATION, files.json_bytes(evaluation.to_json()))
    about = {**model.about(), "epoch": len(trainer.history.epochs), "epochs": job.recipe.epochs}
    files.write_atomic(folder / MODEL, files.tensor_bytes("model", model.weights, about))
    result = Result(folder, model, trainer.history, seconds, True, evaluation)
    if plots:
        draw(result, test)
    return result


@contextmanager
def _stop_on_interrupt(trainer: Trainer) -> Generator[list[int]]:
    """Stop training after the current step at the first Ctrl-C, and immediately at the second.

    Yield a list to which every received signal is appended. Outside the main thread, signals are not handled.
    """
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return

    def request_stop(number: int, frame: object) -> None:
        trainer.stop = True
        signals.append(number)
        signal.signal(signal.SIGINT, before)
        _write_stderr(STOPPING)

    before = signal.signal(signal.SIGINT, request_stop)
    try:
        yield signals
    finally:
        signal.signal(signal.SIGINT, before)


def _write_stderr(text: str) -> None:
    """Write a line to stderr without Python's buffers, which may be in use when the signal arrives."""
    line = f"{text}\n"
    with suppress(OSError):
        if os.isatty(STDERR):
            line = f"\n{line}"
        os.write(STDERR, line.encode())


def draw(result: Result, test: Data | None) -> None:
    """Plot the learning curves and kernels of a finished run.

    With an evaluation on test data, also plot the confusion matrix and the most confident mistakes. Without matplotlib,
    print how to install it.
    """
    from chainrule.plotting.confusion import plot_confusion
    from chainrule.plotting.curves import plot_history
    from chainrule.plotting.figures import can_draw, save
    from chainrule.plotting.images import plot_mistakes
    from chainrule.plotting.kernels import plot_kernels

    if not can_draw():
        return
    folder = result.folder
    model = result.model
    evaluation = result.evaluation
    save(plot_history(result.history, model.name), folder / "curves.png")
    for name, w in model.weights.items():
        if name.endswith(".w") and w.ndim == 4:
            save(plot_kernels(w, f"{model.name}: kernels {name}"), folder / f"kernels-{name[:-2]}.png")
    if test is None or evaluation is None or evaluation.task not in (CLASSIFICATION, BINARY):
        return
    save(plot_confusion(evaluation.confusion, model.classes), folder / "confusion.png")
    (column, *_) = test.inputs.values()
    has_images = len(model.input_shape) == 3 and column.values.ndim == 4 and column.values.shape[1] in (1, 3)
    if has_images and evaluation.outputs.ndim == 2:
        true = dense.classes_of(evaluation.targets)
        figure = plot_mistakes(column.values, true, evaluation.predicted, evaluation.confidence, model.classes)
        save(figure, folder / "mistakes.png")
