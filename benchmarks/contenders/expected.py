"""The expected loss, gradient and outputs, computed by the NumPy engine."""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from benchmarks.contenders import Repeated, Task
from benchmarks.subjects import images, samples_needed
from chainrule.data.normalization import Normalization
from chainrule.engines.protocol import Array
from chainrule.training.samples import Preparation, Samples
from chainrule.training.targets import Targets


@dataclass(frozen=True)
class Prepared:
    """The images of a task, in two forms.

    samples  images as bytes, with their labels
    x, t     normalized images (N, C, H, W) and targets (N, K)
    """

    samples: Samples
    normalization: Normalization
    x: Array
    t: Array


def prepare(task: Task) -> Prepared:
    """Return the images for a task, which are the same for all contenders."""
    model = task.subject.build("numpy", 1)
    classes = model.output_shape[-1]
    x, y = images(model.input_shape, classes, samples_needed(model.input_shape, task.batch))
    samples = Samples(x, Targets.of(y, (classes,)))
    normalization = Normalization.fit(task.subject.steps(task.batch).normalization, samples.x)
    x, t, _ = samples.batch(np.arange(len(samples)), Preparation(model, normalization))
    return Prepared(samples, normalization, x, t.astype(model.dtype))


def first_step(task: Task, prepared: Prepared, engine: str = "numpy", threads: int = 1) -> tuple[float, Array]:
    """Return the mean loss and the flat gradient of the first batch, without dropout."""
    model = task.subject.build(engine, threads, dropout=False)
    program = model.compile(model.plan(task.subject.steps(task.batch).loss))
    losses, _, gradient = program.gradients(prepared.x[: task.batch], prepared.t[: task.batch], seed=0, step=1)
    return float(losses.mean(dtype=np.float64)), gradient


def step_difference(task: Task, prepared: Prepared, step: tuple[float, Array]) -> float:
    """Return the relative difference of the loss or the gradient from the expected one, whichever is larger."""
    pairs = zip(step, first_step(task, prepared), strict=True)
    return max(relative_difference(np.array(actual), np.array(expected)) for actual, expected in pairs)


class Predictions(Repeated):
    """A contender that predicts the first batch of a task's normalized images."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._given = prepare(task)
        self._x = self._given.x[: task.batch].copy()
        self._network = task.subject.build("numpy", 1)
        self._network.normalization = Normalization("none")

    @abstractmethod
    def outputs(self) -> Array:
        """Return the outputs for the batch."""

    def difference(self) -> float:
        """Return the relative difference of the outputs from the expected outputs."""
        return relative_difference(self.outputs(), self.expected())

    def expected(self) -> Array:
        """Return the expected outputs: those of the NumPy engine."""
        return self._network.apply(self._x)

    def repeat(self, count: int) -> None:
        """Predict the batch a number of times."""
        for _ in range(count):
            self.outputs()


def relative_difference(actual: Array, expected: Array) -> float:
    """Return ‖actual − expected‖ / ‖expected‖, or infinity if the values are not finite or the shapes differ."""
    if actual.shape != expected.shape or not np.isfinite(actual).all():
        return float("inf")
    distance = np.linalg.norm((actual.astype(np.float64) - expected).ravel())
    return float(distance / max(float(np.linalg.norm(expected.astype(np.float64).ravel())), 1e-300))
