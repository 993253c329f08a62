"""The interpreter, which runs a plan one operation at a time, and engines that consist of a module of functions.

The interpreter is used by the NumPy and reference engines, for gradient checks and for traces. All arrays of a run
remain accessible until the next run.
"""

import importlib
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines.options import limit_blas_threads
from chainrule.engines.protocol import Array, Arrays, Buffers, CompiledPlan, Engine, Gradients, Shard
from chainrule.errors import unknown_name

FLAT = ("parameter", "state", "gradient")  # kinds of tensors that are stored in a flat buffer


class _Slot(NamedTuple):
    """Where the array of a tensor is.

    arrays   storage → array: the views of the flat buffers, or the arrays of the run
    storage  key of the array
    shape    shape of the tensor; −1 is the batch axis
    """

    arrays: dict[str, Array]
    storage: str
    shape: tuple[int, ...]

    def read(self) -> Array:
        """Return the array, in the tensor's shape."""
        return self.arrays[self.storage].reshape(self.shape)


class _Call(NamedTuple):
    """An operation of the plan with the function that computes it and the slots of its arrays."""

    operation: Operation
    function: Callable[..., tuple[Array, ...]]
    reads: tuple[_Slot | None, ...]
    writes: tuple[_Slot, ...]


class Interpreter:
    """A plan that runs one operation at a time; see `protocol.CompiledPlan`.

    Functions and arrays of the operations are looked up once (`_resolve`), not in every run.

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
        self.values = dict[str, Array]()
        self._layout = layout
        self._buffers = buffers
        self._threads = threads
        self._gradient = np.zeros_like(buffers.parameters)
        self._runtime: dict[str, int] = {}
        self._views: dict[str, Array] = {}  # parameters, gradients and running statistics, by storage
        self._parameters: Array | None = None  # buffer that the views belong to
        self._calls: dict[str, list[_Call]] = {}  # of the plan's forward, backward and deferred operations
        self._loss: tuple[_Slot, ...] = ()  # loss and metric; empty for inference

    def forward(self, x: Array, t: Array | None = None, *, seed: int = 0, step: int = 0) -> Array:
        """Return the output for a batch x. A training plan also needs the targets t."""
        self._begin((x, t), Shard(len(x)), seed, step)
        with limit_blas_threads(self._threads):
            self._walk(self._calls["forward"])
        return self.read(self.plan.output)

    def gradients(self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int) -> Gradients:
        """Return the loss and metric of each sample, and the flat gradient of the mean loss; see `CompiledPlan`."""
        self._begin((x, t, weights), Shard(len(x)), seed, step)
        self._gradient[:] = 0
        with limit_blas_threads(self._threads):
            self._walk(self._calls["forward"])
            self._walk(self._calls["backward"])
        return self._gradients()

    def shard(
        self, inputs: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return losses, metrics and the contribution of a shard to the flat gradient; see `CompiledPlan`."""
        from chainrule.engines.batch_norm_sync import EXCHANGES

        self._begin(inputs, shard, seed, step)
        self._gradient[:] = 0
        remaining = iter(self._calls["forward"] + self._calls["backward"])
        while True:
            with limit_blas_threads(self._threads):
                call = self._walk(remaining, EXCHANGES)
            if call is None:
                return self._gradients()
            exchange = EXCHANGES[call.operation.name]
            arguments = self._inputs(call)
            self._write(call, (yield from exchange(self.engine.run, *arguments)))

    def _gradients(self) -> Gradients:
        loss, metric = self._loss
        return loss.read(), metric.read(), self._gradient

    def pull_back(self, dy: Array) -> Array:
        """Return the flat gradient of ⟨dy, output⟩ with respect to the parameters, after `forward`.

        The plan must have a backward pass, but no loss.
        """
        self.values[self.plan.output.gradient().storage] = dy
        self._gradient[:] = 0
        self._walk(self._calls["backward"])
        return self._gradient

    def commit_statistics(self) -> None:
        """Update the running statistics with the statistics of the last batch."""
        self._walk(self._calls["deferred"])

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any], steps: int = 1
    ) -> None:
        """Do nothing, because nothing is compiled."""

    def read(self, tensor: Tensor) -> Array:
        """Return the array of a tensor, in the tensor's shape."""
        return self._slot(tensor).read()

    def _begin(self, inputs: tuple[Array | None, ...], shard: Shard, seed: int, step: int) -> None:
        """Start a run on x, t and weights of a batch or shard. Each array of the previous run is kept until replaced.

        If all arrays were freed at once, their memory would be returned to the system and mapped again page by page,
        which takes a third of the time of a step.
        """
        if self._parameters is not self._buffers.parameters:
            self._resolve()
        self._runtime = {"batch": shard.batch, "first": shard.first, "seed": seed, "step": step}
        for tensor, array in zip((self.plan.input, self.plan.target, self.plan.weights), inputs, strict=False):
            if tensor is not None and array is not None:
                self.values[tensor.storage] = array

    def _resolve(self) -> None:
        """Look up the function and the arrays of every operation."""
        self._parameters = self._buffers.parameters
        self._views.clear()
        for part in ("forward", "backward", "deferred"):
            operations: tuple[Operation, ...] = getattr(self.plan, part)
            self._calls[part] = list(map(self._call, operations))
        if self.plan.loss is not None:
            _, *tensors = self.plan.loss_tensors
            self._loss = tuple(map(self._slot, tensors))

    def _call(self, operation: Operation) -> _Call:
        reads = tuple(tensor and self._slot(tensor) for tensor in operation.reads)
        function = operation.call or partial(self.engine.run, operation.name)
        return _Call(operation, function, reads, tuple(map(self._slot, operation.writes)))

    def _slot(self, tensor: Tensor) -> _Slot:
        """Return where the array of a tensor is. The first call for a flat tensor adds its view of the flat buffer."""
        if tensor.kind not in FLAT:
            shape = tensor.shape
            if tensor.per_sample:
                shape = (-1, *shape)
            return _Slot(self.values, tensor.storage, shape)
        if tensor.storage not in self._views:
            buffers = {"parameter": self._buffers.parameters, "state": self._buffers.statistics}
            owner = tensor.storage
            if tensor.kind == "gradient":
                owner = tensor.differentiated
            first, last = self._layout[owner]
            self._views[tensor.storage] = buffers.get(tensor.kind, self._gradient)[first:last]
        return _Slot(self._views, tensor.storage, tensor.shape)

    def _walk(self, calls: Iterable[_Call], stop: Collection[str] = ()) -> _Call | None:
        """Run operations up to the first one with a name in ``stop``, and return that operation, or None at the end."""
        for call in calls:
            if call.operation.name in stop:
                return call
            arrays, attributes = self._inputs(call)
            if call.operation.call:
                results = call.function(*arrays)
            else:
                results = call.function(arrays, attributes)
            self._write(call, results)
        return None

    def _inputs(self, call: _Call) -> tuple[tuple[Array | None, ...], Mapping[str, Any]]:
        """Return the arrays and attributes of an operation."""
        arrays = list[Array | None]()
        for slot in call.reads:
            if slot is None:
                arrays.append(None)
            else:
                arrays.append(slot.arrays[slot.storage].reshape(slot.shape))
        attributes = call.operation.attributes
        if call.operation.runtime:
            attributes = call.operation.arguments(self._runtime)
        return tuple(arrays), attributes

    def _write(self, call: _Call, results: tuple[Array, ...]) -> None:
        """Store the results of an operation, in the flat buffers or as arrays of this run."""
        for (arrays, storage, _), result in zip(call.writes, results, strict=True):
            if arrays is self._views:
                arrays[storage][...] = result.reshape(-1)
            else:
                arrays[storage] = result


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
        function = getattr(self._module, name, None)
        if function is None:
            raise unknown_name(f"operation of the {self.name} engine", name, self._module.__all__)
        results: Array | tuple[Array, ...] = function(*arrays, **attributes)
        return results if isinstance(results, tuple) else (results,)

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Compute an optimizer's update, and copy the new parameters and moments into `p` and `moments`."""
        for target, result in zip((p, *moments), self.run(name, (p, g, *moments), attributes), strict=True):
            target[...] = result

    def normalized_rows(self, x: Array, rows: Array, factors: Arrays, dtype: DTypeLike, threads: int) -> Array | None:
        """Return None, because batches are computed by NumPy."""
        return None

    def kernels(self, plan: Plan, dtype: DTypeLike) -> Mapping[str, tuple[str, str]]:
        """Return an empty mapping, because each operation is computed by the function of the same name."""
        return {}

    def spreads_errors(self, plan: Plan, dtype: DTypeLike) -> bool:
        """Return False, because operations are computed as direct sums, or by unknown algorithms (XLA)."""
        return False

    def compile(
        self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int
    ) -> CompiledPlan:
        """Return an interpreter for the plan."""
        return Interpreter(self, plan, layout, buffers, threads)


def reference_engine() -> ModuleEngine:
    """Return the engine that computes with the literal loops of `operations.reference`."""
    return ModuleEngine("reference")
