"""Training steps: as a program of the engine, or one by one with a separate update of the parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainrule.core.arrays import Arrays
from chainrule.engines import fallback
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import ONE_STEP, Array, HoldsSamples, StepLimits, StepRequest, WholeSteps
from chainrule.errors import NotFiniteError, OptionError
from chainrule.network.loss_plan import Weighting
from chainrule.network.losses import Loss
from chainrule.network.network import Network
from chainrule.network.tasks import Task
from chainrule.training import freezing
from chainrule.training.optimizers import CustomOptimizer, Optimizer
from chainrule.training.options import STEADIER
from chainrule.training.steps.gradients import Batches, Outcome, WholeBatch
from chainrule.training.workers import SINGLE_PROCESS, Workers

if TYPE_CHECKING:
    from chainrule.training.components import Component
    from chainrule.training.steps.division import Division

LARGE_INPUT = 20.0  # absolute value of normalized inputs that makes steps large
TOO_LARGE = "the gradient is too large for its norm to be finite"


@dataclass(eq=False)
class Stepper:
    """Takes training steps: gradient, check for finite values, components, running statistics, and update.

    task            task, whose metric is measured; None: as in `Network.plan`
    freeze          names or patterns of frozen parameters, whose gradient is 0 (`freezing.frozen_names`)
    weighting       what has a weight in the loss; None: nothing
    parts           number of parts per batch for gradient accumulation
    shards          number of shards per batch, which are distributed over the workers
    components      components that may change the gradient
    moments         the optimizer's moments: flat arrays with the layout of the parameters
    plan            the plan of a step

    If an engine can take whole steps and no option prevents it, a program of the engine does. A step of the program
    whose loss or gradient is not finite is repeated alone, so that the error names the tensor.

    Errors   OptionError if there are no parameters to train, or if custom layers or losses are used with shards
    """

    network: Network
    optimizer: Optimizer
    loss: Loss
    task: Task | None = None
    freeze: Sequence[str] = ()
    _: KW_ONLY
    weighting: Weighting | None = None
    parts: int = 1
    shards: int = 1
    workers: Workers = SINGLE_PROCESS
    components: Sequence[Component] = ()

    def __post_init__(self) -> None:
        network = self.network
        optimizer = self.optimizer
        if not network.parameters.size:
            raise OptionError("there is nothing to train: the model has no parameters")
        frozen = freezing.frozen_names(self.freeze, network.trainable_layout)
        self._trained, self._frozen = [slice(0, network.parameters.size)], list[slice]()
        if frozen:
            self._trained, self._frozen = freezing.ranges(network.trainable_layout, frozen)
        if not self._trained:
            raise OptionError("there is nothing to train: all parameters are frozen; model.freeze() trains all of them")
        self.plan = network.plan(self.loss, task=self.task, frozen=frozen, weighting=self.weighting)
        self._maximum = math.inf  # of the metric
        if self.task is not None and self.task.is_share:
            self._maximum = 1.0  # the mean of rounded shares may exceed it
        self._changing = [component for component in self.components if component.handles("change_gradient")]
        self.moments = optimizer.init(network.parameters)
        program = network.compile(self.plan)
        self._program: WholeSteps | None = None
        self._fused = dict[str, float]()  # what the program does instead of components
        if self.shards > 1 or self.workers.size > 1:
            from chainrule.training.steps.sharding import ShardedBatch

            self._source = ShardedBatch(network, self.plan, self.shards, self.workers)
        elif self.parts > 1:
            from chainrule.training.steps.sharding import AccumulatedBatch

            self._source = AccumulatedBatch(program, self.parts)
        else:
            self._source = WholeBatch(program)
            if isinstance(program, WholeSteps) and self._is_fusable:
                self._program = program
                for component in self._changing:
                    self._fused |= component.fused or {}

    @property
    def _is_fusable(self) -> bool:
        """Whether an engine can do everything in a step: all components, and an update of all parameters."""
        if self._frozen or isinstance(self.optimizer, CustomOptimizer):
            return False
        return all(component.fused is not None for component in self._changing)

    @property
    def step_limits(self) -> StepLimits:
        """Limits of the number of steps per call (see `StepLimits`) if no callback needs every step."""
        if self._program is None:
            return ONE_STEP
        return self._program.step_limits

    def rows(self, samples: int) -> slice:
        """Return the slice of a batch with ``samples`` samples that this worker computes."""
        return self._source.rows(samples)

    def division(self, samples: int) -> Division:
        """Divide a batch into the parts that draw random numbers (for example for dropout) independently."""
        return self._source.division(samples)

    def hold(self, size: int, parts: Iterable[tuple[Array, ...]]) -> bool:
        """Copy all samples to the engine's device if they fit. Return whether they were copied.

        size    total size of the samples in bytes
        parts   the samples, in consecutive chunks
        """
        program = self._program
        return isinstance(program, HoldsSamples) and size <= program.max_held_bytes and program.hold(parts)

    def release(self) -> None:
        """Free the samples in the engine's device memory."""
        if isinstance(self._program, HoldsSamples):
            self._program.release()

    def prepare(self, samples: int, steps: int = 1) -> None:
        """Warm up: compile the step for a batch of ``samples`` samples before the timed loop.

        steps   number of steps that will be taken per call
        """
        has_update = self._program is not None or self._source.prepares_update
        operation = None
        if has_update and not isinstance(self.optimizer, CustomOptimizer):
            operation = self.optimizer.operation
        self._source.prepare(samples, (operation, self.moments, self.optimizer.attributes_of_step(1)), steps)

    def step(
        self,
        x: Array,
        t: Array,
        weights: Array | None = None,
        *,
        step: int,
        rate: float,
        seed: int = 0,
        samples: int | None = None,
    ) -> Outcome:
        """Take one step on a batch.

        weights  weights of `weighting`, in the network's dtype; required if the plan has weights
        samples  size of the whole batch if the arrays contain only this worker's `rows`
        """
        if samples is None:
            samples = len(x)
        (outcome,) = self.steps(Batches(_inputs(x, t, weights), [rate], step, seed, samples))
        return outcome

    @np.errstate(all="ignore")  # overflow is detected afterwards and raised as NotFiniteError
    def steps(self, batches: Batches) -> list[Outcome]:
        """Take steps on consecutive batches. Return the outcomes of the steps taken, at least one.

        The result is empty if the batches are indices of samples, and the first step is not finite.

        Errors   NotFiniteError if the first step's loss or gradient is not finite; nothing is modified in this case
        """
        if self._program is not None:
            inputs, rates, step, seed, _ = batches
            attributes = self.optimizer.attributes_of_step(step, rates[0])
            update = self.optimizer.operation, self.moments, attributes
            request = StepRequest(inputs, *update, rates, seed=seed, step=step, **self._fused)
            sums = self._program.steps(request)
            outcomes = list[Outcome]()
            size = len(inputs[0]) // len(rates)
            for loss, metric, squared_norm in sums:
                outcomes.append(Outcome(loss / size, min(metric / size, self._maximum), math.sqrt(squared_norm)))
            if outcomes or len(inputs) == 1:
                return outcomes
        if len(batches.rates) > 1:
            batches = batches.first
        return [self._single_step(batches)]

    def _single_step(self, batch: Batches) -> Outcome:
        before = None
        if self._source.writes_statistics:
            before = self.network.statistics.copy()
        try:
            outcome, gradient = self._gradient(batch)
            norm = outcome.norm
            for component in self._changing:
                component.change_gradient(gradient, norm, batch.step, batch.seed)
                norm = self._trained_norm(gradient)
            self._update(gradient, batch)
        except NotFiniteError:
            if before is not None:
                self.network.statistics[:] = before
            raise
        return outcome

    @np.errstate(all="ignore")
    def gradient(
        self, x: Array, t: Array, weights: Array | None = None, *, step: int, seed: int = 0
    ) -> tuple[Outcome, Array]:
        """Return a step's outcome and flat gradient before clipping. Update the running statistics, not the parameters.

        Errors   NotFiniteError if the loss, the gradient or a running statistic is not finite
        """
        batch = Batches(_inputs(x, t, weights), [0.0], step, seed, len(x))
        outcome, gradient = self._gradient(batch)
        self._commit_statistics(batch)
        return outcome, gradient.copy()

    def _gradient(self, batch: Batches) -> tuple[Outcome, Array]:
        """Return a step's outcome and its flat gradient, which is 0 for frozen parameters.

        The engine may overwrite the gradient in its next call.
        """
        losses, metrics, gradient = self._source.gradients(batch)
        total = float(losses.sum(dtype=np.float64))
        metric = float(metrics.sum(dtype=np.float64))
        norm = self._trained_norm(gradient)
        count = batch.samples
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise self._not_finite(batch)
        return Outcome(total / count, min(metric / count, self._maximum), norm), gradient

    def _trained_norm(self, gradient: Array) -> float:
        """Set the gradient of frozen parameters to 0 in place, and return its norm."""
        for rows in self._frozen:
            gradient[rows] = 0
        return math.sqrt(float(np.square(gradient, dtype=np.float64).sum()))

    def _update(self, gradient: Array, batch: Batches) -> None:
        """Commit the running statistics, and update the parameters and moments. An error leaves all unchanged.

        The engine computes the update of a built-in optimizer. A custom optimizer receives copies of its inputs.
        """
        network = self.network
        optimizer = self.optimizer
        if isinstance(optimizer, CustomOptimizer):
            self._update_by_custom_code(optimizer, gradient, batch)
            return
        self._commit_statistics(batch)
        attributes = optimizer.attributes_of_step(batch.step, batch.rates[0])
        for rows in self._trained:
            moments = tuple(moment[rows] for moment in self.moments)
            arrays = network.parameters[rows], gradient[rows], moments
            network.engine.update(optimizer.operation, *arrays, attributes, network.threads)

    def _update_by_custom_code(self, optimizer: CustomOptimizer, gradient: Array, batch: Batches) -> None:
        parameters = self.network.parameters
        step = batch.step
        rate = batch.rates[0]
        results, moments = optimizer.update(parameters, gradient.copy(), self.moments, step=step, learning_rate=rate)
        self._commit_statistics(batch)
        for rows in self._trained:
            for target, values in zip((parameters, *self.moments), (results, *moments), strict=True):
                target[rows] = values[rows]

    def _commit_statistics(self, batch: Batches) -> None:
        """Write the running statistics. If they are not finite, restore their old values and raise NotFiniteError.

        The statistics can be infinite or NaN even if the loss and the gradient are finite.
        """
        if not self.plan.deferred:
            return
        before = self.network.statistics.copy()
        self._source.commit_statistics()
        if not np.isfinite(self.network.statistics).all():
            self.network.statistics[:] = before
            raise self._not_finite(batch)

    def _not_finite(self, batch: Batches) -> NotFiniteError:
        cause = self.workers.first(self._first_not_finite(batch)) or TOO_LARGE
        largest = np.abs(batch.inputs[0]).max(initial=0)
        if not np.isfinite(self.network.parameters).all():
            cause += "; parameters were not finite before this step: try a smaller learning rate"
        elif np.isfinite(largest):
            cause += f"; try {STEADIER}"
            if largest > LARGE_INPUT:
                cause += f", or divide the inputs, which reach {largest:.3g}"
        return NotFiniteError(f"step {batch.step}: {cause}; the parameters were not changed")

    def _first_not_finite(self, batch: Batches) -> str:
        """Run the plan one operation at a time, and return a message about the first tensor that is not finite."""
        if not len(batch.inputs[0]):
            return ""
        if not np.isfinite(batch.inputs[0]).all():
            return "the input is not finite"
        interpreter = Interpreter(fallback.numpy_engine(), self.plan, self.network.layout, self.network)
        interpreter.gradients(*batch.inputs, seed=batch.seed, step=batch.step)
        for operation in self.plan.operations:
            for tensor in operation.writes:
                if not np.isfinite(interpreter.read(tensor)).all():
                    layer, _, name = tensor.name.rpartition(".")
                    return f"{name} of {layer} is not finite ({operation.name})"
        return ""


def _inputs(x: Array, t: Array, weights: Array | None) -> Arrays:
    """Return the inputs of a batch, with weights of the samples if there are any."""
    if weights is None:
        return x, t
    return x, t, weights
