"""The JAX engine: single operations for the interpreter, and whole plans compiled by XLA."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from chainrule.core.plan import Plan
from chainrule.engines.batch_norm_sync import sync_points
from chainrule.engines.interpreter import Interpreter, ModuleEngine
from chainrule.engines.jax import operations
from chainrule.engines.jax.arrays import jax, jnp, lax, settings, sharding
from chainrule.engines.jax.tracing import Derivatives, TracedPlan
from chainrule.engines.protocol import Array, Buffers, CompiledPlan, Gradients, Shard, StepLimits, StepRequest, Sums

MAX_COMPUTED_ELEMENTS = 1 << 32  # total number of elements computed by the steps in one call
MAX_INPUT_BYTES = 1 << 23  # total size of the inputs in one call if the samples are not stored on the device


class JaxEngine(ModuleEngine):
    """The engine for accelerators; see `protocol.Engine`. One thread corresponds to one device."""

    def __init__(self) -> None:
        super().__init__("jax")

    def thread_limit(self, threads: int) -> int:
        """Return `threads`, or the number of devices if it is smaller."""
        return min(threads, jax.device_count())

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Compile and run a single operation."""
        return operations.run(name, arrays, attributes)

    def compile(
        self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int
    ) -> CompiledPlan:
        """Return the plan compiled as one program, or an interpreter for plans that XLA cannot compile as a whole.

        These are plans with custom operations and sharded plans with synchronization points.
        """
        if plan.is_interpreted or (plan.sharded and sync_points(plan)):
            return Interpreter(self, plan, layout, buffers, threads)
        operations.check((*plan.operations, *plan.deferred))
        return XlaProgram(plan, layout, buffers, threads)


