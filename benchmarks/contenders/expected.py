"""The expected loss, gradient and output, computed by the NumPy engine."""

from dataclasses import dataclass

import numpy as np

from benchmarks.contenders import Task
from benchmarks.subjects import images, samples_needed
from chainrule.data.normalization import Normalization
from chainrule.engines.protocol import Array
from chainrule.training.samples import Samples


@dataclass(frozen=True)
class Prepared:
    """The images of a task as bytes, and as normalized inputs x with targets t (N, K)."""

    samples: Samples
    normalization: Normalization
    x: Array
    t: Array


def prepare(task: Task) -> Prepared:
    """Make the images for a task, which are the same for every contender."""
    model = task.subject.build("numpy", 1)
    classes = model.output_shape[-1]
    samples = Samples.of(*images(model.input_shape, classes, samples_needed(model.input_shape, task.batch)), classes)
    normalization = Normalization.fit(task.subject.steps(task.batch).normalization, samples.x)
    x, t = samples.batch(np.arange(len(samples)), normalization, model.dtype)
    return Prepared(samples, normalization, x, t)


def first_step(task: Task, given: Prepared) -> tuple[float, Array]:
    """Compute mean loss and flat gradient of the first batch, without dropout."""
    model = task.subject.build("numpy", 1, dropout=False)
    program = model.compile(model.plan(task.subject.steps(task.batch).loss))
    losses, _, gradient = program.gradients(given.x[: task.batch], given.t[: task.batch], seed=0, step=1)
    return float(losses.mean(dtype=np.float64)), gradient


def step_difference(task: Task, given: Prepared, loss: float, gradient: Array) -> float:
    """Return the larger of the relative differences of a loss and a gradient from the expected ones."""
    expected, exact = first_step(task, given)
    return max(_share(np.array(loss), np.array(expected)), _share(gradient, exact))


def output_difference(task: Task, given: Prepared, outputs: Array) -> float:
    """Return the relative difference of the outputs for the first batch from the expected ones."""
    return _share(outputs, task.subject.build("numpy", 1).apply(given.x[: task.batch]))


def _share(found: Array, expected: Array) -> float:
    """Return ‖found − expected‖ / ‖expected‖, or infinity for values that are not finite or another shape."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    away = np.linalg.norm((found.astype(np.float64) - expected).ravel())
    return float(away / max(float(np.linalg.norm(expected.astype(np.float64).ravel())), 1e-300))
