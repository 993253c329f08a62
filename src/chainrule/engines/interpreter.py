"""The interpreter, which runs a plan one operation at a time, and engines that consist of a module of functions.

The interpreter is used by the NumPy and reference engines, for gradient checks and for traces. All arrays of a run
remain accessible until the next run.
"""

import importlib
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines import batch_norm_sync
from chainrule.engines.options import limit_blas_threads
from chainrule.engines.protocol import Array, Buffers, CompiledPlan, Engine, Gradients, Shard
from chainrule.errors import unknown_name

FLAT = ("parameter", "state", "gradient")  # kinds of tensors that are stored in a flat buffer


class Interpreter:
    """A plan that runs one operation at a time; see `protocol.CompiledPlan`.

    layout   name of a parameter or running statistic → start and stop index in its flat buffer
    threads  maximum number of threads for NumPy's matrix products during a run; None for no limit
    values   arrays of the last run by storage name; activations have the batch axis first
    """

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        layout: Mapping[str, tuple[int, int]],
        buffers: Buffers,
        threads: int | None = None,
    ) -> None:
        self.engine = engine
        self.plan = plan
        self.values: dict[str, Array] = {}
        self._layout = layout
        self._buffers = buffers
        self._threads = threads
        self._gradient = np.zeros_like(buffers.parameters)
        self._count = 0
        self._runtime: dict[str, int] = {}

    def forward(self, x: Array, t: Array | None = None, *, seed: int = 0, step: int = 0) -> Array:
        """Return the output for a batch x. A training plan also needs the targets t."""
        self._begin(x, Shard(len(x)), seed, step)
        if t is not None:
            self.values[self.plan.loss_tensors[0].storage] = t
        with limit_blas_threads(self._threads):
            self._walk(self.plan.forward)
        return self.read(self.plan.output)

    def gradients(self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int) -> Gradients:
        """Return the loss and metric of each sample, and the flat gradient of the mean loss; see `CompiledPlan`."""
        self._give((x, t) if weights is None else (x, t, weights), Shard(len(x)), seed, step)
        with limit_blas_threads(self._threads):
            self._walk(self.plan.operations)
        return self._gradients()

    def shard(
        self, inputs: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return losses, metrics and the contribution of a shard to the flat gradient; see `CompiledPlan`."""
        self._give(inputs, shard, seed, step)
        remaining = iter(self.plan.operations)
        while operation := self._walk_to_meeting(remaining):
            exchange = batch_norm_sync.EXCHANGES[operation.name]
            results = yield from exchange(self.engine.run, self._arrays(operation), self._arguments(operation))
            self._write_all(operation, results)
        return self._gradients()

    def _give(self, inputs: tuple[Array, ...], shard: Shard, seed: int, step: int) -> None:
        """Start a forward and backward run on the inputs of a batch or shard: x, t and, optionally, weights."""
        x, t, *weights = inputs
        self._begin(x, shard, seed, step)
        self.values[self.plan.loss_tensors[0].storage] = t
        if self.plan.weights is not None and weights:
            self.values[self.plan.weights.storage] = weights[0]
        self._gradient[:] = 0

    def _gradients(self) -> Gradients:
        _, loss, correct = self.plan.loss_tensors
        return self.read(loss), self.read(correct), self._gradient

    def pull_back(self, dy: Array) -> Array:
        """Return the flat gradient of ⟨dy, output⟩ with respect to the parameters, after `forward`.

        The plan must have a backward pass, but no loss.
        """
        self.values[self.plan.output.gradient().storage] = dy
        self._gradient[:] = 0
        self._walk(self.plan.backward)
        return self._gradient

    def commit_statistics(self) -> None:
        """Update the running statistics with the statistics of the last batch."""
        self._walk(self.plan.deferred)

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any], steps: int = 1
    ) -> None:
        """Do nothing, because nothing is compiled."""

    def read(self, tensor: Tensor) -> Array:
        """Return the array of a tensor, in the tensor's shape."""
        if tensor.kind in FLAT:
            return self._view(tensor)
        array = self.values[tensor.storage]
        shape = (self._count, *tensor.shape) if tensor.per_sample else tensor.shape
        return array.reshape(shape)

    def _begin(self, x: Array, shard: Shard, seed: int, step: int) -> None:
        """Start a run. Each array of the previous run is kept until it is replaced.

        If all arrays were freed at once, their memory would be returned to the system and mapped again page by page,
        which takes a third of the time of a step.
        """
        self._count = len(x)
        self._runtime = {"batch": shard.batch, "first": shard.first, "seed": seed, "step": step}
        self.values[self.plan.input.storage] = x

    def _walk(self, operations: Iterable[Operation], stop: Collection[str] = ()) -> Operation | None:
        """Run operations up to the first one with a name in ``stop``, and return that operation, or None at the end."""
        for operation in operations:
            if operation.name in stop:
                return operation
            arrays = self._arrays(operation)
            if operation.call:
                results = operation.call(*arrays)
            else:
                results = self.engine.run(operation.name, arrays, self._arguments(operation))
            self._write_all(operation, results)
        return None

    def _walk_to_meeting(self, operations: Iterator[Operation]) -> Operation | None:
        """Run operations up to the first one that needs results of other shards, and return it, or None at the end."""
        with limit_blas_threads(self._threads):
            return self._walk(operations, batch_norm_sync.EXCHANGES)

    def _arrays(self, operation: Operation) -> tuple[Any, ...]:
        return tuple(None if tensor is None else self.read(tensor) for tensor in operation.reads)

    def _arguments(self, operation: Operation) -> dict[str, Any]:
        return operation.arguments(self._runtime)

    def _write_all(self, operation: Operation, results: tuple[NDArray[Any], ...]) -> None:
        for tensor, result in zip(operation.writes, results, strict=True):
            self._write(tensor, result)

    def _write(self, tensor: Tensor, result: NDArray[Any]) -> None:
        if tensor.kind in FLAT:
            self._view(tensor)[...] = result.reshape(tensor.shape)
        else:
            self.values[tensor.storage] = result

    def _view(self, tensor: Tensor) -> Array:
        """Return a parameter, gradient or running statistic as a view of its flat buffer."""
        if tensor.kind == "gradient":
            first, last = self._layout[tensor.differentiated]
            return self._gradient[first:last].reshape(tensor.shape)
        first, last = self._layout[tensor.storage]
        buffer = self._buffers.parameters if tensor.kind == "parameter" else self._buffers.statistics
        return buffer[first:last].reshape(tensor.shape)


class ModuleEngine:
    """An engine with one function per operation, all in one module; see `protocol.Engine`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._module = importlib.import_module(
            "chainrule.operations.reference" if name == "reference" else f"chainrule.engines.{name}"
        )

    def thread_limit(self, threads: int) -> int:
        """Return `threads`, which limits the threads of NumPy's matrix products (`limit_blas_threads`)."""
        return threads

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Run one operation by calling the function of the same name."""
        if name not in self._module.__all__:
            raise unknown_name(f"operation of the {self.name} engine", name, self._module.__all__)
        results: Array | tuple[Array, ...] = getattr(self._module, name)(*arrays, **attributes)
        return results if isinstance(results, tuple) else (results,)

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Compute an optimizer's update, and copy the new parameters and moments into `p` and `moments`."""
        for target, result in zip((p, *moments), self.run(name, (p, g, *moments), attributes), strict=True):
            target[...] = result

    def normalized_rows(
        self, x: Array, rows: Array, gain: float, offset: float, dtype: DTypeLike, threads: int
    ) -> Array | None:
        """Return None, because batches are computed by NumPy."""
        return None

    def kernels(self, plan: Plan, dtype: Any) -> Mapping[str, tuple[str, str]]:
        """Return an empty mapping, because each operation is computed by the function of the same name."""
        return {}

    def spreads_errors(self, plan: Plan, dtype: Any) -> bool:
        """Return False, because operations are computed as direct sums, or by unknown algorithms (XLA)."""
        return False

    def compile(
        self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int
    ) -> CompiledPlan:
        """Return an interpreter for the plan."""
        return Interpreter(self, plan, layout, buffers, threads)
