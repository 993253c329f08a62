"""Layers: hyperparameters, output shapes, parameters and emitted operations, with one file per family.

Shapes are those of one sample, without the batch axis. To *emit* an operation means to add it to the plan of a model
(`core.plan`). Docstrings of `emit` methods give the equations of the emitted operations: y is the layer's output, and
dx is the gradient of the loss with respect to x. x̄ is x padded with zeros, and ⋆ is cross-correlation.

Imports: errors, _io, core, operations, custom.
"""

from typing import Any

from chainrule.errors import FormatError, unknown_name
from chainrule.layers import activations
from chainrule.layers.activations import *  # noqa: F403
from chainrule.layers.base import Layer, Parameter
from chainrule.layers.constants import FixedAffine
from chainrule.layers.convolution import Conv1D, Conv2D, ConvTranspose2D
from chainrule.layers.custom import CustomLayer
from chainrule.layers.dense import Dense
from chainrule.layers.dropout import Dropout
from chainrule.layers.geometry import Crop2D, Flatten, Pad2D, Permute, Reshape
from chainrule.layers.merging import Add, Concatenate, Maximum, Merge, Minimum, Multiply, Slice
from chainrule.layers.node import Input, Node
from chainrule.layers.normalization import (
    BatchNorm1D,
    BatchNorm2D,
    GroupNorm,
    InstanceNorm2D,
    LayerNorm,
    LocalResponseNorm,
)
from chainrule.layers.packing import Pack, Unpack
from chainrule.layers.pooling import (
    AveragePool1D,
    AveragePool2D,
    GlobalAveragePool1D,
    GlobalAveragePool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    MaxPool1D,
    MaxPool2D,
    SumPool1D,
    SumPool2D,
)
from chainrule.layers.resampling import AdaptiveAveragePool2D, Resample2D, UpSample2D

__all__ = [
    "AdaptiveAveragePool2D",
    "Add",
    "AveragePool1D",
    "AveragePool2D",
    "BatchNorm1D",
    "BatchNorm2D",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "ConvTranspose2D",
    "Crop2D",
    "CustomLayer",
    "Dense",
    "Dropout",
    "FixedAffine",
    "Flatten",
    "GlobalAveragePool1D",
    "GlobalAveragePool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GroupNorm",
    "Input",
    "InstanceNorm2D",
    "Layer",
    "LayerNorm",
    "LocalResponseNorm",
    "MaxPool1D",
    "MaxPool2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Node",
    "Pack",
    "Pad2D",
    "Parameter",
    "Permute",
    "Resample2D",
    "Reshape",
    "Slice",
    "SumPool1D",
    "SumPool2D",
    "Unpack",
    "UpSample2D",
    "from_config",
]
__all__ += activations.__all__

NAMED: dict[str, type[Layer]] = {
    name: kind
    for name, kind in sorted(globals().items())
    if isinstance(kind, type) and issubclass(kind, Layer) and kind not in (Layer, CustomLayer, Merge)
}

IN_A_ROW = {  # layers with a single input, except for the one that `Graph` adds
    name: kind for name, kind in NAMED.items() if not issubclass(kind, Merge) and kind is not Unpack
}


def from_config(config: dict[str, Any]) -> Layer:
    """Create a layer from the result of `Layer.to_config`; raise OptionError or FormatError if it is invalid."""
    options = dict(config)
    kind = options.pop("layer", None)
    if not isinstance(kind, str) or kind not in NAMED:
        raise unknown_name("layer", kind, [*NAMED])
    if "activation" in options:
        raise FormatError(f"layer {kind}: the activation must be a layer of its own")
    try:
        return NAMED[kind](**options)
    except (TypeError, AttributeError, OverflowError) as error:
        raise FormatError(f"layer {kind}: {error}") from None
