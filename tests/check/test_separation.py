"""No two classic mistakes look the same on all probes of a layer, except where they are the same for that layer."""

import pytest

import chainrule as cr
from chainrule.check import probes
from chainrule.check.diagnoses.separation import inseparable
from chainrule.layers import Layer

# for a window with a side of 2, a division by the other side is exactly twice the right answer, whatever the input
SAME: dict[Layer, list[tuple[str, str, str]]] = {
    cr.AveragePool2D((2, 3), padding=1, count_padding=True): [("x", "average-divided-by-side", "gradient-doubled")],
    cr.AdaptiveAveragePool2D((3, 2)): [("x", "average-divided-by-side", "gradient-doubled")],
    cr.AveragePool2D(2): [("x", "average-divided-by-side", "gradient-doubled")],
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


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: getattr(value, "kind", None))
def test_only_what_is_the_same_cannot_be_told_apart(layer: Layer, shape: tuple[int, ...]) -> None:
    assert inseparable(layer, shape) == SAME.get(layer, [])
