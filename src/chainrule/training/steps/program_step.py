"""Whole training steps, including the update, as one program of the engine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.engines.protocol import Array, HoldsSamples, StepLimits, StepRequest, WholeSteps
from chainrule.training.steps.base import Inputs, Outcome, Stepper
from chainrule.training.steps.gradient_step import GradientStepper


class ProgramStepper(Stepper):
    """Takes several steps per call of a program.

    fused    further arguments of the requests, for the components of the training
    single   stepper that repeats a step with a non-finite loss or gradient, so that the error names the tensor. It
             shares its network and moments with this stepper
    """

    def __init__(self, single: GradientStepper, program: WholeSteps, fused: Mapping[str, Any]) -> None:
        self.network, self.optimizer, self.moments = single.network, single.optimizer, single.moments
        self._single = single
        self._program = program
        self._fused = fused

    @property
    def step_limits(self) -> StepLimits:
        """Limits of the number of steps per call (see `StepLimits`)."""
        return self._program.step_limits

    def hold(self, size: int, parts: Iterable[Inputs]) -> bool:
        """Copy all samples to the engine's device if they fit. Return whether they were copied."""
        program = self._program
        return isinstance(program, HoldsSamples) and size <= program.max_held_bytes and program.hold(parts)

    def release(self) -> None:
        """Free the samples in the engine's device memory."""
        if isinstance(self._program, HoldsSamples):
            self._program.release()

    def prepare(self, samples: int, steps: int = 1) -> None:
        """Warm up: compile the step for this batch size before the timed loop."""
        self._single.prepare_program(samples, steps)

    def _request(self, inputs: tuple[Array, ...], step: int, rates: Sequence[float], seed: int) -> StepRequest:
        attributes = self._single.attributes(step, rates[0])
        return StepRequest(
            inputs, self.optimizer.operation, self.moments, attributes, rates, seed=seed, step=step, **self._fused
        )

    @np.errstate(all="ignore")  # overflow is detected afterwards and raised as NotFiniteError
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
        """Take as many steps as fit into one call. Return their outcomes."""
        inputs = (x, t) if weights is None else (x, t, weights)
        sums = self._program.steps(self._request(inputs, step, rates, seed))
        if not sums:  # the first step is not finite
            size = len(x) // len(rates)
            first = tuple(array[:size] for array in inputs)
            return self._single.steps(*first, step=step, rates=rates[:1], seed=seed, samples=samples)
        return _outcomes(sums, len(x) // len(rates))

    @np.errstate(all="ignore")
    def steps_of_held(self, numbers: Array, *, step: int, rates: Sequence[float], seed: int = 0) -> list[Outcome]:
        """Take steps on samples in the engine's device memory. Return [] if the first step is not finite."""
        sums = self._program.steps(self._request((numbers,), step, rates, seed))
        return _outcomes(sums, len(numbers) // len(rates))

    def gradient(self, x: Array, t: Array, weights: Array | None = None, *, step: int, seed: int = 0) -> Array:
        """Return a step's flat gradient before clipping. The parameters are not updated."""
        return self._single.gradient(x, t, weights, step=step, seed=seed)


def _outcomes(sums: Sequence[tuple[float, float, float]], size: int) -> list[Outcome]:
    """Return the outcome of each step.

    sums   for each step: sums of loss and metric over the batch, and the sum of the gradient's squares
    size   batch size
    """
    return [Outcome(loss / size, metric / size, math.sqrt(squares)) for loss, metric, squares in sums]
