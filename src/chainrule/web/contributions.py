"""Contribution of each sample of a batch to the gradient of a parameter."""

import threading
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Operation, Plan, Tensor, gradient_name
from chainrule.engines import fallback
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import Array
from chainrule.errors import DataError
from chainrule.explain.trace import Float64Buffers
from chainrule.training.trainer import Trainer
from chainrule.web.replaying import BatchStep, Replayer


class Contributions:
    """The forward and backward pass of a step's batch in float64, with the parameters before the step.

    The gradient of a parameter is the sum of the contributions of all samples. With batch normalization, a sample's
    contribution also depends on the other samples of the batch.
    """

    def __init__(self, trainer: Trainer, step: BatchStep) -> None:
        recipe = trainer.recipe
        network = trainer.network
        self._plan = trainer.stepper.plan
        self._samples = len(step.batch[0])
        arrays = [np.asarray(array, np.float64) for array in step.batch if array is not None]
        buffers = Float64Buffers(network)
        buffers.parameters[:] = step.before.parameters
        division = trainer.stepper.division(self._samples)
        self._parts: list[tuple[Interpreter, int]] = []
        for part in range(division.count):
            first = division.edge(part)
            last = division.edge(part + 1)
            walk = Interpreter(fallback.numpy_engine(), self._plan, network.layout, buffers)
            drawn = step.before.step * division.parts + part + 1
            with np.errstate(all="ignore"):
                walk.gradients(*(array[first:last] for array in arrays), seed=recipe.seed, step=drawn)
            self._parts.append((walk, last - first))

    def of(self, name: str, indices: Sequence[int]) -> NDArray[np.float64]:
        """Return the contribution of each sample to the gradients of elements of a parameter, (elements, N).

        name      name of the parameter
        indices   indices of the elements in the flattened parameter
        Errors    DataError if the parameter has no gradient or no such element
        """
        gradient = gradient_name(name)
        operations = _operations_of(self._plan, gradient)
        elements = 0
        for operation in operations:
            for tensor in operation.writes:
                if tensor.storage == gradient:
                    elements = tensor.size
        for index in indices:
            if not 0 <= index < elements:
                raise DataError(f"{name} has no gradient at {index}")
        contributions: list[Array] = []
        for walk, size in self._parts:
            for n in range(size):
                of_sample = _of_sample(walk, operations, n, size)[gradient]
                contributions.append(size / self._samples * of_sample.reshape(-1)[list(indices)])
        return np.stack(contributions, axis=1)

    def outputs(self) -> NDArray[np.float64]:
        """Return the network's outputs for the samples, (N, …)."""
        return np.concatenate([np.asarray(walk.read(self._plan.output)) for walk, _ in self._parts])


class StepReplay:
    """Replays steps of a training run and caches the step requested last. Thread-safe."""

    def __init__(self, replayer: Replayer) -> None:
        self._replayer = replayer
        self._lock = threading.Lock()
        self._step: BatchStep | None = None
        self._contributions: Contributions | None = None

    def step(self, step: int, cancelled: threading.Event) -> BatchStep:
        """Return the training step from frame `step` to the next frame; see `Replayer.step`."""
        with self._lock:
            return self._cached_step(step, cancelled)

    def contributions(
        self, step: int, name: str, indices: Sequence[int], cancelled: threading.Event
    ) -> NDArray[np.float64]:
        """Return each sample's contributions to gradients in the step after frame `step`; see `Contributions.of`."""
        with self._lock:
            return self._cached_contributions(step, cancelled).of(name, indices)

    def outputs(self, step: int, cancelled: threading.Event) -> NDArray[np.float64]:
        """Return the network's outputs for the batch of the step after frame `step`, before this step."""
        with self._lock:
            return self._cached_contributions(step, cancelled).outputs()

    def _cached_contributions(self, step: int, cancelled: threading.Event) -> Contributions:
        batch_step = self._cached_step(step, cancelled)
        if self._contributions is None:
            self._contributions = Contributions(self._replayer.twin, batch_step)
        return self._contributions

    def _cached_step(self, step: int, cancelled: threading.Event) -> BatchStep:
        if self._step is None or self._step.before.step != step:
            self._contributions = None
            self._step = self._replayer.step(step, cancelled)
        return self._step


def _operations_of(plan: Plan, gradient: str) -> list[Operation]:
    """Return the backward operations that compute a parameter's gradient from per-sample tensors, in execution order.

    The plan is searched from its end. An operation that writes the gradient, such as a sum over the batch, may read
    other tensors of the batch; the operations that compute these are included, too.

    gradient   storage of the gradient
    """
    written = set[str]()
    for operation in plan.backward:
        written |= _batch_storages(operation.writes)
    storages = {gradient}
    operations = list[Operation]()
    for operation in reversed(plan.backward):
        if storages & _batch_storages(operation.writes):
            operations.insert(0, operation)
            storages |= _batch_storages(operation.reads) & written
    return operations


def _batch_storages(tensors: Iterable[Tensor | None]) -> set[str]:
    """Return the storages of the tensors that are not per sample."""
    return {tensor.storage for tensor in tensors if tensor is not None and not tensor.per_sample}


def _of_sample(walk: Interpreter, operations: Sequence[Operation], sample: int, batch: int) -> dict[str, Array]:
    """Return the contribution of one sample to each result of the operations, by storage.

    An operation reads results of earlier ones for this sample alone; of tensors per sample, the row of this sample;
    of all others, such as parameters, the whole.

    sample   index of the sample
    batch    number of samples over which the loss is averaged
    """
    own: dict[str, Array] = {}
    for operation in operations:
        arrays = list[Array | None]()
        for tensor in operation.reads:
            if tensor is None:
                arrays.append(None)
            elif tensor.storage in own:
                arrays.append(own[tensor.storage].reshape(tensor.shape))
            elif tensor.per_sample:
                arrays.append(walk.read(tensor)[sample : sample + 1])
            else:
                arrays.append(walk.read(tensor))
        arguments = operation.arguments({"batch": batch, "first": sample, "seed": 0, "step": 0})
        results = fallback.numpy_engine().run(operation.name, tuple(arrays), arguments)
        for tensor, result in zip(operation.writes, results, strict=True):
            if not tensor.per_sample:
                own[tensor.storage] = np.asarray(result)
    return own
