"""How much longer the kernels that are chosen for convolutions take than the fastest, and costs that choose better.

The convolutions are those of the random networks, each for one sample and for a block of `BLOCK`, on one thread.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks import random_networks
from chainrule.core.plan import Operation
from chainrule.engines.compiled.kernels import choice
from chainrule.engines.compiled.kernels.choice import KernelCosts
from chainrule.engines.compiled.kernels.registry import Conditions, KernelEntry
from chainrule.engines.compiled.kernels.selection import ALTERNATIVES, KERNELS, select_kernel

BLOCK, ITEMSIZE = 8, 4
TURN = 1e-3  # seconds of a turn of each kernel
FACTORS = (0.0, 0.5, 0.7, 0.85, 1.2, 1.5, 2.0)  # by which `fitted` changes a cost
PASSES = 3  # over all costs
BETTER = 1e-5  # what a changed cost must save, as a share of all time
ESTIMATES: dict[str, Callable[..., dict[str, float]]] = {
    "cross_correlate": choice.forward_estimates,
    "cross_correlate_dx": choice.input_gradient_estimates,
    "cross_correlate_dw": choice.kernel_gradient_estimates,
}


@dataclass(frozen=True)
class Convolution:
    """A convolution of float32, or one of its gradients, for a number of samples."""

    operation: Operation
    samples: int

    def estimates(self) -> dict[str, float]:
        """Return the estimate of each kernel that can compute it."""
        found = ESTIMATES[self.operation.name](
            self.operation.reads, self.operation.attributes, ITEMSIZE, self._conditions
        )
        return {kernel: estimate for kernel, estimate in found.items() if estimate < math.inf}

    def kernels(self) -> list[KernelEntry]:
        """Return the kernels that are estimated; none where another one is always chosen: that of few filters."""
        name, able = self.operation.name, self.estimates()
        chosen = select_kernel(name, self.operation.reads, self.operation.attributes, ITEMSIZE, self._conditions)
        found = [each for each in (KERNELS[name], *ALTERNATIVES[name]) if each.name in able]
        return found if KERNELS[chosen] in found else []

    def call(self, kernel: KernelEntry) -> Callable[[], Any]:
        """Return a call of a kernel with random arrays, and arrays for its results."""
        draw = np.random.default_rng(0)
        shapes = [one and ((self.samples, *one.shape) if one.per_sample else one.shape) for one in self.operation.reads]
        given = [None if shape is None else draw.standard_normal(shape, np.float32) for shape in shapes]
        attributes = {name: value for name, value in self.operation.attributes.items() if value is not None}
        arrays = [*given, *(np.zeros(shape, np.float32) for shape in kernel.shapes(given, attributes))]
        names = zip(kernel.arrays, arrays, strict=True)
        flat = [one.reshape(-1) if name in kernel.flat and one is not None else one for name, one in names]
        words = (*flat, *kernel.arguments(len(flat), attributes))
        return lambda: kernel.kernel(*words)

    @property
    def _conditions(self) -> Conditions:
        return Conditions(single=self.samples == 1)


@dataclass(frozen=True)
class TimedConvolution:
    """The seconds that each kernel takes for a convolution."""

    convolution: Convolution
    seconds: Mapping[str, float]

    @property
    def excess(self) -> float:
        """How much longer than the fastest the kernel takes that the costs of now choose, as a share."""
        estimates = self.convolution.estimates()
        chosen = min(estimates, key=lambda kernel: estimates[kernel])
        return self.seconds[chosen] / min(self.seconds.values()) - 1


def timings(count: int, seed: int, rounds: int, watch: Callable[[str, float], None]) -> list[TimedConvolution]:
    """Time every kernel that can compute a convolution of the random networks, in turn within each round."""
    found: list[TimedConvolution] = []
    known = [each for each in convolutions(count, seed) if len(each.kernels()) > 1]
    for number, each in enumerate(known):
        watch(f"convolution {number + 1} of {len(known)}", number / len(known))
        found.append(TimedConvolution(each, _seconds(each, rounds)))
    return found


def convolutions(count: int, seed: int) -> list[Convolution]:
    """Return the different convolutions of random networks, and their gradients, for one sample and for a block."""
    met: dict[str, Convolution] = {}
    for subject in random_networks.networks(count, seed):
        for each in subject.build("numpy", 1).plan(subject.steps(BLOCK).loss).operations:
            if each.name in ESTIMATES:
                shapes = [one and one.shape for one in each.reads]
                for samples in (1, BLOCK):
                    met.setdefault(f"{each.name} {samples} {shapes} {each.attributes}", Convolution(each, samples))
    return [*met.values()]


def _seconds(convolution: Convolution, rounds: int) -> dict[str, float]:
    """Return the least seconds of each kernel."""
    runs = {each.name: convolution.call(each) for each in convolution.kernels()}
    for run in runs.values():
        run()  # compiled, and in the cache
    times = {kernel: max(1, int(TURN / _timed(run, 1))) for kernel, run in runs.items()}
    least = dict.fromkeys(runs, math.inf)
    for _ in range(rounds):
        for kernel, run in runs.items():
            least[kernel] = min(least[kernel], _timed(run, times[kernel]))
    return least


def _timed(run: Callable[[], Any], times: int) -> float:
    """Return the seconds of a call."""
    start = perf_counter()
    for _ in range(times):
        run()
    return (perf_counter() - start) / times


def grouped(found: Sequence[TimedConvolution]) -> dict[tuple[str, int], list[TimedConvolution]]:
    """Return timings by operation and number of samples."""
    groups: dict[tuple[str, int], list[TimedConvolution]] = {}
    for each in found:
        groups.setdefault((each.convolution.operation.name, each.convolution.samples), []).append(each)
    return groups


def mean_excess(found: Sequence[TimedConvolution]) -> float:
    """Return the geometric mean of how much longer the chosen kernels take, as a share."""
    return statistics.geometric_mean([1 + each.excess for each in found]) - 1


def fitted(found: Sequence[TimedConvolution]) -> KernelCosts:
    """Return costs by which faster kernels would be chosen, changing one cost after the other."""
    best = choice.COSTS
    least = mean_excess(found)
    for _ in range(PASSES):
        for name in KernelCosts._fields:
            for factor in FACTORS:
                tried = best._replace(**{name: round(getattr(best, name) * factor, 3)})
                with costs(tried):
                    excess = mean_excess(found)
                if excess < least - BETTER:
                    best, least = tried, excess
    return best


def costs(tried: KernelCosts) -> AbstractContextManager[Any]:
    """Return a context in which estimates use other costs."""
    return patch.object(choice, "COSTS", tried)
