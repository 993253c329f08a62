"""The protocols that engines implement, for use by layers, models and training."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from numpy.typing import DTypeLike

from chainrule.core.arrays import Array, Arrays
from chainrule.core.plan import Plan

Sums: TypeAlias = tuple[float, float, float]  # of a batch: Σ loss, Σ metric, Σ g² with g the gradient of the mean loss
Gradients: TypeAlias = tuple[Array, Array, Array]  # loss and metric of each sample, (N,), and the flat gradient


class Shard(NamedTuple):
    """A shard of a batch, i.e. some consecutive samples.

    batch   size of the whole batch
    first   index of the shard's first sample in the batch
    """

    batch: int
    first: int = 0


class StepLimits(NamedTuple):
    """Limits on the training steps in one call of `WholeSteps.steps`, if no callback needs every step.

    steps    number of steps
    size     total size of the inputs and targets, in bytes
    seconds  duration, estimated from previous steps; None for no limit
    """

    steps: int
    size: int
    seconds: float | None


class StepRequest(NamedTuple):
    """Training steps that run in one call of `WholeSteps.steps`.

    inputs      x, t and, if the plan has weights, weights; each is the concatenation of batches of the same size
    update      name of the optimizer's operation
    moments     moments of the optimizer
    attributes  attributes of the operation in the first step; the rate and the step number change in later steps
    rates       learning rate of each step
    clip        maximum norm of the gradient, which is scaled down if it is larger; None for no limit
    seed        seed of operations that draw random numbers, such as dropout
    step        number of the first step
    """

    inputs: tuple[Array, ...]
    update: str
    moments: tuple[Array, ...]
    attributes: Mapping[str, Any]
    rates: Sequence[float]
    clip: float | None = None
    seed: int = 0
    step: int = 1


ONE_STEP = StepLimits(1, 1 << 17, None)  # up to this size, the inputs of several steps are prepared together


class CompiledPlan(Protocol):
    """An executable plan, bound to the buffers of parameters and running statistics."""

    def forward(self, x: Array) -> Array:
        """Return the output for a batch x."""
        ...

    def gradients(self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int) -> Gradients:
        """Return the loss and metric of each sample, and the flat gradient of the mean loss.

        x, t, weights   inputs, targets and sample weights (N,); each loss is multiplied by its weight. Weights are
                        required if the plan has weights, and None otherwise
        seed, step      seed and step number for operations that draw random numbers, such as dropout

        The next call overwrites the arrays.
        """
        ...

    def shard(
        self, inputs: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return the results of `gradients` for a shard of a batch, as the return value of a generator.

        inputs   x, t and, if the plan has weights, the weights of the shard

        The plan must be `sharded`. The gradient is the shard's contribution to the gradient of the mean loss over the
        batch. At each of the plan's `sync_points`, the generator yields the statistics of the shard and receives those
        of the whole batch.
        """
        ...

    def commit_statistics(self) -> None:
        """Update the running statistics with the statistics of the last batch."""
        ...

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any], steps: int = 1
    ) -> None:
        """Warm up: compile the programs for a training step on `samples` samples, without changing any state.

        name        name of the optimizer's operation; None if the engine does not compute the update
        moments     moments of the optimizer, which are copied
        attributes  attributes of the operation
        steps       number of steps that will run in one call
        """
        ...


@runtime_checkable
class WholeSteps(Protocol):
    """A plan that can run whole training steps, including the update, as one program.

    step_limits   limits per call. With fewer steps per call, each step is slower; with more, training takes longer to
                  stop
    """

    @property
    def step_limits(self) -> StepLimits: ...

    def steps(self, request: StepRequest) -> list[Sums]:
        """Run training steps, which change parameters, moments and running statistics. Return the sums of each step.

        If a step is not finite, it changes nothing, its sums are not returned, and the remaining steps are skipped.
        """
        ...


@runtime_checkable
class HoldsSamples(Protocol):
    """A plan that can store all training samples on its device, so that steps need only sample indices.

    max_held_bytes   maximum total size of the samples
    """

    max_held_bytes: int

    def hold(self, parts: Iterable[tuple[Array, ...]]) -> bool:
        """Copy all samples to the device, and return whether they fit.

        parts   (x, t) or, if the plan has weights, (x, t, weights) for consecutive samples

        If they fit, an array of sample indices can be passed as the only input of `WholeSteps.steps` from then on.
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
        """Return the number of threads that the engine uses when `threads` are requested."""
        ...

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Compute one operation with the given inputs and attributes. The results are new arrays."""
        ...

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Compute an optimizer's update: change the parameters p and the moments in place, using the gradient g.

        name   name of the optimizer's operation
        """
        ...

    def normalized_rows(self, x: Array, rows: Array, factors: Arrays, dtype: DTypeLike, threads: int) -> Array | None:
        """Return the batch ((x[rows] − origin) − rest)·gain, as in NumPy, or None if the caller should use it.

        rows           indices of samples, (N,)
        factors        origin, rest and gain, of all elements, (1,), or of each channel, (C,)
        """
        ...

    def kernels(self, plan: Plan, dtype: DTypeLike) -> Mapping[str, tuple[str, str]]:
        """Return the kernels that compute the tensors of a plan: storage → (file, function).

        Tensors computed by the function that has the name of the operation may be omitted.
        """
        ...

    def spreads_errors(self, plan: Plan, dtype: DTypeLike) -> bool:
        """Return whether the rounding error of a value may depend on inputs that do not affect the exact value.

        This is the case for Winograd's algorithm.
        """
        ...

    def compile(
        self, plan: Plan, layout: "Mapping[str, tuple[int, int]]", buffers: "Buffers", threads: int
    ) -> CompiledPlan:
        """Return an executable plan, bound to the buffers.

        layout  name of a parameter or running statistic → start and stop index in its flat buffer
        """
        ...


class Buffers(Protocol):
    """The flat buffers of a model."""

    @property
    def parameters(self) -> Array:
        """All parameters."""
        ...

    @property
    def statistics(self) -> Array:
        """All running statistics."""
        ...


@runtime_checkable
class TrackedBuffers(Buffers, Protocol):
    """Buffers that tell whether the parameters have changed, so that an engine can keep what it computed from them."""

    def revision(self) -> object | None:
        """Return an object that is replaced when the parameters may have changed; None if they may change any time."""
        ...

    def mark_changed(self) -> None:
        """Replace the revision, after an engine has changed the parameters."""
        ...
