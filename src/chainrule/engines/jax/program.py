"""A plan compiled by XLA, run over a model's buffers."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.engines import Array, Buffers, Gradients, Shard, Sums
from chainrule.engines.jax import operations
from chainrule.engines.jax.arrays import jax, jnp, settings, sharding
from chainrule.engines.jax.tracing import Derivatives, TracedPlan
from chainrule.plan import Plan


class XlaProgram:
    """A plan compiled whole; see `engines.CompiledPlan` and `engines.WholeSteps`.

    Parameters, moments and running statistics are copied to the device for each run, and back after each update:
    the model's buffers are what users, files and callbacks read and write.

    devices   how many share a batch; of a size that they do not divide, as many as do
    """

    def __init__(self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, devices: int) -> None:
        self._plan = plan
        self._layout = layout
        self._buffers = buffers
        self._devices = devices
        self._forward = jax.jit(self._trace_forward)
        self._derivatives = jax.jit(self._trace_derivatives)
        self._step = jax.jit(self._trace_step, static_argnames=("name", "constant"))
        self._last: Derivatives | None = None

    def forward(self, x: Array) -> Array:
        """Return the output for a batch x."""
        with settings():
            return np.array(self._forward(self._buffers.parameters, self._buffers.statistics, *self._share(x)))

    def gradients(self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int) -> Gradients:
        """Return losses, hits and the flat gradient of the mean loss."""
        return _gradients(self._derive(_given(x, t, weights), seed, step))

    def shard(
        self, given: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return losses, hits and the part of the flat gradient of some samples of a batch; nothing is met."""
        yield from ()
        return _gradients(self._derive(given, seed, step, shard))

    def commit_statistics(self) -> None:
        """Write the running statistics of the last batch."""
        self._buffers.statistics[...] = self._known().statistics

    def steps(
        self,
        given: tuple[Array, ...],
        name: str,
        moments: tuple[Array, ...],
        attributes: Mapping[str, Any],
        rates: Sequence[float],
        *,
        clip: float | None,
        seed: int,
        step: int,
    ) -> list[Sums]:
        """Take training steps, each as one program; see `engines.WholeSteps`."""
        found, buffers, size = list[Sums](), self._buffers, len(given[0]) // len(rates)
        for number, rate in enumerate(rates):
            batch = tuple(array[number * size : (number + 1) * size] for array in given)
            own = {**attributes, "rate": rate} | ({"step": step + number} if "step" in attributes else {})
            sums, finite, *changed = self._take_step(batch, name, moments, own, clip, seed, step + number)
            if not finite:
                break
            for target, result in zip((buffers.parameters, buffers.statistics, *moments), changed, strict=True):
                target[...] = result
            total, measured, squares = np.asarray(sums).tolist()
            found.append((total, measured, squares))
        return found

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any]
    ) -> None:
        """Compile what a step on so many samples runs, by taking one on zeros, whose results are dropped."""
        target, _, _ = self._plan.loss_tensors
        dtype = self._buffers.parameters.dtype
        x, t = (np.zeros((samples, *tensor.shape), dtype) for tensor in (self._plan.input, target))
        given = _given(x, t, None if self._plan.weights is None else np.zeros(samples, dtype))
        if name is None:
            self._derive(given, 0, 0)
        else:
            self._take_step(given, name, moments, attributes, None, 0, 1)

    def _derive(self, given: tuple[Array, ...], seed: int, step: int, shard: Shard | None = None) -> Derivatives:
        """Run forward and backward; the results stay on the device."""
        with settings():
            buffers = self._buffers
            arguments = (self._share(*given), seed, step, shard or Shard(len(given[0])))
            found = self._derivatives(buffers.parameters, buffers.statistics, *arguments)
        self._last = found
        return found

    def _known(self) -> Derivatives:
        """Return the results of the last run."""
        if self._last is None:
            raise RuntimeError("a gradient comes before its update")
        return self._last

    def _take_step(
        self,
        given: tuple[Array, ...],
        name: str,
        moments: tuple[Array, ...],
        attributes: Mapping[str, Any],
        clip: float | None,
        seed: int,
        step: int,
    ) -> list[Array]:
        """Return sums, whether the step is finite, and parameters, running statistics and moments after it."""
        constant, varying = operations.divided(name, attributes)
        limit = np.inf if clip is None else clip
        buffers = self._buffers
        with settings():
            found = self._step(
                buffers.parameters,
                buffers.statistics,
                moments,
                self._share(*given),
                (seed, step, limit),
                varying,
                name=name,
                constant=constant,
            )
            return [np.asarray(each) for each in found]

    def _trace_forward(self, p: Any, statistics: Any, x: Any) -> Any:
        return TracedPlan(self._plan, self._layout, p, statistics).forward(x)

    def _trace_derivatives(
        self, p: Any, statistics: Any, given: tuple[Any, ...], seed: Any, step: Any, shard: Any
    ) -> Derivatives:
        return TracedPlan(self._plan, self._layout, p, statistics).derivatives(given, seed, step, shard)

    def _trace_step(
        self,
        p: Any,
        statistics: Any,
        moments: tuple[Any, ...],
        given: tuple[Any, ...],
        numbers: tuple[Any, Any, Any],
        varying: Mapping[str, Any],
        *,
        name: str,
        constant: operations.Constant,
    ) -> tuple[Any, ...]:
        """Compute a whole step: forward, backward, update and running statistics; nothing changes unless it is finite.

        numbers   seed, step, and the largest norm that the gradient may have
        """
        seed, step, limit = numbers
        found = self._trace_derivatives(p, statistics, given, seed, step, Shard(len(given[0])))
        norm = jnp.sqrt(found.sums[2])
        scale = jnp.where(norm > limit, limit / (norm + 1e-6), 1.0).astype(p.dtype)
        after, *kept = operations.call(name, (p, found.gradient * scale, *moments), {**dict(constant), **varying})
        finite = jnp.isfinite(found.sums[0]) & jnp.isfinite(found.sums[2]) & jnp.isfinite(found.statistics).all()
        return found.sums, finite, after, found.statistics, *kept

    def _share(self, *batch: Array) -> tuple[Any, ...]:
        """Return the arrays of a batch, on several devices in equal parts where there are several."""
        devices = next(each for each in range(self._devices, 0, -1) if len(batch[0]) % each == 0)
        if devices == 1:
            return batch
        mesh = sharding.Mesh(np.array(jax.devices()[:devices]), ("batch",))
        parts = sharding.NamedSharding(mesh, sharding.PartitionSpec("batch"))
        return tuple(jax.device_put(each, parts) for each in batch)


def _gradients(found: Derivatives) -> Gradients:
    return np.array(found.losses), np.array(found.measured), np.array(found.gradient)


def _given(x: Array, t: Array, weights: Array | None) -> tuple[Array, ...]:
    return (x, t) if weights is None else (x, t, weights)


def update(name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any]) -> None:
    """Compute an optimizer's update in place."""
    for target, result in zip((p, *moments), operations.run(name, (p, g, *moments), attributes), strict=True):
        target[...] = result
