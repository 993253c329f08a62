"""Analysis of which pairs of classic mistakes the gradient checker's probes can distinguish."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np

from chainrule.check import derivatives, probes
from chainrule.check.diagnoses import EXACT, mistakes_for
from chainrule.check.diagnoses.truth import GroundTruth, layer_truth, loss_truth, nearly_equal
from chainrule.check.subjects import LayerSubject, LossSubject, MulticlassHinge
from chainrule.engines.protocol import Array
from chainrule.errors import ShapeError
from chainrule.layers import Layer

Results = list[list[Array]]  # results by probe and variant of a mistake


def inseparable(
    subject: Layer | str, shape: tuple[int, ...] = (), seed: int = 0, further: int = 0
) -> list[tuple[str, str, str]]:
    """Return (tensor, first mistake, second mistake) of all pairs that have the same wrong results on every probe.

    subject  a layer, or the name of a loss
    further  number of random probes in addition to those of the checker, which contain random values in several batch
             sizes and shapes, integers with many ties, and values far from zero
    """
    pairs: list[tuple[str, str, str]] = []
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
            if name != other and _agree(results, other_results, right):
                pairs.append((tensor, name, other))
    return pairs


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
