"""Model of the cost of a step on several machines, from measured times."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

SHARDS = 8  # of a batch, unless there are more machines
BATCHES = [2**k for k in range(3, 17)]


@dataclass(frozen=True)
class Link:
    """A connection between two machines.

    latency    seconds until the first byte of a message is there
    bandwidth  bytes per second
    """

    latency: float
    bandwidth: float

    def seconds(self, size: int) -> float:
        """Return the seconds that a message of so many bytes takes."""
        return self.latency + size / self.bandwidth

    @staticmethod
    def fitted(small: tuple[int, float], large: tuple[int, float]) -> "Link":
        """Return the link on which messages of two sizes (bytes, seconds) take these times."""
        bandwidth = (large[0] - small[0]) / max(large[1] - small[1], 1e-12)
        return Link(max(small[1] - small[0] / bandwidth, 0.0), bandwidth)


@dataclass(frozen=True)
class StepCost:
    """Cost of the steps of a network on one thread, in seconds.

    sample    forward and backward, for each sample
    shard     overhead of each shard of a batch
    fixed     everything else, such as the update, which each machine does
    gradient  bytes of the gradient
    meetings  exchanges of small arrays within a step, two for each batch normalization
    """

    sample: float
    shard: float
    fixed: float
    gradient: int
    meetings: int

    def alone(self, batch: int) -> float:
        """Return the seconds of a step in one process, without shards."""
        return self.fixed + self.shard + self.sample * batch

    def seconds(self, batch: int, machines: int, link: Link) -> float:
        """Return the seconds of a step in shards: each exchange is a tree there and a tree back."""
        shards = min(max(SHARDS, machines), batch)
        most = -(-shards // machines)  # shards of the machine that has most of them
        hops = 2 * math.ceil(math.log2(machines))
        exchange = hops * (link.seconds(self.gradient) + self.meetings * link.latency)
        return self.fixed + most * (self.shard + self.sample * batch / shards) + exchange

    def gain(self, batch: int, machines: int, link: Link) -> float:
        """Return how many times as fast as alone a step is."""
        return self.alone(batch) / self.seconds(batch, machines, link)

    def pays_from(self, machines: int, link: Link, gain: float = 1.0) -> int | None:
        """Return the smallest batch, a power of two, at which a step gains as much; None up to the largest tried."""
        return next((batch for batch in self._batches(machines) if self.gain(batch, machines, link) >= gain), None)

    def _batches(self, machines: int) -> Iterator[int]:
        return (batch for batch in BATCHES if batch >= machines)
