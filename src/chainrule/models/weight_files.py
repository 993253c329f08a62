"""Loading of weights from files of this and other libraries into a network."""

from collections.abc import Mapping
from pathlib import Path

from chainrule.interop import importing
from chainrule.interop.flattening import flattened_shapes, to_channels_first
from chainrule.layers import FixedAffine
from chainrule.network.network import Network


def load_weights(network: Network, path: Path, mapping: Mapping[str, str] | None) -> dict[str, str]:
    """Load weights from a file. Return the name of the tensor in the file for each loaded parameter.

    mapping   known names of layers or parameters: name in the network → name in the file

    The constants of `FixedAffine` are unchanged unless the file contains them by name.

    Errors    FormatError if the file is damaged or its layers do not match; the network is then not modified
    """
    file = importing.read_weights(path)
    constant = {
        name for name, layer in zip(network.names, network.layers, strict=True) if isinstance(layer, FixedAffine)
    }
    required = {
        name: value
        for name, value in network.weights.items()
        if name in file.tensors or name.rpartition(".")[0] not in constant
    }
    source_of = importing.match_weights(path, required, file.tensors, mapping)
    weights = {name: file.tensors[source].reshape(network.weights[name].shape) for name, source in source_of.items()}
    if file.from_keras:
        flattened = flattened_shapes(network.layers, network.wiring, [network.input_shape, *network.shapes])
        weights = {name: to_channels_first(name, value, flattened) for name, value in weights.items()}
    network.set_weights(network.weights | weights)
    return source_of
