"""A training step: gradients, a check that they are finite, and the update."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from chainrule.engines import fallback
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import ONE_STEP, Array, AtOnce, HoldsSamples, WholeSteps
from chainrule.errors import NotFiniteError, OptionError
from chainrule.training.losses import Loss
from chainrule.training.lr_multipliers import RateGroup, Rates
from chainrule.training.optimizers import CustomOptimizer, Optimizer
from chainrule.training.sharding import Sharding
from chainrule.training.tasks import Task
from chainrule.training.workers import ALONE, Arrays, Division, Workers, added, totals_of

if TYPE_CHECKING:
    from chainrule.models.network import Network

Given: TypeAlias = tuple[Array, Array] | tuple[Array, Array, Array]  # x, t and, where samples have them, weights

TOO_LARGE = "the gradient is too large for its norm to be finite"


class Batch(NamedTuple):
    """A batch of samples, or the share of it that one worker computes.

    given     x, t and, where samples have them, weights: of this worker's share
    samples   number of samples of the whole batch
    """

    given: Given
    samples: int


class Outcome(NamedTuple):
    """Mean loss of the batch, the measure of the task (accuracy or an error), and the norm of the gradient (before
    clipping).
    """

    loss: float
    measured: float
    norm: float


class Stepper:
    """Takes training steps on a network.

    weighted  whether each sample has a weight in the loss
    parts     number of parts in which the gradient of a batch is computed and added up, one after the other
    shards    number of parts that are computed by one or several workers, with the same bits (`Sharding`)
    moments   moments of the optimizer, flat like the parameters

    Errors   OptionError when there is nothing to train, rates of single parameters meet an optimizer of one's own, or
             a network with custom code is to be trained in shards
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        loss: Loss,
        clip_norm: float | None = None,
        task: Task | None = None,
        rates: Rates | None = None,
        *,
        weighted: bool = False,
        parts: int = 1,
        shards: int = 1,
        workers: Workers = ALONE,
    ) -> None:
        if not network.parameters.size:
            raise OptionError("there is nothing to train: the model has no parameters")
        self.network = network
        self.optimizer = optimizer
        self.moments = optimizer.init(network.parameters)
        rates = rates or Rates()
        if len(rates.frozen_names(network.learnt)) == len(network.learnt):
            raise OptionError(f"there is nothing to train: all parameters are frozen by the rates {rates}")
        self._plan = network.plan(loss, task=task, frozen=rates.frozen_names(network.learnt), weighted=weighted)
        self._sharding = Sharding(network, self._plan, shards, workers) if shards > 1 or workers.size > 1 else None
        self._compiled = network.compile(self._plan)
        self._clip = clip_norm
        self._parts = parts
        self._workers = workers
        groups = rates.groups(network.learnt)
        own = isinstance(optimizer, CustomOptimizer)
        if groups and own:
            raise OptionError("rates of single parameters need a built-in optimizer; your own can have them itself")
        whole = not (groups or own or self._sharding) and parts == 1
        self._whole = self._compiled if whole and isinstance(self._compiled, WholeSteps) else None
        self._groups = groups or [RateGroup(0, network.parameters.size, 1.0)]

    def rows(self, samples: int) -> slice:
        """Return the samples of a batch of so many that this worker computes."""
        return self._sharding.division(samples).rows if self._sharding else slice(samples)

    def parts(self, samples: int) -> Division:
        """Return the parts of a batch of so many, each of which draws random numbers of its own; shards do not."""
        return Division(samples, self._parts)

    @property
    def at_once(self) -> AtOnce:
        """Steps, and bytes of their inputs, that are worth being taken at once where nobody looks at single ones."""
        return self._whole.at_once if self._whole else ONE_STEP

    def hold(self, size: int, parts: Iterable[Given]) -> bool:
        """Have the engine's device hold samples of so many bytes, given some at a time; return whether it does."""
        program = self._compiled
        if not (self._whole and isinstance(program, HoldsSamples) and size <= program.most_held):
            return False
        return program.hold(parts)

    def release(self) -> None:
        """Have the engine's device free the samples that it holds."""
        if isinstance(self._compiled, HoldsSamples):
            self._compiled.release()

    def prepare(self, samples: int, steps: int = 1) -> None:
        """Have a compiled engine compile what steps on so many samples run, so that no clock counts it.

        steps   how many will be taken at once
        """
        own = isinstance(self.optimizer, CustomOptimizer)
        name = None if own else self.optimizer.operation
        attributes = self._attributes(1, self.optimizer.rate)
        if self._sharding:
            self._sharding.prepare(samples, name, self.moments, attributes)
        else:
            name = name if self._whole else None
            self._compiled.prepare(-(-samples // self._parts), name, self.moments, attributes, steps)

    def _attributes(self, step: int, rate: float) -> dict[str, Any]:
        """Return the attributes of the update operation."""
        return {"rate": rate, **self.optimizer.step_attributes(step)}

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
        """Take a step on a batch; ``step`` counts from 1. A loss or gradient that is not finite changes nothing.

        weights  of the samples (N,), in the dtype of the network, for a stepper that is ``weighted``
        samples  of the whole batch, where the arrays hold the `rows` of this worker; None: all are here

        Errors   NotFiniteError
        """
        return self.steps(x, t, weights, step=step, rates=[rate], seed=seed, samples=samples)[0]

    @np.errstate(all="ignore")  # what overflows is found below, and named
    def steps(
        self,
        x: Array,
        t: Array,
        weights: Array | None = None,
        *,
        step: int,
        rates: Sequence[float],
        seed: int = 0,
        samples: int | None = None,
    ) -> list[Outcome]:
        """Take steps on batches of equal size that lie one after the other; return the outcomes of those taken.

        step     number of the first, from 1
        rates    of the steps: as many as there are batches
        samples  of each whole batch

        At least one step is taken, and as many as one program can take; one that is not finite changes nothing.

        Errors   NotFiniteError, by the first step
        """
        given: Given = (x, t) if weights is None else (x, t, weights)
        size = len(x) // len(rates)
        if found := self._take_whole(given, step, rates, seed):
            return found
        first: Any = tuple(array[:size] for array in given)
        batch = Batch(first, size if samples is None else samples)
        if self._parts == 1:
            return [self._take(batch, step, rates[0], seed)]
        before = self.network.statistics.copy()  # parts write theirs before all have proved finite
        try:
            return [self._take(batch, step, rates[0], seed)]
        except NotFiniteError:
            self.network.statistics[:] = before
            raise

    @np.errstate(all="ignore")
    def steps_of_held(self, numbers: Array, *, step: int, rates: Sequence[float], seed: int = 0) -> list[Outcome]:
        """Take steps on samples that the device holds, given their numbers, as `steps` does; none if the first is not
        finite.
        """
        return self._take_whole((numbers,), step, rates, seed)

    def _take_whole(self, given: tuple[Array, ...], step: int, rates: Sequence[float], seed: int) -> list[Outcome]:
        """Take steps in one program, as many as can be."""
        if self._whole is None:
            return []
        name, attributes = self.optimizer.operation, self._attributes(step, rates[0])
        found = self._whole.steps(given, name, self.moments, attributes, rates, clip=self._clip, seed=seed, step=step)
        size = len(given[0]) // len(rates)
        return [Outcome(total / size, right / size, math.sqrt(squares)) for total, right, squares in found]

    @np.errstate(all="ignore")
    def gradient(self, x: Array, t: Array, weights: Array | None = None, *, step: int, seed: int = 0) -> Array:
        """Return the flat gradient of a step on a batch, before clipping, without taking it.

        Running statistics may have changed afterwards: those of the parts of a batch are written one by one.

        Errors   NotFiniteError
        """
        given: Given = (x, t) if weights is None else (x, t, weights)
        return self._whole_gradient(Batch(given, len(x)), step, seed)[1].copy()

    def _take(self, batch: Batch, step: int, rate: float, seed: int) -> Outcome:
        if isinstance(self.optimizer, CustomOptimizer):
            return self._custom_step(self.optimizer, batch, step, rate, seed)
        return self._grouped_step(batch, step, rate, seed)

    def _custom_step(self, optimizer: CustomOptimizer, batch: Batch, step: int, rate: float, seed: int) -> Outcome:
        """Have a user's own optimizer take a step with the engine's gradient; nothing is changed if it raises."""
        outcome, gradient = self._whole_gradient(batch, step, seed)
        scaled, parameters = gradient * self._scale(outcome.norm), self.network.parameters
        after, moments = optimizer.update(parameters, scaled, self.moments, step=step, rate=rate)
        self._commit_statistics(batch, seed, step)
        parameters[:] = after
        for kept, found in zip(self.moments, moments, strict=True):
            kept[:] = found
        return outcome

    def _grouped_step(self, batch: Batch, step: int, rate: float, seed: int) -> Outcome:
        """Take a step in which groups of parameters have rates of their own; the norm leaves out frozen ones."""
        outcome, gradient = self._whole_gradient(batch, step, seed)
        self._commit_statistics(batch, seed, step)
        if (scale := self._scale(outcome.norm)) != 1:
            gradient *= scale
        attributes, network = self._attributes(step, rate), self.network
        for group in self._groups:
            if group.factor:
                p, g, *moments = (
                    each[group.first : group.last] for each in (network.parameters, gradient, *self.moments)
                )
                name, own = self.optimizer.operation, group.attributes(attributes)
                network.engine.update(name, p, g, tuple(moments), own, network.threads)
        return outcome

    def _whole_gradient(self, batch: Batch, step: int, seed: int) -> tuple[Outcome, Array]:
        """Return the outcome of a step and the flat gradient, 0 for frozen parameters; the engine may overwrite it."""
        total, right, gradient = self._sums(batch, step, seed)
        for group in self._groups:
            if not group.factor:
                gradient[group.first : group.last] = 0
        squares = float(np.square(gradient, dtype=np.float64).sum())
        if not (math.isfinite(total) and math.isfinite(squares)):
            raise self._not_finite(batch, seed, step)
        samples = batch.samples
        return Outcome(total / samples, right / samples, math.sqrt(squares)), gradient

    def _sums(self, batch: Batch, step: int, seed: int) -> tuple[float, float, Array]:
        """Return the sums of losses and measure, and the flat gradient, of a batch."""
        if self._sharding:
            return self._sharding.sums(batch.given, batch.samples, step=step, seed=seed)
        if self._parts > 1:
            return self._accumulated(batch, step, seed)
        losses, measured, gradient = self._compiled.gradients(*batch.given, seed=seed, step=step)
        totals = totals_of(losses, measured)
        return float(totals[0]), float(totals[1]), gradient

    def _accumulated(self, batch: Batch, step: int, seed: int) -> tuple[float, float, Array]:
        """Return the sums of a batch, computed part by part.

        A part counts as a step of its own where random numbers are drawn, and has statistics of its own.
        """
        division = self.parts(batch.samples)

        def part(number: int) -> Arrays:
            rows = slice(division.edge(number), division.edge(number + 1))
            if number:
                self._compiled.commit_statistics()  # of the part before
            given: tuple[Array, ...] = tuple(np.ascontiguousarray(array[rows]) for array in batch.given)
            drawn = (step - 1) * self._parts + number + 1
            losses, measured, gradient = self._compiled.gradients(*given, seed=seed, step=drawn)
            share = gradient.dtype.type((rows.stop - rows.start) / batch.samples)
            return totals_of(losses, measured), gradient * share

        totals, gradient = division.join(part, added, ())
        return float(totals[0]), float(totals[1]), gradient

    def _scale(self, norm: float) -> float:
        """Return the factor of the gradient: 1, or less where its norm exceeds the limit."""
        return self._clip / (norm + 1e-6) if self._clip is not None and norm > self._clip else 1.0

    def _commit_statistics(self, batch: Batch, seed: int, step: int) -> None:
        """Write the running statistics, and check them: an infinite variance does not show in the loss."""
        if not self._plan.deferred:
            return
        before = self.network.statistics.copy()
        (self._sharding or self._compiled).commit_statistics()
        if not np.isfinite(self.network.statistics).all():
            self.network.statistics[:] = before
            raise self._not_finite(batch, seed, step)

    def _not_finite(self, batch: Batch, seed: int, step: int) -> NotFiniteError:
        where = self._workers.first(self._culprit(batch.given, seed, step)) or TOO_LARGE
        if not np.isfinite(self.network.parameters).all():
            where += "; parameters were not finite before this step: was the rate too large?"
        return NotFiniteError(f"step {step}: {where}; the parameters were left as they were")

    def _culprit(self, given: Given, seed: int, step: int) -> str:
        """Return the first tensor that is not finite, found by walking the plan again operation by operation."""
        if not len(given[0]):
            return ""
        if not np.isfinite(given[0]).all():
            return "the input is not finite"
        walk = Interpreter(fallback.numpy_engine(), self._plan, self.network.layout, self.network)
        walk.gradients(*given, seed=seed, step=step)
        for operation in self._plan.operations:
            for tensor in operation.writes:
                if not np.isfinite(walk.read(tensor)).all():
                    layer, _, own = tensor.name.rpartition(".")
                    return f"{own} of {layer} is not finite ({operation.name})"
        return ""
