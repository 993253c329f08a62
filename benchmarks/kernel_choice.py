"""Evaluation and fitting of the cost model that selects convolution kernels.

All kernels are timed on the convolutions in random networks, with one sample and with a block of `BLOCK` samples, on
one thread.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks import random_networks
from benchmarks.rounds import least_times
from chainrule.core.plan import Operation, Tensor
from chainrule.engines.compiled.kernels import choice
from chainrule.engines.compiled.kernels.choice import KernelCosts
from chainrule.engines.compiled.kernels.registry import Conditions, KernelEntry
from chainrule.engines.compiled.kernels.selection import ALTERNATIVES, KERNELS, select_kernel
from chainrule.engines.compiled.passes.steps import PlanStep, step_of

BLOCK, ITEMSIZE = 8, 4
TURN = 1e-3  # seconds per kernel and round
FACTORS = (0.0, 0.5, 0.7, 0.85, 1.2, 1.5, 2.0)  # factors that `fitted` applies to each cost
PASSES = 3  # number of passes over all costs
MIN_GAIN = 1e-5  # smallest reduction of the mean excess that justifies changing a cost
ESTIMATES: dict[str, Callable[..., dict[str, float]]] = {
    "cross_correlate": choice.forward_estimates,
    "cross_correlate_dx": choice.input_gradient_estimates,
    "cross_correlate_dw": choice.kernel_gradient_estimates,
}


@dataclass(frozen=True)
class Convolution:
    """A float32 convolution, or one of its gradients, for a number of samples."""

    operation: Operation
    samples: int

    def estimates(self) -> dict[str, float]:
        """Return the estimated time of each kernel that supports this convolution."""
        estimates = ESTIMATES[self.operation.name](
            self.operation.reads, self.operation.attributes, ITEMSIZE, self._conditions
        )
        return {kernel: estimate for kernel, estimate in estimates.items() if estimate < math.inf}

    def kernels(self) -> list[KernelEntry]:
        """Return the kernels with estimates; [] if the selected kernel has none, such as the kernel for few filters."""
        name, estimates = self.operation.name, self.estimates()
        selected = select_kernel(name, self.operation.reads, self.operation.attributes, ITEMSIZE, self._conditions)
        kernels = [entry for entry in (KERNELS[name], *ALTERNATIVES[name]) if entry.name in estimates]
        return kernels if KERNELS[selected] in kernels else []

    @property
    def _conditions(self) -> Conditions:
        return Conditions(single=self.samples == 1)


@dataclass(frozen=True)
class TimedConvolution:
    """A convolution, and the time of each kernel in seconds."""

    convolution: Convolution
    seconds: Mapping[str, float]

    @property
    def excess(self) -> float:
        """Relative excess time of the kernel selected with the current costs over the fastest kernel."""
        estimates = self.convolution.estimates()
        selected = min(estimates, key=lambda kernel: estimates[kernel])
        return self.seconds[selected] / min(self.seconds.values()) - 1


def timings(count: int, seed: int, rounds: int, watch: Callable[[str, float], None]) -> list[TimedConvolution]:
    """Time all kernels that support each convolution of the random networks, in turn within each round."""
    results: list[TimedConvolution] = []
    candidates = [convolution for convolution in convolutions(count, seed) if len(convolution.kernels()) > 1]
    for number, convolution in enumerate(candidates):
        watch(f"convolution {number + 1} of {len(candidates)}", number / len(candidates))
        results.append(TimedConvolution(convolution, _seconds(convolution, rounds)))
    return results


def convolutions(count: int, seed: int) -> list[Convolution]:
    """Return the distinct convolutions in random networks, and their gradients, for one sample and for a block."""
    distinct: dict[str, Convolution] = {}
    for subject in random_networks.networks(count, seed):
        for operation in subject.build("numpy", 1).plan(subject.steps(BLOCK).loss).operations:
            if operation.name in ESTIMATES:
                shapes = [tensor and tensor.shape for tensor in operation.reads]
                for samples in (1, BLOCK):
                    distinct.setdefault(
                        f"{operation.name} {samples} {shapes} {operation.attributes}", Convolution(operation, samples)
                    )
    return [*distinct.values()]


def _seconds(convolution: Convolution, rounds: int) -> dict[str, float]:
    """Return the minimum time of each kernel in seconds."""
    operation, samples = convolution.operation, convolution.samples
    runs = {entry.name: kernel_call(step_of(operation, entry.name), samples) for entry in convolution.kernels()}
    return least_times(runs, rounds=rounds, turn=TURN)


def kernel_call(step: PlanStep, samples: int, *, packed: bool = False, dtype: Any = np.float32) -> Callable[[], None]:
    """Return a function that calls the kernel of a step with random inputs and allocated outputs.

    packed  whether to pack the weights now, as in inference, if the kernel can read packed weights
    """
    entry, options = step.entry, {name: value for name, value in step.options.items() if value is not None}
    arrays = [_array(tensor, samples, dtype) for tensor in (*step.reads, *step.writes)]
    if packed and entry.packing:
        packing, w = KERNELS[entry.packing], arrays[1]
        panels = np.zeros(packing.shapes([w], {})[0], dtype)
        packing.call([w, panels], options)
        arrays[1], options["packed"] = panels[: w.size].reshape(w.shape), True
    names = zip(entry.arrays, arrays, strict=True)
    flat = [array.reshape(-1) if name in entry.flat and array is not None else array for name, array in names]
    return entry.kernel.bind(*flat, *entry.arguments(len(flat), options))


def _array(tensor: Tensor | None, samples: int, dtype: Any) -> Any:
    """Return a random array for a tensor of a plan, or None."""
    if tensor is None:
        return None
    shape = (samples, *tensor.shape) if tensor.per_sample else tensor.shape
    return np.random.default_rng(0).standard_normal(shape).astype(np.int32 if tensor.integer else dtype)


def grouped(timed: Sequence[TimedConvolution]) -> dict[tuple[str, int], list[TimedConvolution]]:
    """Group timings by operation and number of samples."""
    groups: dict[tuple[str, int], list[TimedConvolution]] = {}
    for timing in timed:
        groups.setdefault((timing.convolution.operation.name, timing.convolution.samples), []).append(timing)
    return groups


def mean_excess(timed: Sequence[TimedConvolution]) -> float:
    """Return the mean relative excess time of the selected kernels: the geometric mean of 1 + excess, minus 1."""
    return statistics.geometric_mean([1 + timing.excess for timing in timed]) - 1


def fitted(timed: Sequence[TimedConvolution]) -> KernelCosts:
    """Return costs that select faster kernels, found by changing one cost at a time."""
    best = choice.COSTS
    least = mean_excess(timed)
    for _ in range(PASSES):
        for name in KernelCosts._fields:
            for factor in FACTORS:
                candidate = best._replace(**{name: round(getattr(best, name) * factor, 3)})
                with costs(candidate):
                    excess = mean_excess(timed)
                if excess < least - MIN_GAIN:
                    best, least = candidate, excess
    return best


def costs(replacement: KernelCosts) -> AbstractContextManager[Any]:
    """Return a context that makes the estimates use other costs."""
    return patch.object(choice, "COSTS", replacement)
