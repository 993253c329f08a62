"""What layers, models and training know of an engine: the protocols that every engine implements."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from numpy.typing import DTypeLike, NDArray

from chainrule.core.plan import Plan

Array = NDArray[Any]
Sums: TypeAlias = tuple[float, float, float]  # of a batch: losses, measure, and Σ g² of the gradient of its mean loss
Gradients: TypeAlias = tuple[Array, Array, Array]  # loss and measure of each sample, (N,), and the flat gradient


class Shard(NamedTuple):
    """Samples that stand together in a batch: number of samples of the whole batch, and index of their first."""

    batch: int
    first: int = 0


class StepLimits(NamedTuple):
    """How much is taken in one call where no callback needs single steps.

    steps    the number of steps, at most
    size     bytes of their inputs and targets
    seconds  that they may take, estimated from the steps before; None: no limit
    """

    steps: int
    size: int
    seconds: float | None


ONE_STEP = StepLimits(1, 1 << 17, None)  # its inputs are made with those of the next ones


class CompiledPlan(Protocol):
    """A plan made ready to run over given buffers of parameters and running statistics."""

    def forward(self, x: Array) -> Array:
        """Return the output for a batch x."""
        ...

    def gradients(self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int) -> Gradients:
        """Return the loss and the hit (1: right, 0: wrong) of each sample, and the flat gradient of the mean loss.

        The next call overwrites the arrays. A plan with weights takes those of the samples, (N,): each loss is returned
        times its weight.
        """
        ...

    def shard(
        self, inputs: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return what `gradients` does for some samples of a batch, of which the plan is `sharded`.

        inputs  x, t and, for a plan that has them, weights of these samples

        The gradient is their part of that of the batch's mean loss. At each of the plan's `meetings`, yield what these
        samples give, and go on with what is sent: that of the whole batch.
        """
        ...

    def commit_statistics(self) -> None:
        """Write the running statistics of the last batch."""
        ...

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any], steps: int = 1
    ) -> None:
        """Compile what a training step on so many samples runs, where anything is compiled; nothing is changed.

        name        the optimizer's operation; None: its update is not the engine's
        moments     the optimizer's moments, of which copies are used
        attributes  the operation's attributes
        steps       how many will be taken at once
        """
        ...


@runtime_checkable
class WholeSteps(Protocol):
    """A plan for which training steps, the update included, are one program.

    step_limits   how much to take in one call: with fewer steps each costs more, and with more a training stops later
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
        """Change parameters, moments and running statistics, one step after the other; return the sums of each.

        inputs      x, t and, for a plan that has them, weights of the samples: batches of equal size, one after another
        name        the optimizer's operation
        attributes  its attributes for the first step, of which the rate and the number of the step then change
        rates       of the steps
        clip        largest norm of the gradient, which is scaled down to it
        step        number of the first step

        A step that is not finite changes nothing, and none is taken after it: its sums are not among those returned.
        """
        ...


@runtime_checkable
class HoldsSamples(Protocol):
    """A plan whose device can hold the samples of a training, so that steps are given no more than their numbers.

    max_held_bytes   bytes of samples that it may hold
    """

    max_held_bytes: int

    def hold(self, parts: Iterable[tuple[Array, ...]]) -> bool:
        """Copy all samples to the device: x, t and, for a plan that has them, weights, some samples at a time.

        Return whether there was room for them. If so, what is given to `WholeSteps.steps` may from then on be the one
        array of the samples' numbers.
        """
        ...

    def release(self) -> None:
        """Free the memory of the samples."""
        ...


class Engine(Protocol):
    """Everything that layers, models and training know of an engine."""

    @property
    def name(self) -> str:
        """Return the engine's name, one of `NAMES`."""
        ...

    def thread_limit(self, threads: int) -> int:
        """Return how many of so many threads it really uses."""
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
        """Return the batch x[rows]·gain + offset in a dtype, as NumPy rounds it; None where NumPy should make it.

        rows           numbers of samples, (N,)
        gain, offset   floats of Python's
        """
        ...

    def kernels(self, plan: Plan, dtype: Any) -> Mapping[str, tuple[str, str]]:
        """Return file and function that compute each tensor, by its storage, where they are not the operation's own."""
        ...

    def spreads_errors(self, plan: Plan, dtype: Any) -> bool:
        """Return whether the rounding error of a value may depend on inputs that the value does not depend on."""
        ...

    def compile(
        self, plan: Plan, layout: "Mapping[str, tuple[int, int]]", buffers: "Buffers", threads: int
    ) -> CompiledPlan:
        """Return the plan made ready to run over buffers: as one program, or operation by operation.

        layout  name of a parameter or running statistic → its first and last index in its flat buffer
        """
        ...


class Buffers(Protocol):
    """Flat buffers of a model."""

    parameters: Array
    statistics: Array
