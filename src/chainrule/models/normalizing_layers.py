"""Networks that normalize their inputs by their first layers, and the normalization of several inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.core.arrays import Array
from chainrule.data.input_statistics import InputStatistics
from chainrule.data.normalization import JointNormalization, Normalization
from chainrule.layers import Layer
from chainrule.layers.node import Wiring
from chainrule.network.network import Network
from chainrule.network.ports import unpacking_layers

CONSTANT_KINDS = ("affine", "rescaling")  # kinds of layers that normalize with constants
NORMALIZATION_KIND = "norm"


def normalizing_layers(names: Sequence[str], layers: Sequence[Layer], wiring: Wiring) -> tuple[str, ...]:
    """Return the names of the layers that normalize the input; () if another layer reads the input itself."""
    readers = list[str]()
    for name, layer, inputs in zip(names, layers, wiring.inputs, strict=True):
        if 0 not in inputs:
            continue
        if layer.kind not in (*CONSTANT_KINDS, NORMALIZATION_KIND):
            return ()
        readers.append(name)
    return tuple(readers)


def has_constant_normalization(layers: Sequence[Layer], wiring: Wiring, source: int = 0) -> bool:
    """Return whether every layer that reads the input normalizes it with constants, as in its original training.

    source   number of the input in the wiring: 0, or that of an `Unpack` layer
    """
    for layer, inputs in zip(layers, wiring.inputs, strict=True):
        if source in inputs and layer.kind not in CONSTANT_KINDS:
            return False
    return True


def default_kind(network: Network, kind: str, source: int = 0) -> str:
    """Return the default kind of normalization of an input of a network that has none yet.

    It is "none" if the network normalizes the input with constants, as imported networks may do. Weights that were not
    drawn here expect values in their unit: only pixels are then normalized.

    kind     default kind for the values
    source   as in `has_constant_normalization`
    """
    has_weights = kind == "standardize" and not network.untrained
    if has_weights or has_constant_normalization(network.layers, network.wiring, source):
        return "none"
    return kind


def fit_joint(network: Network, arrays: Mapping[str, Array], kind: str | None) -> JointNormalization:
    """Fit a normalization to each of several inputs.

    kind   kind of all normalizations; None: the default kind for each input
    """
    parts = dict[str, Normalization]()
    for (name, array), (index, _) in zip(arrays.items(), unpacking_layers(network.layers), strict=True):
        statistics = InputStatistics(array)
        resolved = kind or default_kind(network, statistics.default_kind, index + 1)
        parts[name] = Normalization.fit(resolved, statistics)
    return JointNormalization.of(parts)
