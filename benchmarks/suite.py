"""The benchmarks by name: kind of work, default networks and default batch sizes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks import imported_networks, peers, steps, subjects
from benchmarks.rows import Row
from benchmarks.setting import Setting

RESNETS = ("resnet-8", "resnet-20")


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of several networks.

    title    heading of the table on the page
    kind     train (training steps) or infer (calls of predict)
    models   default networks
    batches  default batch sizes
    """

    title: str
    kind: str
    models: Sequence[str]
    batches: Sequence[int]

    def rows(
        self, models: Sequence[str], batches: Sequence[int], names: Sequence[str], setting: Setting
    ) -> Iterator[Row]:
        """Time the networks; yield a row per network, batch size and peer. Empty sequences select the defaults."""
        networks = [subjects.find(name) for name in models or self.models]
        names = peers.trained(names) if self.kind == "train" else names
        yield from steps.rows(self.kind, networks, batches or self.batches, names, setting)


BENCHMARKS = {
    "train": Benchmark("A training step", "train", subjects.STANDARD, (1, 32, 128)),
    "infer": Benchmark("A call of `predict`", "infer", (*subjects.TUTORIALS, "vgg-small"), (1, 128)),
    "train-branching": Benchmark("Networks that branch: a training step", "train", RESNETS, (32, 128)),
    "infer-branching": Benchmark("Networks that branch: a call of `predict`", "infer", RESNETS, (1, 32)),
    "imported": Benchmark(
        "Imported networks: a call of `predict`", "infer", tuple(imported_networks.NETWORKS), (1, 16)
    ),
}
