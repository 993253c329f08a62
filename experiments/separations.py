"""Analysis of which pairs of classic mistakes the gradient checker's probes can distinguish."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np

from chainrule.check import derivatives, probes
from chainrule.check.diagnoses import EXACT, mistakes_for
from chainrule.check.diagnoses.truth import GroundTruth, layer_truth, loss_truth, nearly_equal
from chainrule.check.subjects import LayerSubject, LossSubject, MulticlassHinge
from chainrule.engines.protocol import Array
from chainrule.errors import ShapeError
from chainrule.layers import Layer
from chainrule.plotting import markdown
from chainrule.training import losses

MARKS = ("<!-- separations -->", "<!-- end of separations -->")
RESHAPING = "(moves values)"
Results = list[list[Array]]  # results by probe and variant of a mistake


@dataclass(frozen=True)
class MistakePair:
    """A pair of mistakes in the same tensor of an operation.

    same_result  whether the two mistakes have variants with equal results on every probe
    """

    operation: str
    tensor: str
    first: str
    second: str
    same_result: bool


def pairs(subject: Layer | str, shape: tuple[int, ...] = (), seed: int = 0, further: int = 0) -> Iterator[MistakePair]:
    """Yield all pairs of possible mistakes in a layer, or in a loss given by its name.

    further  number of random probes in addition to those of the checker, which contain random values in several batch
             sizes and shapes, integers with many ties, and values far from zero
    """
    first, *others = (
        _of_loss(subject, seed, further) if isinstance(subject, str) else _of_layer(subject, shape, seed, further)
    )
    truths = [first, *(other for other in others if other.operation == first.operation)]
    for tensor in ("y", *first.gradients):
        right, wrong = [truth.expected(tensor) for truth in truths], list[tuple[str, Results]]()
        for mistake in mistakes_for(first.operation, tensor):
            results = [mistake.results(truth) for truth in truths]
            firsts = zip(*_first_of(results, right), strict=True)
            if any(not nearly_equal(result, expected, EXACT) for result, expected in firsts):
                wrong.append((mistake.diagnosis.name, results))
        for (name, results), (other, other_results) in combinations(wrong, 2):
            if name != other:
                yield MistakePair(first.operation, tensor, name, other, _agree(results, other_results, right))


def inseparable(
    subject: Layer | str, shape: tuple[int, ...] = (), seed: int = 0, further: int = 0
) -> list[tuple[str, str, str]]:
    """Return (tensor, first mistake, second mistake) of all pairs that have the same wrong results on every probe."""
    return [(pair.tensor, pair.first, pair.second) for pair in pairs(subject, shape, seed, further) if pair.same_result]


def _of_layer(layer: Layer, shape: tuple[int, ...], seed: int, further: int) -> Iterator[GroundTruth]:
    generator, count = np.random.default_rng(seed), probes.batch_size(shape)
    original = LayerSubject(layer, shape, engine="reference")
    larger_shapes = ((shape[0], *(size + int(generator.integers(4)) for size in shape[1:])) for _ in range(further))
    drawn = [(probe_shape, count + number % 3) for number, probe_shape in enumerate(larger_shapes)]
    sizes = [(shape, count), (shape, count + 1), (probes.larger_shape(shape), count + 1), *drawn]
    for number, (probe_shape, samples) in enumerate(sizes):
        try:
            subject = LayerSubject(layer, probe_shape, engine="reference")
        except ShapeError:
            continue
        if subject.parameters == original.parameters:
            values = probes.draw_values(probe_shape, subject.parameters, samples, seed + number)
            scale = 10 ** generator.uniform(-1, 1) if number >= len(sizes) - further else 1.0
            dy = generator.normal(size=(samples, *subject.output_shape))
            yield layer_truth(subject, {**values, "x": scale * values["x"]}, dy)
    values = probes.draw_values(shape, original.parameters, count, seed)
    for x in (
        derivatives.tied_integers(values["x"].shape, generator),
        probes.spread_values(values["x"].shape, generator),
    ):
        yield layer_truth(original, {**values, "x": x}, generator.normal(size=(count, *original.output_shape)))


def _of_loss(name: str, seed: int, further: int) -> Iterator[GroundTruth]:
    hinge = name == MulticlassHinge.name
    subject = MulticlassHinge() if hinge else LossSubject(name, engine="reference")
    for number in range(2 + further):
        yield loss_truth(subject, probes.draw_predictions(name, seed + number, hinge), np.array(1.0))


def _first_of(results: Results, right: Sequence[Array]) -> tuple[list[Array], list[Array]]:
    """Return the first variant's results and the correct results, for all probes on which the mistake has variants."""
    there = [(variants[0], expected) for variants, expected in zip(results, right, strict=True) if variants]
    return [variant for variant, _ in there], [expected for _, expected in there]


def _agree(first: Results, second: Results, right: Sequence[Array]) -> bool:
    """Return whether both mistakes have variants that are equal on every probe, and wrong on at least one probe."""
    variants = product(*(range(min(map(len, results))) for results in (first, second)))
    return any(
        all(
            nearly_equal(first_variants[first_index], second_variants[second_index], EXACT)
            for first_variants, second_variants in zip(first, second, strict=True)
        )
        and not all(
            nearly_equal(first_variants[first_index], expected, EXACT)
            for first_variants, expected in zip(first, right, strict=True)
        )
        for first_index, second_index in variants
    )


@dataclass(frozen=True)
class OperationPairs:
    """A summary of an operation's pairs of mistakes.

    pairs       number of pairs of mistakes in the same tensor
    not_apart   (tensor, mistakes, layers) for each pair whose results are equal on every probe of these layers
    """

    operation: str
    pairs: int
    not_apart: tuple[tuple[str, str, str], ...]

    @property
    def cells(self) -> list[str]:
        """The operation's row in the table."""
        inseparable_pairs = "; ".join(f"{tensor}: {names}, of {layers}" for tensor, names, layers in self.not_apart)
        return [self.operation, f"{self.pairs:,}", f"{self.pairs - len(self.not_apart):,}", inseparable_pairs or "–"]


HEAD = ["operation", "pairs of mistakes", "distinguished", "equal on every probe"]


def separations() -> list[OperationPairs]:
    """Return the pairs by operation, for the layers and options that the checker uses to test this library."""
    pairs_by_operation: dict[str, list[tuple[str, MistakePair]]] = {}
    for layer, shape in probes.LAYERS:
        for pair in pairs(layer, shape):
            pairs_by_operation.setdefault(pair.operation, []).append((layer.describe(), pair))
    for name in (*losses.NAMES, MulticlassHinge.name):
        for pair in pairs(name):
            pairs_by_operation.setdefault(pair.operation, []).append((name, pair))
    return [_row(operation, named) for operation, named in pairs_by_operation.items()]


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
    """Write the table to a page, between the comments `MARKS`."""
    markdown.insert(page, markdown.table([HEAD, *(row.cells for row in rows)]), MARKS)
