"""The state of a run at its checkpoint: the network and the next training step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chainrule import data
from chainrule._io import files
from chainrule.engines.protocol import Array
from chainrule.errors import FormatError, quoted
from chainrule.explain import NextStep
from chainrule.models.model import Model
from chainrule.runs import jobs
from chainrule.runs.checkpointer import model_of, state_of
from chainrule.runs.folder import CHECKPOINT, HISTORY, VALIDATION
from chainrule.runs.jobs import Job
from chainrule.training import history_files
from chainrule.training.history import Epoch
from chainrule.training.optimizers import Optimizer
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import Plateau


@dataclass(frozen=True)
class ResumePoint:
    """The network of a run at its checkpoint, the job, and the next training step."""

    model: Model
    job: Job
    training: NextStep


def read_resume_point(
    folder: Path, *, engine: str | None = None, threads: int | None = None, precise: bool = False
) -> ResumePoint:
    """Read a run's job and checkpoint.

    Errors   RunError if the folder contains no run; FormatError for an invalid checkpoint
    """
    job = jobs.read_job(folder)
    path = folder / CHECKPOINT
    tensors, about = files.read_tensors(path, "checkpoint")
    done = about.get("step")
    if not isinstance(done, int) or done < 0:
        raise FormatError(f"{path}: expected a step number, found step {quoted(done)}")
    model = model_of(path, tensors, about.get("model"), engine=engine, threads=threads, precise=precise)
    names = (f"optimizer.{name}" for name in job.recipe.optimizer.moments)
    moments = tuple(state_of(tensors, name, model.parameters, path) for name in names)
    epochs = list[Epoch]()
    if isinstance(job.recipe.schedule, Plateau):
        run_history = history_files.read(folder / HISTORY, done, job.epoch_images, job.recipe.batch_size)
        history_files.add_validation(run_history, folder / VALIDATION)
        epochs = run_history.epochs
    training = next_step(job.recipe, done, job.epoch_images, moments, epochs)
    return ResumePoint(model, job, training)


def next_step(
    recipe: Recipe,
    done: int,
    images: int,
    moments: tuple[Array, ...] | None = None,
    epochs: Sequence[Epoch] = (),
) -> NextStep:
    """Return the description of the step after ``done`` steps.

    If all steps of the recipe are done, the learning rate is that of the last step.

    images   number of training images in an epoch
    moments  moments of the optimizer; None for zeros, as before the first step
    epochs   the epochs so far
    """
    epoch_steps = data.batch_count(images, recipe.batch_size)
    steps = epoch_steps * recipe.epochs
    rate = recipe.rate(min(done, steps - 1), steps, epoch_steps, epochs)
    return NextStep(recipe.optimizer, rate, done + 1, moments, recipe.clip_norm, recipe.seed, recipe.freeze)


def with_overrides(training: NextStep, optimizer: Optimizer | None, learning_rate: float | None) -> NextStep:
    """Return the step with another optimizer, another learning rate, or both. None: no change.

    For another optimizer, the moments are zero, and the step number is 1.
    """
    changed = training
    if optimizer is not None:
        changed = replace(training, optimizer=optimizer, learning_rate=optimizer.learning_rate, moments=None, step=1)
    if learning_rate is None:
        return changed
    return replace(changed, learning_rate=changed.optimizer.with_learning_rate(learning_rate).learning_rate)
