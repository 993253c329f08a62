"""What each sample of a batch contributes to the gradient of a parameter."""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Operation, Plan, gradient_name
from chainrule.engines import fallback
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import Array
from chainrule.errors import DataError
from chainrule.explain.trace import Float64Buffers
from chainrule.training.loop import Trainer
from chainrule.web.replaying import BatchStep, Replayer


class Contributions:
    """Forward and backward of the batch of a step, in float64 from the parameters that training had.

    The gradient of a parameter is a sum over the samples. Where the samples are normalized together, each contributes
    what it does in this batch.
    """

    def __init__(self, trainer: Trainer, step: BatchStep) -> None:
        recipe, network = trainer.recipe, trainer.network
        self._plan = network.plan(recipe.loss, task=trainer.task, weighted=trainer.weights is not None)
        self._samples = len(step.batch[0])
        arrays = [np.asarray(array, np.float64) for array in step.batch if array is not None]
        buffers = Float64Buffers(network)
        buffers.parameters[:] = step.before.parameters
        division = trainer.stepper.parts(self._samples)
        self._parts: list[tuple[Interpreter, int]] = []
        for part in range(division.count):
            first, last = division.edge(part), division.edge(part + 1)
            walk = Interpreter(fallback.numpy_engine(), self._plan, network.layout, buffers)
            drawn = step.before.step * division.parts + part + 1
            with np.errstate(all="ignore"):
                walk.gradients(*(array[first:last] for array in arrays), seed=recipe.seed, step=drawn)
            self._parts.append((walk, last - first))

    def of(self, name: str, index: int) -> NDArray[np.float64]:
        """Return what each sample contributes to the gradient of one entry of a parameter: (N,), to be added up.

        index   in the flat parameter
        """
        gradient = gradient_name(name)
        operations = _operations_of(self._plan, gradient)
        sizes = [tensor.size for operation in operations for tensor in operation.writes if tensor.storage == gradient]
        if not sizes or not 0 <= index < sizes[0]:
            raise DataError(f"{name} has no gradient at {index}")
        contributions: list[float] = []
        for walk, size in self._parts:
            share = size / self._samples
            parts = (_of_sample(walk, operations, n, size)[gradient] for n in range(size))
            contributions += [share * float(part.reshape(-1)[index]) for part in parts]
        return np.array(contributions)


class StepReplay:
    """Answers about any step of a training, of which the last one asked for is kept; thread-safe."""

    def __init__(self, replayer: Replayer) -> None:
        self._replayer = replayer
        self._lock = threading.Lock()
        self._step: BatchStep | None = None
        self._contributions: Contributions | None = None

    def step(self, step: int, cancelled: threading.Event) -> BatchStep:
        """Return the step from frame `step` to the next; see `Replayer.step`."""
        with self._lock:
            return self._found(step, cancelled)

    def contributions(self, step: int, name: str, index: int, cancelled: threading.Event) -> NDArray[np.float64]:
        """Return what each sample of the batch contributes to a gradient; see `Contributions.of`."""
        with self._lock:
            batch_step = self._found(step, cancelled)
            if self._contributions is None:
                self._contributions = Contributions(self._replayer.twin, batch_step)
            return self._contributions.of(name, index)

    def _found(self, step: int, cancelled: threading.Event) -> BatchStep:
        if self._step is None or self._step.before.step != step:
            self._contributions = None
            self._step = self._replayer.step(step, cancelled)
        return self._step


def _operations_of(plan: Plan, gradient: str) -> list[Operation]:
    """Return the operations that make a gradient out of what each sample has, in their order."""
    storages, operations = {gradient}, list[Operation]()
    for operation in reversed(plan.backward):
        if storages.intersection(tensor.storage for tensor in operation.writes if not tensor.per_sample):
            operations.insert(0, operation)
            written = {tensor.storage for backward_operation in plan.backward for tensor in backward_operation.writes}
            storages |= {t.storage for t in operation.reads if t and not t.per_sample and t.storage in written}
    return operations


def _of_sample(walk: Interpreter, operations: Sequence[Operation], sample: int, batch: int) -> dict[str, Array]:
    """Return the gradients that operations make, by storage, as if the others of the batch sent nothing back."""
    own: dict[str, Array] = {}
    for operation in operations:
        arrays = tuple(
            None
            if tensor is None
            else own[tensor.storage].reshape(tensor.shape)
            if tensor.storage in own
            else walk.read(tensor)[sample : sample + 1]
            if tensor.per_sample
            else walk.read(tensor)
            for tensor in operation.reads
        )
        arguments = operation.arguments({"batch": batch, "first": sample, "seed": 0, "step": 0})
        results = fallback.numpy_engine().run(operation.name, arrays, arguments)
        for tensor, result in zip(operation.writes, results, strict=True):
            if not tensor.per_sample:
                own[tensor.storage] = np.asarray(result)
    return own
