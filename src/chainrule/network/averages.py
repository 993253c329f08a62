"""Means of the outputs of several layers, such as those of an ensemble: their sum, divided by their number."""

from collections.abc import Sequence

from chainrule.layers import Add, Layer, Rescaling
from chainrule.layers.node import Wiring


def type_of_mean(layers: Sequence[Layer], wiring: Wiring, number: int) -> str:
    """Return the type of the layers whose mean a layer returns; if it returns none, its own type.

    The mean of probabilities consists of probabilities, too.
    """
    layer = layers[number]
    added = wiring.inputs[number][0]
    if not isinstance(layer, Rescaling) or not added or not isinstance(layers[added - 1], Add):
        return type(layer).__name__
    averaged = wiring.inputs[added - 1]
    if layer != Rescaling(1 / len(averaged)) or 0 in averaged:
        return type(layer).__name__
    types = {type_of_mean(layers, wiring, index - 1) for index in averaged}
    if len(types) > 1:
        return type(layer).__name__
    return types.pop()
