"""Weights that layers taken from a trained network carry into another network.

>>> Sequential([*trained.layers[:-2], Dense(3), Softmax()], (1, 28, 28))
"""

from collections.abc import Iterator, Sequence

from chainrule.core.shapes import text
from chainrule.data.normalization import Normalization
from chainrule.engines.protocol import Array
from chainrule.errors import ShapeError
from chainrule.layers import Layer
from chainrule.layers.node import Wiring
from chainrule.network.flat_buffers import FlatBuffers, Origin


def inherit(
    layers: Sequence[Layer],
    wiring: Wiring,
    buffers: FlatBuffers,
    channels: int,
    normalization: Normalization | None,
) -> tuple[str, ...]:
    """Copy the weights that layers carry to the buffers of a new network, and return the names of these layers.

    channels        number of channels of the network's only input; 0 for several inputs
    normalization   the network's; None: that of the trained network, if its first layers read the input

    Errors   ShapeError for weights of another shape
    """
    inherited: dict[str, None] = {}
    weights = buffers.views(buffers.shown())
    for layer, name in zip(layers, wiring.names, strict=True):
        for own, values in _carried(layer.origin):
            target = weights.get(f"{name}.{own}", values)  # a layer that shares parameters has none
            if target.shape != values.shape:
                raise ShapeError(
                    f"{name}.{own} of the trained network is {text(values.shape)}, and this input needs "
                    f"{text(target.shape)}; for new weights, create the layer: {layer.describe()}"
                )
            target[...] = values
            inherited[name] = None
    buffers.untrained = None if inherited else True
    if normalization is None:
        buffers.normalization = _normalization(layers, wiring, channels) or buffers.normalization
    return tuple(inherited)


def _carried(origin: Origin | None) -> Iterator[tuple[str, Array]]:
    """Yield the names and values of a layer's weights; nothing if it is of no network or of an untrained one."""
    if origin is None or origin.buffers.untrained:
        return
    for name, value in origin.buffers.views(origin.buffers.parameters).items():
        layer, _, own = name.rpartition(".")
        if layer == origin.name:
            yield own, value


def _normalization(layers: Sequence[Layer], wiring: Wiring, channels: int) -> Normalization | None:
    """Return the normalization of the trained network whose first layers read the input, if the channels agree."""
    origins = list[Origin | None]()
    for layer, inputs in zip(layers, wiring.inputs, strict=True):
        if 0 in inputs:
            origins.append(layer.origin)
    first = origins[0]
    if first is None or first.buffers.untrained:
        return None
    if channels == 0 or first.channels != channels:
        return None
    for origin in origins:
        if origin is None or origin.buffers is not first.buffers or not origin.channels:
            return None
    return first.buffers.normalization
