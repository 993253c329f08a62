"""The pairs of classic mistakes that the gradient checker's probes tell apart, and those that they do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chainrule import losses, markdown
from chainrule.check import probes
from chainrule.check.diagnoses.separation import MistakePair, pairs
from chainrule.check.hinge import MulticlassHinge

MARKS = ("<!-- separations -->", "<!-- end of separations -->")
RESHAPING = "(moves values)"


@dataclass(frozen=True)
class OperationPairs:
    """The pairs of mistakes in one operation.

    pairs       number of pairs of mistakes in the same tensor
    not_apart   (tensor, mistakes, layers on which both have the same result on every probe)
    """

    operation: str
    pairs: int
    not_apart: tuple[tuple[str, str, str], ...]

    @property
    def cells(self) -> list[str]:
        """The row of the table."""
        told = "; ".join(f"{tensor}: {names}, of {layers}" for tensor, names, layers in self.not_apart)
        return [self.operation, f"{self.pairs:,}", f"{self.pairs - len(self.not_apart):,}", told or "–"]


HEAD = ["operation", "pairs of mistakes", "told apart", "the same on every probe"]


def separations() -> list[OperationPairs]:
    """Return the pairs by operation, on the layers and options at which the checker tries this library."""
    found: dict[str, list[tuple[str, MistakePair]]] = {}
    for layer, shape in probes.LAYERS:
        for pair in pairs(layer, shape):
            found.setdefault(pair.operation, []).append((layer.describe(), pair))
    for name in (*losses.NAMES, MulticlassHinge.name):
        for pair in pairs(name):
            found.setdefault(pair.operation, []).append((name, pair))
    return [_row(operation, named) for operation, named in found.items()]


def _row(operation: str, named: Sequence[tuple[str, MistakePair]]) -> OperationPairs:
    layers: dict[tuple[str, str, str], list[str]] = {}
    for title, pair in named:
        same = layers.setdefault((pair.tensor, pair.first, pair.second), [])
        same += [title] if pair.same_result else []
    kept = {key: titles for key, titles in layers.items() if titles}
    not_apart = tuple(
        (tensor if tensor == "y" else f"d{tensor}", f"{first} and {second}", ", ".join(dict.fromkeys(titles)))
        for (tensor, first, second), titles in kept.items()
    )
    return OperationPairs(operation or RESHAPING, len(layers), not_apart)


def write(rows: Sequence[OperationPairs], page: Path) -> None:
    """Write the table to a page, between its marks."""
    markdown.insert(page, markdown.table([HEAD, *(row.cells for row in rows)]), MARKS)
