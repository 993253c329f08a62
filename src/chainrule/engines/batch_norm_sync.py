"""Synchronization of shards in batch normalization, which needs statistics of the whole batch.

A `sharded` plan runs on each shard as a generator. At each batch normalization, it yields two means per channel over
the shard, (2, C), and receives the means over the whole batch:

    batch_norm      μ and σ²
    batch_norm_dx   offset = mean of dy, and slope = mean of dy (x − μ)/(σ² + ε), with μ and σ² of the whole batch

It then computes y = γ (x − μ)/√(σ² + ε) + β, and dx = γ/√(σ² + ε) · (dy − offset − (x − μ) · slope). The latter equals
`reference.batch_norm_dx` with offset = dβ/M and slope = dγ/(M √(σ² + ε)).
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.plan import Operation, Plan
from chainrule.engines.protocol import Array

Run: TypeAlias = Callable[[str, tuple[Array, ...], Mapping[str, Any]], tuple[Array, ...]]
Exchange: TypeAlias = Generator[Array, Array, tuple[Array, ...]]


@dataclass(frozen=True)
class SyncPoint:
    """A synchronization point: a point in a plan where the shards of a batch exchange statistics.

    operation  `batch_norm` or `batch_norm_dx` of a plan
    channels   number of channels C
    """

    operation: Operation
    channels: int

    def weighted(self, means: Array, samples: int) -> Array:
        """Return the input of `merge`, (3, C) in float64: the number of samples, and the two means over them."""
        result = np.empty((3, self.channels))
        result[0], result[1:] = samples, means
        return result

    def merge(self, first: Array, second: Array) -> Array:
        """Merge the means over two sets of samples into `first`, and return it.

        The merged variance is the variance around the joint mean.

        Source   Chan, Golub and LeVeque 1979, equation 2.1
        """
        samples = first[0, 0] + second[0, 0]
        second_weight = second[0, 0] / samples
        first_weight = first[0, 0] / samples
        difference = second[1:] - first[1:]
        first[0] = samples
        first[1:] += difference * second_weight
        if self.operation.name == "batch_norm":
            first[2] += difference[0] * difference[0] * (second_weight * first_weight)
        return first


def sync_points(plan: Plan) -> list[SyncPoint]:
    """Return the synchronization points of a plan, in execution order."""
    points: list[SyncPoint] = []
    for operation in plan.operations:
        if operation.name in EXCHANGES:
            x = operation.reads[1 if operation.name == "batch_norm_dx" else 0]
            points.append(SyncPoint(operation, x.shape[0] if x is not None else 0))
    return points


def _batch_norm(run: Run, arrays: tuple[Array, ...], attributes: Mapping[str, Any]) -> Exchange:
    """Compute y, mean and variance of `reference.batch_norm` from the statistics of all shards."""
    x, gamma, beta = arrays
    mean, variance = yield np.stack(run("batch_norm", arrays, attributes)[1:])
    return *run("batch_norm_inference", (x, gamma, beta, mean, variance), attributes), mean, variance


def _batch_norm_dx(run: Run, arrays: tuple[Array, ...], attributes: Mapping[str, Any]) -> Exchange:
    """Compute dx of `reference.batch_norm_dx` as the sum of scaled dy and a normalization of x.

    The normalization of x has the parameters γ′ = −γ · slope and β′ = −offset · γ/√(σ² + ε).
    """
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
