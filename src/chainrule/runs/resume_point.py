"""The state of a run at its checkpoint: the network and the next training step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chainrule import data
from chainrule.engines.protocol import Array
from chainrule.explain import NextStep
from chainrule.models.model import Model
from chainrule.runs import jobs
from chainrule.runs.checkpointer import Checkpoint
from chainrule.runs.jobs import Job
from chainrule.training.history import Epoch, History
from chainrule.training.optimizers import Optimizer
from chainrule.training.recipe import Recipe


@dataclass(frozen=True)
class ResumePoint:
    """The network of a run at its checkpoint, the job, the next training step, and the history of the steps so far."""

    model: Model
    job: Job
    training: NextStep
    history: History


def read_resume_point(
    folder: Path, *, engine: str | None = None, threads: int | None = None, precise: bool = False
) -> ResumePoint:
    """Read a run's job and checkpoint.

    Errors   RunError if the folder contains no run; FormatError for an invalid checkpoint
    """
    job = jobs.read_job(folder)
    checkpoint = Checkpoint.read(folder)
    model = checkpoint.model(checkpoint.weights, engine=engine, threads=threads, precise=precise)
    names = (f"optimizer.{name}" for name in job.recipe.optimizer.moments)
    moments = tuple(checkpoint.state(name, model.parameters) for name in names)
    history = checkpoint.history(job.epoch_images, job.recipe.batch_size)
    training = next_step(job.recipe, checkpoint.step, job.epoch_images, moments, history.epochs)
    return ResumePoint(model, job, training, history)


def next_step(
    recipe: Recipe,
    done: int,
    images: int,
    moments: tuple[Array, ...] | None = None,
    epochs: Sequence[Epoch] = (),
) -> NextStep:
    """Return the description of the step after ``done`` steps.

    If all steps of the recipe are done, the schedule begins again. Only plateau goes on, as it reads `epochs`.

    images   number of training images in an epoch
    moments  moments of the optimizer; None for zeros, as before the first step
    epochs   the epochs so far
    """
    epoch_steps = data.batch_count(images, recipe.batch_size)
    steps = epoch_steps * recipe.epochs
    rate = recipe.rate(done % steps, steps, epoch_steps, epochs)
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
