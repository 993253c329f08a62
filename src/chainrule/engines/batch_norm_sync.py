"""Meetings of the shards of a batch: where an operation needs the whole batch, and each shard has some of its samples.

A plan that is `sharded` runs for one shard as a generator. In batch normalization it yields two means for each channel
over the cells of its samples, (2, C), and is sent those of the whole batch:

    batch_norm      μ and σ²
    batch_norm_dx   level = mean of dy, and tilt = mean of dy (x − μ)/(σ² + ε), with μ and σ² of the whole batch

with which it goes on: y = γ (x − μ)/√(σ² + ε) + β, and dx = γ/√(σ² + ε) · (dy − level − (x − μ) · tilt), which is
`reference.batch_norm_dx` with level = dβ/M and tilt = dγ/(M √(σ² + ε)).
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Operation, Plan

Array: TypeAlias = NDArray[Any]
Run: TypeAlias = Callable[[str, tuple[Array, ...], Mapping[str, Any]], tuple[Array, ...]]
Exchange: TypeAlias = Generator[Array, Array, tuple[Array, ...]]


@dataclass(frozen=True)
class SyncPoint:
    """What the shards of a batch exchange for an operation.

    operation  `batch_norm` or `batch_norm_dx` of a plan
    channels   number of channels C
    """

    operation: Operation
    channels: int

    def weighted(self, means: Array, samples: int) -> Array:
        """Return the means over so many samples as what `join` takes, (3, C), float64: samples, and the means."""
        result = np.empty((3, self.channels))
        result[0], result[1:] = samples, means
        return result

    def merge(self, first: Array, second: Array) -> Array:
        """Return the means over the samples of both, in the first array; a variance is about the mean of both.

        Source   Chan, Golub and LeVeque 1979, equation 2.1
        """
        samples = first[0, 0] + second[0, 0]
        second_weight, first_weight = second[0, 0] / samples, first[0, 0] / samples
        difference = second[1:] - first[1:]
        first[0] = samples
        first[1:] += difference * second_weight
        if self.operation.name == "batch_norm":
            first[2] += difference[0] * difference[0] * (second_weight * first_weight)
        return first


def sync_points(plan: Plan) -> list[SyncPoint]:
    """Return the meetings of a plan, in the order in which its shards come to them."""
    points: list[SyncPoint] = []
    for operation in plan.operations:
        if operation.name in EXCHANGES:
            x = operation.reads[1 if operation.name == "batch_norm_dx" else 0]
            points.append(SyncPoint(operation, x.shape[0] if x is not None else 0))
    return points


def _batch_norm(run: Run, arrays: tuple[Array, ...], attributes: Mapping[str, Any]) -> Exchange:
    """Compute y, mean and variance of `reference.batch_norm`."""
    x, gamma, beta = arrays
    mean, variance = yield np.stack(run("batch_norm", arrays, attributes)[1:])
    return *run("batch_norm_inference", (x, gamma, beta, mean, variance), attributes), mean, variance


def _batch_norm_dx(run: Run, arrays: tuple[Array, ...], attributes: Mapping[str, Any]) -> Exchange:
    """Compute dx of `reference.batch_norm_dx`: −γ·tilt and −scale·level are γ and β of a normalization, added to it."""
    dy, x, gamma, mean, variance = arrays
    inverse = 1 / np.sqrt(variance + attributes["epsilon"])
    dgamma, dbeta = run("batch_norm_dw", (dy, x, mean, variance), attributes)
    count = x.size // x.shape[1]
    offset, slope = yield np.stack([dbeta / count, dgamma * inverse / count])
    scaled = run("batch_norm_inference_dx", (dy, gamma, variance), attributes)
    normalization_inputs = (x, -gamma * slope, -gamma * inverse * offset, mean, variance)
    return run("add", (*scaled, *run("batch_norm_inference", normalization_inputs, attributes)), {})


EXCHANGES: dict[str, Callable[[Run, tuple[Any, ...], Mapping[str, Any]], Exchange]] = {
    "batch_norm": _batch_norm,
    "batch_norm_dx": _batch_norm_dx,
}
