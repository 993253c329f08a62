"""No two classic mistakes give the same results on all test cases of a layer, unless they are equivalent there."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np
import pytest
from check.programs import sampled

import chainrule as cr
from chainrule.check import derivatives, random_inputs
from chainrule.check.diagnoses import EXACT, mistakes_for
from chainrule.check.diagnoses.truth import GroundTruth, layer_truth, loss_truth, nearly_equal
from chainrule.check.library_functions import LibraryLayer, LibraryLoss, MulticlassHinge
from chainrule.engines.protocol import Array
from chainrule.errors import ShapeError
from chainrule.layers import Layer
from chainrule.network.losses import NAMES

# for a window with a side of 2, a division by the other side is exactly twice the right answer, whatever the input
DOUBLED = [("x", "average-divided-by-side", "gradient-doubled")]
SAME: dict[Layer, list[tuple[str, str, str]]] = {
    cr.AveragePool2D((2, 3), padding=1, count_padding=True): DOUBLED,
    cr.AdaptiveAveragePool2D((3, 2)): DOUBLED,
    cr.AveragePool2D(2): DOUBLED,
}
LAYERS = [
    *random_inputs.LAYERS,
    (cr.AveragePool2D(2), (3, 6, 4)),
    (cr.AveragePool2D(3), (3, 6, 9)),
    (cr.MaxPool2D(2), (3, 6, 4)),
    (cr.MaxPool2D(3, stride=2), (3, 7, 9)),
    (cr.Conv2D(4, 3, padding=1), (3, 5, 6)),
    (cr.Conv2D(4, 3, stride=2, padding=1), (3, 7, 9)),
]


def layer_truths(layer: Layer, shape: tuple[int, ...]) -> Iterator[GroundTruth]:
    """Yield the right results on test cases: random values in several sizes, many ties, and values far from zero."""
    generator, count = np.random.default_rng(0), random_inputs.batch_size(shape)
    original = LibraryLayer(layer, shape, engine="reference")
    sizes = [(shape, count), (shape, count + 1), (random_inputs.larger_shape(shape), count + 1)]
    for seed, (size, samples) in enumerate(sizes):
        try:
            subject = LibraryLayer(layer, size, engine="reference")
        except ShapeError:
            continue
        if subject.parameters == original.parameters:
            values = random_inputs.draw_values(size, subject.parameters, samples, seed)
            yield layer_truth(subject, values, generator.normal(size=(samples, *subject.output_shape)))
    values = random_inputs.draw_values(shape, original.parameters, count, 0)
    for draw in (derivatives.tied_integers, random_inputs.spread_values):
        x, dy = draw(values["x"].shape, generator), generator.normal(size=(count, *original.output_shape))
        yield layer_truth(original, {**values, "x": x}, dy)


def loss_truths(name: str) -> Iterator[GroundTruth]:
    hinge = name == MulticlassHinge.name
    subject = MulticlassHinge() if hinge else LibraryLoss(name, engine="reference")
    for seed in range(2):
        yield loss_truth(subject, random_inputs.draw_predictions(name, seed, hinge), np.array(1.0))


def same(first: Sequence[Array], second: Sequence[Array]) -> bool:
    return all(nearly_equal(result, other, EXACT) for result, other in zip(first, second, strict=True))


def inseparable(truths: Iterator[GroundTruth]) -> list[tuple[str, str, str]]:
    """Return (tensor, first mistake, second mistake) of all pairs with variants that agree on every test case."""
    pairs, first = list[tuple[str, str, str]](), next(truths)
    probed = [first, *(truth for truth in truths if truth.operations == first.operations)]
    for tensor in ("y", *first.gradients):
        right, wrong = [truth.expected(tensor) for truth in probed], list[tuple[str, list[tuple[Array, ...]]]]()
        for mistake in mistakes_for(first, tensor):
            variants = [*zip(*(mistake.results(truth) for truth in probed), strict=False)]
            if variants and not same(variants[0], right):
                wrong.append((mistake.diagnosis.name, variants))
        pairs += [
            (tensor, name, other)
            for (name, variants), (other, others) in combinations(wrong, 2)
            if name != other and any(same(*both) and not same(both[0], right) for both in product(variants, others))
        ]
    return [*dict.fromkeys(pairs)]


@pytest.mark.parametrize(
    ("layer", "shape"),
    sampled(LAYERS, 4),
    ids=lambda value: getattr(value, "kind", None),
)
def test_only_what_is_the_same_cannot_be_told_apart(layer: Layer, shape: tuple[int, ...]) -> None:
    """Ignore other names of a mistake: a return in a loop has one summand; a missing derivative is a slope of 1."""
    found = dict.fromkeys(inseparable(layer_truths(layer, shape)))  # a name may have several edits
    pairs = [pair for pair in found if "return-in-loop" not in pair]
    assert [pair for pair in pairs if pair != ("x", "derivative-missing", "slope-wrong")] == SAME.get(layer, [])


@pytest.mark.parametrize("loss", [*NAMES, MulticlassHinge.name])
def test_the_mistakes_of_a_loss_are_told_apart(loss: str) -> None:
    assert inseparable(loss_truths(loss)) == []
