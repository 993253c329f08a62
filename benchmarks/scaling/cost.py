"""Model of the cost of a step on several machines, based on measured times."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

SHARDS = 8  # shards per batch, unless there are more machines
BATCHES = [2**k for k in range(3, 17)]


@dataclass(frozen=True)
class Link:
    """A connection between two machines.

    latency    seconds until the first byte of a message arrives
    bandwidth  bytes per second
    """

    latency: float
    bandwidth: float

    def seconds(self, size: int) -> float:
        """Return the time of a message of `size` bytes in seconds."""
        return self.latency + size / self.bandwidth

    @staticmethod
    def fitted(small: tuple[int, float], large: tuple[int, float]) -> "Link":
        """Return the link that fits the measurements (bytes, seconds) of a small and a large message."""
        bandwidth = (large[0] - small[0]) / max(large[1] - small[1], 1e-12)
        return Link(max(small[1] - small[0] / bandwidth, 0.0), bandwidth)


@dataclass(frozen=True)
class StepCost:
    """Cost of the steps of a network on one thread, in seconds.

    sample    forward and backward per sample
    shard     overhead per shard of a batch
    fixed     everything else, such as the update, on each machine
    gradient  size of the gradient in bytes
    exchanges  number of exchanges of small arrays within a step, two per batch normalization
    """

    sample: float
    shard: float
    fixed: float
    gradient: int
    exchanges: int

    def alone(self, batch: int) -> float:
        """Return the time of a step in one process without shards, in seconds."""
        return self.fixed + self.shard + self.sample * batch

    def seconds(self, batch: int, machines: int, link: Link) -> float:
        """Return the time of a step in shards, in seconds. Each exchange is a tree reduction and a tree broadcast."""
        shards = min(max(SHARDS, machines), batch)
        most = -(-shards // machines)  # largest number of shards on a machine
        hops = 2 * math.ceil(math.log2(machines))
        exchange = hops * (link.seconds(self.gradient) + self.exchanges * link.latency)
        return self.fixed + most * (self.shard + self.sample * batch / shards) + exchange

    def gain(self, batch: int, machines: int, link: Link) -> float:
        """Return the speedup over one process."""
        return self.alone(batch) / self.seconds(batch, machines, link)

    def pays_from(self, machines: int, link: Link, gain: float = 1.0) -> int | None:
        """Return the smallest batch size in `BATCHES` with a speedup of at least `gain`; None if there is none."""
        return next((batch for batch in self._batches(machines) if self.gain(batch, machines, link) >= gain), None)

    def _batches(self, machines: int) -> Iterator[int]:
        return (batch for batch in BATCHES if batch >= machines)
