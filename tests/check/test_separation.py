"""No two classic mistakes give the same results on all probes of a layer, unless they are equivalent for that layer."""

import numpy as np
import pytest
from check.programs import sampled
from check.separations import inseparable

import chainrule as cr
from chainrule.check import probes
from chainrule.check.subjects import MulticlassHinge
from chainrule.errors import ShapeError
from chainrule.layers import Layer
from chainrule.network.losses import NAMES
from experiments import configurations

# for a window with a side of 2, a division by the other side is exactly twice the right answer, whatever the input
DOUBLED = [("x", "average-divided-by-side", "gradient-doubled")]
SAME: dict[Layer, list[tuple[str, str, str]]] = {
    cr.AveragePool2D((2, 3), padding=1, count_padding=True): DOUBLED,
    cr.AdaptiveAveragePool2D((3, 2)): DOUBLED,
    cr.AveragePool2D(2): DOUBLED,
}
LAYERS = [
    *probes.LAYERS,
    (cr.AveragePool2D(2), (3, 6, 4)),
    (cr.AveragePool2D(3), (3, 6, 9)),
    (cr.MaxPool2D(2), (3, 6, 4)),
    (cr.MaxPool2D(3, stride=2), (3, 7, 9)),
    (cr.Conv2D(4, 3, padding=1), (3, 5, 6)),
    (cr.Conv2D(4, 3, stride=2, padding=1), (3, 7, 9)),
]


def inseparable_pairs(layer: Layer, shape: tuple[int, ...], further: int = 0) -> list[tuple[str, str, str]]:
    """Return the inseparable pairs, without those of different names for the same mistake.

    A return in a loop is a sum with only one summand. A missing derivative is a slope of 1.
    """
    same = ("x", "derivative-missing", "slope-wrong")
    pairs = inseparable(layer, shape, further=further)
    return [pair for pair in pairs if "return-in-loop" not in pair and pair != same]


@pytest.mark.parametrize(
    ("layer", "shape"),
    sampled(LAYERS, 4),
    ids=lambda value: getattr(value, "kind", None),
)
def test_only_what_is_the_same_cannot_be_told_apart(layer: Layer, shape: tuple[int, ...]) -> None:
    assert inseparable_pairs(layer, shape) == SAME.get(layer, [])


@pytest.mark.parametrize("loss", [*NAMES, MulticlassHinge.name])
def test_the_mistakes_of_a_loss_are_told_apart(loss: str) -> None:
    assert inseparable(loss) == []


def test_no_drawn_probe_tells_apart_what_the_probes_of_a_check_do_not() -> None:
    """Draw layers; mistakes that agree on the probes of a check agree on ten drawn ones, of other shapes and scales."""
    seen = 0
    for number in np.random.default_rng(5).permutation(4000):
        drawn = configurations.draw(5, int(number))
        if np.prod(drawn.shape) > 60 or drawn.layer.kind == "dropout":
            continue
        try:
            there = inseparable_pairs(drawn.layer, drawn.shape)
        except ShapeError:
            continue
        seen += 1
        if isinstance(drawn.layer, cr.AdaptiveAveragePool2D):  # its windows have other sides on the drawn probes
            there = [pair for pair in there if pair not in DOUBLED]
        assert not there or there == inseparable_pairs(drawn.layer, drawn.shape, further=10), drawn
        if seen == 12:
            break
    assert seen == 12
