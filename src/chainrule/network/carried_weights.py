"""What a network gets from dictionaries of weights, and from layers of a trained network: weights and scaling.

>>> Sequential([*trained.layers[:-2], Dense(3), Softmax()], (1, 28, 28))
>>> features = Graph(x, hidden)  # of a trained Graph(x, y)
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core.arrays import Array, Shape
from chainrule.core.shapes import text
from chainrule.data.normalization import JointNormalization, Normalization
from chainrule.data.sources import as_array
from chainrule.errors import FormatError, OptionError, ShapeError
from chainrule.layers import Layer
from chainrule.layers.base import Parameter
from chainrule.network.fitted import SCALING, UNFITTED
from chainrule.network.flat_buffers import FlatBuffers, Origin
from chainrule.network.plans import Connected
from chainrule.network.ports import Ports
from chainrule.network.scaling import TargetScaling

ADVICE = "pass weights=, or create the layers again"


def checked_weights(weights: Mapping[str, ArrayLike], table: Mapping[str, Parameter]) -> dict[str, Array]:
    """Convert the weights to arrays; FormatError if names or shapes differ from those of a network's ``table``.

    The tensors of a fitted scaling (`fitted.scaling_tensors`) are allowed in addition.
    """
    names = {name for name in weights if name in table or not SCALING.fullmatch(str(name))}
    differing = sorted(table.keys() ^ names)
    if differing:
        raise FormatError(f"weights do not belong to this model: {', '.join(differing[:5])} missing or unknown")
    values = dict[str, Array]()
    for name, parameter in table.items():
        values[name] = as_array(weights[name])
        shape = values[name].shape
        if shape != parameter.shape:
            raise FormatError(f"{name}: expected shape {text(parameter.shape)}, found {text(shape)}")
    return values


class Origins:
    """The networks that use a layer, if it was applied to nodes.

    Trained networks are kept alive, as is the last one.
    """

    def __init__(self, origins: Sequence[Origin] = ()) -> None:
        self._all = list[weakref.ref[Origin]]()
        self._kept = list[Origin]()
        for origin in origins:
            self.add(origin)

    def add(self, origin: Origin) -> None:
        """Add a network."""
        self._kept = [*self.trained, origin]
        self._all.append(weakref.ref(origin))

    @property
    def trained(self) -> list[Origin]:
        """The networks that were trained, or whose weights were set."""
        alive = (reference() for reference in self._all)
        return [origin for origin in alive if origin is not None and origin.buffers.untrained is False]

    def __reduce__(self) -> tuple[object, ...]:
        """Copy or pickle the trained networks."""
        return Origins, (self.trained,)


def remember(applied: Sequence[object], layers: Sequence[Layer]) -> None:
    """Let layers that were applied to nodes know the network with these layers, unless they are another network's."""
    for used, layer in zip(applied, layers, strict=True):
        known = vars(used).setdefault("origin", Origins())
        if isinstance(known, Origins):
            known.add(layer.origin)


class NewNetwork(Connected, Protocol):
    """The parts of a `Network` that decide what its layers bring."""

    shapes: list[Shape]
    input_ports: Ports | None

    @property
    def input_sources(self) -> dict[int, str]: ...


def inherit(network: NewNetwork, buffers: FlatBuffers, normalization: Normalization | None) -> tuple[str, ...]:
    """Copy what layers carry to the buffers of a new network, and return the names of the layers with weights.

    normalization   the network's; None: that of the trained network, if its first layers read the input

    Errors   ShapeError for weights of another shape; OptionError if several trained networks have a layer or an input,
             with different weights or normalizations
    """
    origins = [_origin(layer, name) for layer, name in zip(network.layers, network.names, strict=True)]
    carried: dict[str, Origin] = {}
    weights = buffers.views(buffers.shown())
    for name, origin in zip(network.names, origins, strict=True):
        if origin is None:
            continue
        for own, values in _weights(origin).items():
            target = weights.get(f"{name}.{own}", values)  # a layer that shares parameters has none
            if target.shape != values.shape:
                layer = network.layers[network.names.index(name)]
                raise ShapeError(
                    f"{name}.{own} of the trained network is {text(values.shape)}, and this input needs "
                    f"{text(target.shape)}; for new weights, create the layer: {layer.describe()}"
                )
            target[...] = values
            carried[name] = origin
    if not carried:
        return ()
    buffers.untrained = None
    sources = {id(origin.buffers) for origin in carried.values()}
    known = [origin if origin is not None and id(origin.buffers) in sources else None for origin in origins]
    if normalization is None:
        buffers.normalization = _normalization(network, known)
    buffers.target_scaling = _target_scaling(network, carried)
    return tuple(carried)


def _origin(layer: Layer, name: str) -> Origin | None:
    """Return where the weights of a layer are; None if it is of no trained network."""
    origin = layer.origin
    if origin is None or isinstance(origin, Origin):
        return None if origin is None or origin.buffers.untrained else origin
    trained: list[Origin] = origin.trained
    if not trained:
        return None
    first, *others = trained
    for other in others:
        values = _weights(other)
        if not all(np.array_equal(value, values[own]) for own, value in _weights(first).items()):
            raise OptionError(f"layer {name!r} has different weights in trained networks; {ADVICE}")
    return first


def _weights(origin: Origin) -> dict[str, Array]:
    """Return the weights of a layer by their names within it."""
    weights = dict[str, Array]()
    for name, value in origin.buffers.views(origin.buffers.parameters).items():
        layer, _, own = name.rpartition(".")
        if layer == origin.name:
            weights[own] = value
    return weights


def _normalization(network: NewNetwork, origins: list[Origin | None]) -> Normalization:
    """Return the normalization of a trained network whose layers read all inputs; UNFITTED if there is none.

    origins   of each layer
    """
    sources = network.input_sources
    parts = dict[str, Normalization]()
    for source, name in sources.items():
        shape = [network.input_shape, *network.shapes][source]
        for origin, inputs in zip(origins, network.wiring.inputs, strict=True):
            if origin is None or origin.reads is None or source not in inputs:
                continue
            whole = origin.buffers.normalization
            part = whole.parts.get(origin.reads, whole)
            if np.size(part.gain) in (1, shape[0]) and parts.setdefault(name, part) != part:
                raise OptionError(f"an input has different normalizations in trained networks; {ADVICE}")
    if len(parts) < len(sources) or UNFITTED in parts.values():
        return UNFITTED
    return JointNormalization.of(parts) if network.input_ports else parts[""]


def _target_scaling(network: NewNetwork, carried: dict[str, Origin]) -> TargetScaling | None:
    """Return the scaling of the outputs that layers with carried weights compute; None if there is none."""
    parts = list[TargetScaling | None]()
    for end in network.outputs:
        origin = carried.get(network.names[end.number])
        scaling = origin.buffers.target_scaling if origin and origin.columns else None
        if origin and origin.columns and scaling:
            scaling = TargetScaling(scaling.means[origin.columns], scaling.deviations[origin.columns])
        parts.append(scaling)
    return TargetScaling.joined(parts, [end.shape for end in network.outputs])
