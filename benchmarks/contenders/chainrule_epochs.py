"""`fit` of this library on MNIST, from bytes to a trained model."""

import time

from benchmarks.contenders import Task
from chainrule import data
from chainrule.data.dataset import Dataset
from chainrule.models.model import Model
from chainrule.training.callbacks import ProgressBar
from chainrule.training.samples import Samples


def mnist(samples: int) -> tuple[Dataset, Dataset]:
    """Load MNIST with `samples` training images; 0 for all."""
    training, test = data.load("mnist", progress=False)
    if 0 < samples < len(training):
        training = training.take(data.order(len(training), 0, 0)[:samples])
    return training, test


class Epochs:
    """All work of `fit`, starting from bytes: labels, normalization, order, batches, steps, history, progress bar."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._training, self._test = mnist(task.samples)
        self._fitted(0, self._training.take(2 * task.batch))

    def epoch(self, seed: int) -> tuple[float, float]:
        """Train a new model for an epoch; return the time in seconds and the test accuracy."""
        seconds, model = self._fitted(seed, self._training)
        return seconds, model.evaluate(self._test).accuracy

    def _fitted(self, seed: int, training: Dataset) -> tuple[float, Model]:
        subject = self._task.subject.seeded(seed)
        model = subject.build(self._task.who, self._task.threads)
        start = time.perf_counter()
        trainer = model.trainer(subject.epoch(self._task.batch), Samples.of_dataset(training, model.output_shape[-1]))
        trainer.run([ProgressBar()])
        return time.perf_counter() - start, model
