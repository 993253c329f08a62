"""The protocols that engines implement and that layers, models and training use."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from numpy.typing import DTypeLike, NDArray

from chainrule.core.plan import Plan

Array = NDArray[Any]
Sums: TypeAlias = tuple[float, float, float]  # sums over a batch: losses, metric, and Σ g² of the mean loss's gradient
Gradients: TypeAlias = tuple[Array, Array, Array]  # loss and metric of each sample, (N,), and the flat gradient


class Shard(NamedTuple):
    """Consecutive samples of a batch: the size of the whole batch, and the index of the first sample."""

    batch: int
    first: int = 0


class StepLimits(NamedTuple):
    """Limits of the training steps that run in one call when no callback needs single steps.

    steps    number of steps
    size     bytes of their inputs and targets
    seconds  duration, estimated from previous steps; None for no limit
    """

    steps: int
    size: int
    seconds: float | None


ONE_STEP = StepLimits(1, 1 << 17, None)  # inputs of several steps are prepared together, up to this size


class CompiledPlan(Protocol):
    """An executable plan, bound to buffers of parameters and running statistics."""

    def forward(self, x: Array) -> Array:
        """Return the output for a batch x."""
        ...

    def gradients(self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int) -> Gradients:
        """Return the loss and correctness (1 or 0) of each sample, and the flat gradient of the mean loss.

        The next call overwrites the arrays. For a plan with weights, (N,), each loss is multiplied by its weight.
        """
        ...

    def shard(
        self, inputs: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return the results of `gradients` for a shard of a batch; the plan is `sharded`.

        inputs   x, t and, if the plan has them, weights of the shard

        The gradient is the shard's contribution to the gradient of the mean loss of the batch. At each of the plan's
        `sync_points`, the generator yields the statistics of the shard and receives those of the whole batch.
        """
        ...

    def commit_statistics(self) -> None:
        """Write the running statistics of the last batch."""
        ...

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any], steps: int = 1
    ) -> None:
        """Warm up: compile the programs of a training step on `samples` samples, without changing any state.

        name        operation of the optimizer; None if the engine does not compute its update
        moments     moments of the optimizer, which are copied
        attributes  attributes of the operation
        steps       number of steps that will run in one call
        """
        ...


@runtime_checkable
class WholeSteps(Protocol):
    """A plan whose training steps, including the update, are one program.

    step_limits   limits per call: fewer steps cost more per step, and more steps delay stopping
    """

    @property
    def step_limits(self) -> StepLimits: ...

    def steps(
        self,
        inputs: tuple[Array, ...],
        name: str,
        moments: tuple[Array, ...],
        attributes: Mapping[str, Any],
        rates: Sequence[float],
        *,
        clip: float | None,
        seed: int,
        step: int,
    ) -> list[Sums]:
        """Run training steps, which change parameters, moments and running statistics; return the sums of each step.

        inputs      x, t and, if the plan has them, weights: the concatenated batches, all of the same size
        name        operation of the optimizer
        attributes  its attributes for the first step; the rate and the step number change in later steps
        rates       learning rates of the steps
        clip        norm above which gradients are scaled down to it; None for no limit
        step        number of the first step

        A step that is not finite changes nothing and is the last one; its sums are not returned.
        """
        ...


@runtime_checkable
class HoldsSamples(Protocol):
    """A plan whose device can store all training samples, so that steps need only their indices.

    max_held_bytes   largest total size of the samples
    """

    max_held_bytes: int

    def hold(self, parts: Iterable[tuple[Array, ...]]) -> bool:
        """Copy all samples to the device, and return whether they fit.

        parts   (x, t) or, if the plan has weights, (x, t, weights) of consecutive samples

        If they fit, the inputs of `WholeSteps.steps` can be a single array of sample indices from then on.
        """
        ...

    def release(self) -> None:
        """Free the memory of the samples."""
        ...


class Engine(Protocol):
    """An engine, as used by layers, models and training."""

    @property
    def name(self) -> str:
        """Return the engine's name, one of `loader.NAMES`."""
        ...

    def thread_limit(self, threads: int) -> int:
        """Return the number of threads that the engine uses if `threads` are requested."""
        ...

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Compute one operation; the results are new arrays."""
        ...

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Compute an optimizer's update in place."""
        ...

    def normalized_rows(
        self, x: Array, rows: Array, gain: float, offset: float, dtype: DTypeLike, threads: int
    ) -> Array | None:
        """Return the batch x[rows]·gain + offset in a dtype, rounded as by NumPy; None if NumPy should compute it.

        rows           indices of samples, (N,)
        gain, offset   Python floats
        """
        ...

    def kernels(self, plan: Plan, dtype: Any) -> Mapping[str, tuple[str, str]]:
        """Return storage → (file, function) for the tensors that another function than the operation's computes."""
        ...

    def spreads_errors(self, plan: Plan, dtype: Any) -> bool:
        """Return whether the rounding error of a value may depend on inputs that the value does not depend on."""
        ...

    def compile(
        self, plan: Plan, layout: "Mapping[str, tuple[int, int]]", buffers: "Buffers", threads: int
    ) -> CompiledPlan:
        """Return an executable plan bound to the buffers.

        layout  name of a parameter or running statistic → start and stop index in its flat buffer
        """
        ...


class Buffers(Protocol):
    """The flat buffers of a model."""

    parameters: Array
    statistics: Array
