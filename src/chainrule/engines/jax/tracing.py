"""Plans as pure functions of flat buffers, for tracing by JAX and compilation by XLA."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines.jax import operations
from chainrule.engines.jax.arrays import Array, jnp
from chainrule.engines.protocol import Shard


class Derivatives(NamedTuple):
    """The results of a forward and backward pass.

    losses, measured  loss and metric of each sample, (N,)
    gradient          flat gradient of the mean loss
    statistics        flat running statistics after the step
    sums              sums of losses, metrics and g², in float64
    """

    losses: Array
    measured: Array
    gradient: Array
    statistics: Array
    sums: Array


class TracedPlan:
    """Runs a plan on tracers; see `interpreter.Interpreter`.

    layout   name of a parameter or running statistic → start and stop index in its flat buffer
    """

    def __init__(self, plan: Plan, layout: Mapping[str, tuple[int, int]], p: Array, statistics: Array) -> None:
        self.plan = plan
        self.statistics = statistics
        self._layout = layout
        self._p = p
        self._values: dict[str, Array] = {}
        self._count = 0
        self._runtime: dict[str, Any] = {}

    def forward(self, x: Array) -> Array:
        """Return the output for a batch x."""
        self._begin(x, 0, 0, Shard(len(x)))
        self._walk(self.plan.forward)
        return self._read(self.plan.output)

    def derivatives(self, inputs: tuple[Array, ...], seed: Array, step: Array, shard: Shard) -> Derivatives:
        """Return the results for a shard.

        inputs   x, t and, if the plan has weights, the weights of the shard
        """
        x, *others = inputs
        self._begin(x, seed, step, shard)
        target, loss, correct = self.plan.loss_tensors
        tensors = [target]
        if self.plan.weights is not None:
            tensors.append(self.plan.weights)
        for tensor, array in zip(tensors, others, strict=True):
            self._values[tensor.storage] = array
        self._walk(self.plan.operations)
        self._walk(self.plan.deferred)
        losses = self._read(loss)
        measured = self._read(correct)
        gradient = self._flat_gradient()
        summed = (losses, measured, jnp.square(gradient.astype(jnp.float64)))
        sums = jnp.stack([array.sum(dtype=jnp.float64) for array in summed])
        return Derivatives(losses, measured, gradient, self.statistics, sums)

    def _begin(self, x: Array, seed: Any, step: Any, shard: Shard) -> None:
        self._count = len(x)
        self._runtime = {"batch": shard.batch, "first": shard.first, "seed": seed, "step": step}
        self._values = {self.plan.input.storage: x}

    def _walk(self, plan_operations: Sequence[Operation]) -> None:
        for operation in plan_operations:
            arrays = tuple(None if tensor is None else self._read(tensor) for tensor in operation.reads)
            results = operations.call(operation.name, arrays, operation.arguments(self._runtime))
            for tensor, result in zip(operation.writes, results, strict=True):
                self._write(tensor, result)

    def _read(self, tensor: Tensor) -> Array:
        """Return the array of a tensor, in the tensor's shape."""
        if tensor.kind in ("parameter", "state"):
            first, last = self._layout[tensor.storage]
            buffer = self._p if tensor.kind == "parameter" else self.statistics
            return buffer[first:last].reshape(tensor.shape)
        shape = (self._count, *tensor.shape) if tensor.per_sample else tensor.shape
        return self._values[tensor.storage].reshape(shape)

    def _write(self, tensor: Tensor, result: Array) -> None:
        if tensor.kind == "state":
            first, last = self._layout[tensor.storage]
            self.statistics = self.statistics.at[first:last].set(result.reshape(-1))
        else:
            self._values[tensor.storage] = result

    def _flat_gradient(self) -> Array:
        """Return one flat array with the gradients computed by the plan and zeros elsewhere."""
        flat = jnp.zeros_like(self._p)
        for operation in self.plan.backward:
            for tensor in operation.writes:
                if tensor.kind == "gradient":
                    first, last = self._layout[tensor.differentiated]
                    flat = flat.at[first:last].set(self._values[tensor.storage].reshape(-1))
        return flat
