"""The pairs of classic mistakes that the gradient checker's probes tell apart, and those that they do not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np

from chainrule.check import derivatives, probes
from chainrule.check.diagnoses import EXACT, layer_truth, loss_truth, mistakes_for
from chainrule.check.diagnoses.truth import GroundTruth, nearly_equal
from chainrule.check.subjects import LayerSubject, LossSubject, MulticlassHinge
from chainrule.engines.protocol import Array
from chainrule.errors import ShapeError
from chainrule.layers import Layer
from chainrule.plotting import markdown
from chainrule.training import losses

MARKS = ("<!-- separations -->", "<!-- end of separations -->")
RESHAPING = "(moves values)"
Results = list[list[Array]]  # by probe and variant of a mistake


@dataclass(frozen=True)
class MistakePair:
    """Two mistakes in a tensor of an operation, and whether some probe gives other results for one than for the other.

    same_result  whether a variant of one and one of the other are equal on every probe
    """

    operation: str
    tensor: str
    first: str
    second: str
    same_result: bool


def pairs(subject: Layer | str, shape: tuple[int, ...] = (), seed: int = 0, further: int = 0) -> Iterator[MistakePair]:
    """Yield each two mistakes that are possible for a layer, or for a loss by name.

    further  drawn probes besides those of a check, which are random values in several batch sizes and shapes, whole
             numbers full of ties, and values far from zero
    """
    first, *others = (
        _of_loss(subject, seed, further) if isinstance(subject, str) else _of_layer(subject, shape, seed, further)
    )
    truths = [first, *(one for one in others if one.operation == first.operation)]
    for tensor in ("y", *first.gradients):
        right, found = [truth.expected(tensor) for truth in truths], list[tuple[str, Results]]()
        for mistake in mistakes_for(first.operation, tensor):
            results = [mistake.results(truth) for truth in truths]
            if any(
                not nearly_equal(one, expected, EXACT) for one, expected in zip(*_first_of(results, right), strict=True)
            ):
                found.append((mistake.diagnosis.name, results))
        for (name, one), (other, two) in combinations(found, 2):
            if name != other:
                yield MistakePair(first.operation, tensor, name, other, _agree(one, two, right))


def inseparable(
    subject: Layer | str, shape: tuple[int, ...] = (), seed: int = 0, further: int = 0
) -> list[tuple[str, str, str]]:
    """Return (tensor, name, other name) of each two mistakes with equal wrong results on every probe."""
    return [(one.tensor, one.first, one.second) for one in pairs(subject, shape, seed, further) if one.same_result]


def _of_layer(layer: Layer, shape: tuple[int, ...], seed: int, further: int) -> Iterator[GroundTruth]:
    generator, count = np.random.default_rng(seed), probes.batch_size(shape)
    own = LayerSubject(layer, shape, engine="reference")
    grown = ((shape[0], *(size + int(generator.integers(4)) for size in shape[1:])) for _ in range(further))
    drawn = [(there, count + turn % 3) for turn, there in enumerate(grown)]
    sizes = [(shape, count), (shape, count + 1), (probes.larger_shape(shape), count + 1), *drawn]
    for turn, (there, samples) in enumerate(sizes):
        try:
            subject = LayerSubject(layer, there, engine="reference")
        except ShapeError:
            continue
        if subject.parameters == own.parameters:
            values = probes.draw_values(there, subject.parameters, samples, seed + turn)
            scale = 10 ** generator.uniform(-1, 1) if turn >= len(sizes) - further else 1.0
            dy = generator.normal(size=(samples, *subject.output_shape))
            yield layer_truth(subject, {**values, "x": scale * values["x"]}, dy)
    values = probes.draw_values(shape, own.parameters, count, seed)
    for x in (
        derivatives.tied_integers(values["x"].shape, generator),
        probes.spread_values(values["x"].shape, generator),
    ):
        yield layer_truth(own, {**values, "x": x}, generator.normal(size=(count, *own.output_shape)))


def _of_loss(name: str, seed: int, further: int) -> Iterator[GroundTruth]:
    hinge = name == MulticlassHinge.name
    subject = MulticlassHinge() if hinge else LossSubject(name, engine="reference")
    for turn in range(2 + further):
        yield loss_truth(subject, probes.draw_predictions(name, seed + turn, hinge), np.array(1.0))


def _first_of(results: Results, right: Sequence[Array]) -> tuple[list[Array], list[Array]]:
    """Return the first variant on every probe where there is one, and the right results there."""
    there = [(variants[0], expected) for variants, expected in zip(results, right, strict=True) if variants]
    return [one for one, _ in there], [expected for _, expected in there]


def _agree(first: Results, second: Results, right: Sequence[Array]) -> bool:
    """Return whether a variant of one mistake and one of another are equal on every probe, and wrong on one."""
    variants = product(*(range(min(map(len, results))) for results in (first, second)))
    return any(
        all(nearly_equal(found[one], others[other], EXACT) for found, others in zip(first, second, strict=True))
        and not all(nearly_equal(found[one], expected, EXACT) for found, expected in zip(first, right, strict=True))
        for one, other in variants
    )


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
        nearly_equal = layers.setdefault((pair.tensor, pair.first, pair.second), [])
        nearly_equal += [title] if pair.same_result else []
    kept = {key: titles for key, titles in layers.items() if titles}
    not_apart = tuple(
        (tensor if tensor == "y" else f"d{tensor}", f"{first} and {second}", ", ".join(dict.fromkeys(titles)))
        for (tensor, first, second), titles in kept.items()
    )
    return OperationPairs(operation or RESHAPING, len(layers), not_apart)


def write(rows: Sequence[OperationPairs], page: Path) -> None:
    """Write the table to a page, between its marks."""
    markdown.insert(page, markdown.table([HEAD, *(row.cells for row in rows)]), MARKS)
