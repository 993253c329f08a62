"""The pairs of classic mistakes that no probe of a layer tells apart."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np

from chainrule.check import kinks, probes
from chainrule.check.diagnoses import mistakes_for, of_layer
from chainrule.check.diagnoses.truth import GroundTruth, Mistake, same
from chainrule.check.subjects import LayerSubject
from chainrule.engines import Array
from chainrule.errors import ShapeError
from chainrule.layers import Layer

EXACT = 1e-9


def inseparable(layer: Layer, shape: tuple[int, ...], seed: int = 0) -> list[tuple[str, str, str]]:
    """Return (tensor, name, other name) of each two mistakes with equal wrong results on every probe of a layer.

    The probes are those of a check: random values in several batch sizes and shapes, and whole numbers full of ties.
    """
    first, *others = _truths(layer, shape, seed)
    truths, found = [first, *(one for one in others if one.operation == first.operation)], list[tuple[str, str, str]]()
    for tensor in ("y", *first.gradients):
        right = [truth.expected(tensor) for truth in truths]
        results = [
            (mistake.diagnosis.name, [_variants(mistake, truth) for truth in truths])
            for mistake in mistakes_for(first.operation, tensor)
        ]
        found += [
            (tensor, name, other)
            for (name, one), (other, two) in combinations(results, 2)
            if name != other and _agree(one, two, right)
        ]
    return found


def _truths(layer: Layer, shape: tuple[int, ...], seed: int) -> Iterator[GroundTruth]:
    generator, count = np.random.default_rng(seed), probes.samples(shape)
    own = LayerSubject(layer, shape, engine="reference")
    for there, samples in ((shape, count), (shape, count + 1), (probes.larger(shape), count + 1)):
        try:
            subject = LayerSubject(layer, there, engine="reference")
        except ShapeError:
            continue
        if subject.parameters == own.parameters:
            values = probes.values(there, subject.parameters, samples, seed)
            yield of_layer(subject, values, generator.normal(size=(samples, *subject.output_shape)))
    values = probes.values(shape, own.parameters, count, seed)
    for x in (kinks.tied_integers(values["x"].shape, generator), probes.far(values["x"].shape, generator)):
        yield of_layer(own, {**values, "x": x}, generator.normal(size=(count, *own.output_shape)))


def _agree(first: list[list[Array]], second: list[list[Array]], right: Sequence[Array]) -> bool:
    """Return whether a variant of one mistake and one of another are equal on every probe, and wrong on one.

    first, second   results by probe and variant
    """
    pairs = product(*(range(min(map(len, results))) for results in (first, second)))
    return any(
        all(same(found[one], others[other], EXACT) for found, others in zip(first, second, strict=True))
        and not all(same(found[one], expected, EXACT) for found, expected in zip(first, right, strict=True))
        for one, other in pairs
    )


def _variants(mistake: Mistake, truth: GroundTruth) -> list[Array]:
    try:
        return list(mistake.build(truth))
    except (ValueError, IndexError):
        return []