class XlaProgram:
    """A plan compiled as a whole; see `protocol.CompiledPlan`, `protocol.WholeSteps` and `protocol.HoldsSamples`.

    Parameters, moments and running statistics are copied to the device at the start of each call and back at its end,
    because the buffers of the model may be read and written between calls.

    devices   maximum number of devices to split a batch across; the actual number divides the batch size
    """

    max_held_bytes = 1 << 30  # twice this size is allocated while samples are copied

    def __init__(self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, devices: int) -> None:
        self._plan = plan
        self._layout = layout
        self._buffers = buffers
        self._devices = devices
        self._forward = jax.jit(self._trace_forward)
        self._derivatives = jax.jit(self._trace_derivatives, static_argnames="batch")
        self._steps = jax.jit(self._trace_steps, static_argnames=("name", "constant", "varying"))
        self._last: Derivatives | None = None
        self._compiled: dict[Any, Any] = {}  # compiled steps, by all of their compile-time parameters
        self._held: tuple[Any, ...] = ()

    @property
    def step_limits(self) -> StepLimits:
        """Limits per call: one step on a CPU, and less than a second on an accelerator (`MAX_COMPUTED_ELEMENTS`)."""
        entries = 0
        for operation in self._plan.operations:
            entries += sum(tensor.size for tensor in operation.writes if tensor.per_sample)
        size = MAX_COMPUTED_ELEMENTS // max(entries, 1) * self._plan.input.size * self._buffers.parameters.itemsize
        if not self._held:
            size = min(size, MAX_INPUT_BYTES)
        steps = 1 if jax.default_backend() == "cpu" else 64
        return StepLimits(steps, size, None)

    def forward(self, x: Array) -> Array:
        """Return the output for a batch x."""
        with settings():
            return np.array(self._forward(self._buffers.parameters, self._buffers.statistics, *self._distribute(x)))

    def gradients(self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int) -> Gradients:
        """Return the loss and metric of each sample, and the flat gradient of the mean loss."""
        return _gradients(self._run_derivatives(_pack(x, t, weights), seed, step))

    def shard(
        self, inputs: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return losses, metrics and the contribution of a shard to the flat gradient; see `protocol.CompiledPlan`.

        Nothing is exchanged between shards, because plans with synchronization points are interpreted.
        """
        yield from ()
        return _gradients(self._run_derivatives(inputs, seed, step, shard))

    def commit_statistics(self) -> None:
        """Update the running statistics with the statistics of the last batch."""
        self._buffers.statistics[...] = self._last_derivatives().statistics

    def steps(self, request: StepRequest) -> list[Sums]:
        """Run training steps as one program; see `protocol.WholeSteps`."""
        program, arguments = self._program(request)
        with settings():
            results = program(*arguments)
            for array in results:
                array.copy_to_host_async()  # starts all copies before waiting for any
            sums, applied, *new_state = map(np.asarray, results)
        state = (self._buffers.parameters, self._buffers.statistics, *request.moments)
        for target, result in zip(state, new_state, strict=True):
            target[...] = result
        return [(total, measured, squares) for total, measured, squares in sums[applied].tolist()]

    def hold(self, parts: Iterable[tuple[Array, ...]]) -> bool:
        """Copy all training samples to the device; see `protocol.HoldsSamples`."""
        with settings(), suppress(jax.errors.JaxRuntimeError):  # the device is out of memory
            columns: Any = zip(*map(jax.device_put, parts), strict=True)
            self._held = jax.block_until_ready(tuple(jnp.concatenate(column) for column in columns))
        return bool(self._held)

    def release(self) -> None:
        """Free the memory of the samples; see `protocol.HoldsSamples`."""
        self._held = ()

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any], steps: int = 1
    ) -> None:
        """Warm up: compile steps on `samples` samples each, or only the forward and backward pass if `name` is None."""
        target, _, _ = self._plan.loss_tensors
        shapes = [
            self._plan.input.shape,
            target.shape,
            *([self._plan.weights.shape] if self._plan.weights is not None else []),
        ]
        dtype = self._buffers.parameters.dtype
        count = samples * steps
        if name is None:
            self._run_derivatives(tuple(np.zeros((samples, *shape), dtype) for shape in shapes), 0, 0)
        else:
            inputs = (np.zeros((count, *shape), dtype) for shape in shapes)
            samples_or_indices = (np.zeros(count, np.int64),) if self._held else tuple(inputs)
            self._program(StepRequest(samples_or_indices, name, moments, attributes, [0.0] * steps))

    def _run_derivatives(
        self, inputs: tuple[Array, ...], seed: int, step: int, shard: Shard | None = None
    ) -> Derivatives:
        """Run the forward and backward pass. The results remain on the device."""
        with settings():
            buffers = self._buffers
            batch, first = shard or Shard(len(inputs[0]))
            arguments = (self._distribute(*inputs), seed, step, first)
            derivatives = self._derivatives(buffers.parameters, buffers.statistics, *arguments, batch=batch)
        self._last = derivatives
        return derivatives

    def _last_derivatives(self) -> Derivatives:
        """Return the results of the last run. Raise RuntimeError if there is none."""
        if self._last is None:
            raise RuntimeError("statistics require a previous call of gradients() or shard()")
        return self._last

    def _program(self, request: StepRequest) -> tuple[Any, tuple[Any, ...]]:
        """Return `_trace_steps`, compiled for arguments of these shapes, and the arguments to call it with.

        The number of steps is rounded up, so that fewer programs are compiled. The program skips the additional steps.
        """
        inputs, name, moments, attributes, rates, clip, seed, step = request
        padded_steps = _round_up(len(rates))
        buffers = self._buffers
        constant, varying = operations.divided(name, attributes)
        update = {"name": name, "constant": constant, "varying": tuple(varying)}
        with settings():
            samples, indices = self._place(inputs, len(rates), padded_steps)
            requested = np.arange(padded_steps) < len(rates)
            arguments = (
                (buffers.parameters, buffers.statistics, *moments),
                samples,
                (indices, requested, _pad(np.array(rates, buffers.parameters.dtype), padded_steps)),
                (seed, step, np.inf if clip is None else float(clip)),
            )
            key = *update.values(), indices.shape, *(sample_array.shape for sample_array in samples)
            if key not in self._compiled:
                self._compiled[key] = self._steps.lower(*arguments, **update).compile()
        return self._compiled[key], arguments

    def _trace_forward(self, p: Any, statistics: Any, x: Any) -> Any:
        return TracedPlan(self._plan, self._layout, p, statistics).forward(x)

    def _trace_derivatives(
        self, p: Any, statistics: Any, inputs: tuple[Any, ...], seed: Any, step: Any, first: Any, *, batch: int
    ) -> Derivatives:
        return TracedPlan(self._plan, self._layout, p, statistics).derivatives(inputs, seed, step, Shard(batch, first))

    def _trace_steps(
        self,
        state: tuple[Any, ...],
        samples: tuple[Any, ...],
        step_inputs: tuple[Any, Any, Any],
        constants: tuple[Any, Any, Any],
        *,
        name: str,
        constant: operations.Constant,
        varying: tuple[str, ...],
    ) -> tuple[Any, ...]:
        """Compute consecutive steps: forward, backward, update and running statistics.

        state        parameters, running statistics and moments
        samples      x, t and, if the plan has them, weights
        step_inputs  for each step: sample indices, whether the step is requested, and learning rate
        constants    seed, number of the first step, and maximum gradient norm

        Return the sums of each step, whether it was applied, and the state after the last step.
        """
        seed, step, max_norm = constants

        def take(carry: tuple[Any, ...], step_input: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, Any]]:
            """Take one step of the loop, and return the state after it with the step's results.

            After a step that is not finite, `is_active` is false, and all later steps leave the state as it is.
            """
            is_active, number, parameters, statistics, *moments = carry
            indices, requested, rate = step_input
            inputs = tuple(array[indices] for array in samples)
            derivatives = self._trace_derivatives(parameters, statistics, inputs, seed, number, 0, batch=len(indices))
            loss, _, squared_norm = derivatives.sums
            (scale,) = operations.call("clip_factor", (jnp.sqrt(squared_norm),), {"limit": max_norm})
            gradient = derivatives.gradient * scale.astype(parameters.dtype)
            arguments = {"rate": rate, "step": number}
            attributes = dict(constant)
            for key in varying:
                attributes[key] = arguments[key]
            updated, *updated_moments = operations.call(name, (parameters, gradient, *moments), attributes)
            is_finite = jnp.isfinite(loss) & jnp.isfinite(squared_norm) & jnp.isfinite(derivatives.statistics).all()
            applied = is_active & requested & is_finite
            before = parameters, statistics, *moments
            after = updated, derivatives.statistics, *updated_moments
            kept = (jnp.where(applied, *pair) for pair in zip(after, before, strict=True))
            return (applied, number + 1, *kept), (derivatives.sums, applied)

        (_, _, *new_state), (sums, steps_applied) = lax.scan(take, (jnp.array(True), step, *state), step_inputs)
        return sums, steps_applied, *new_state

    def _place(self, inputs: tuple[Array, ...], count: int, padded_steps: int) -> tuple[tuple[Any, ...], Any]:
        """Return the samples on the devices, and the sample indices for each step, (padded_steps, N).

        inputs  x, t and, optionally, weights; or only sample indices if the samples are stored on the devices
        count   number of steps before padding
        """
        is_held = len(inputs) == 1
        if is_held:
            samples = self._held
            indices = inputs[0]
        else:
            size = len(inputs[0]) // count
            samples = tuple(_pad(array, padded_steps * size) for array in inputs)
            indices = np.arange(count * size)
        indices = _pad(indices.reshape(count, -1), padded_steps)
        devices = self._device_count(indices.shape[1])
        if devices > 1:
            samples = jax.device_put(samples, self._sharding(devices))
            indices = jax.device_put(indices, self._sharding(devices, None, "batch"))
        if is_held:
            self._held = samples  # may have been moved to other devices for a smaller last batch
        return samples, indices

    def _distribute(self, *batch: Array) -> tuple[Any, ...]:
        """Return the arrays of a batch, split evenly across several devices if possible."""
        devices = self._device_count(len(batch[0]))
        if devices == 1:
            return batch
        return jax.device_put(batch, self._sharding(devices, "batch"))

    def _device_count(self, samples: int) -> int:
        """Return the largest available number of devices that divides the number of samples."""
        devices = self._devices
        while samples % devices:
            devices -= 1
        return devices

    @staticmethod
    def _sharding(devices: int, *axes: str | None) -> Any:
        """Return the sharding of an array over devices.

        axes   for each axis of the array: "batch" to split it evenly across the devices, None to replicate it. Missing
               axes at the end are replicated
        """
        mesh = sharding.Mesh(np.array(jax.devices()[:devices]), ("batch",))
        return sharding.NamedSharding(mesh, sharding.PartitionSpec(*axes))


def _gradients(derivatives: Derivatives) -> Gradients:
    return np.array(derivatives.losses), np.array(derivatives.measured), np.array(derivatives.gradient)


def _round_up(count: int) -> int:
    """Round a count up to one of at most 8 values between successive powers of two."""
    unit = max(1, (1 << (count - 1).bit_length()) // 16)
    return -(-count // unit) * unit


def _pad(array: Array, length: int) -> Array:
    """Pad the first axis of an array with zeros at the end to the given length."""
    missing = length - len(array)
    if missing <= 0:
        return array
    return np.pad(array, [(0, missing), *[(0, 0)] * (array.ndim - 1)])


def _pack(x: Array, t: Array, weights: Array | None) -> tuple[Array, ...]:
    if weights is None:
        return (x, t)
    return (x, t, weights)
