"""Layers: hyperparameters, output shapes, parameters and emitted operations, with one file per family.

Shapes are those of one sample, without the batch axis. To *emit* an operation means to add it to the plan of a model
(`core.plan`). Docstrings of `emit` methods give the equations of the emitted operations: y is the layer's output, and
dx is the gradient of the loss with respect to x. x̄ is x padded with zeros, and ⋆ is cross-correlation.

Imports: errors, _io, core, operations, custom.
"""

from typing import Any

from chainrule.errors import FormatError, unknown_name
from chainrule.layers import (
    activations,
    constants,
    convolution,
    dense,
    dropout,
    elementary,
    geometry,
    merging,
    normalization,
    pooling,
    rectifiers,
    resampling,
)
from chainrule.layers.activations import *  # noqa: F403
from chainrule.layers.base import Layer
from chainrule.layers.base import Parameter as Parameter
from chainrule.layers.constants import *  # noqa: F403
from chainrule.layers.convolution import *  # noqa: F403
from chainrule.layers.custom import CustomLayer
from chainrule.layers.dense import *  # noqa: F403
from chainrule.layers.dropout import *  # noqa: F403
from chainrule.layers.elementary import *  # noqa: F403
from chainrule.layers.geometry import *  # noqa: F403
from chainrule.layers.merging import *  # noqa: F403
from chainrule.layers.merging import Merge
from chainrule.layers.node import Input
from chainrule.layers.node import Node as Node
from chainrule.layers.normalization import *  # noqa: F403
from chainrule.layers.packing import Pack as Pack
from chainrule.layers.packing import Unpack as Unpack
from chainrule.layers.pooling import *  # noqa: F403
from chainrule.layers.rectifiers import *  # noqa: F403
from chainrule.layers.resampling import *  # noqa: F403

__all__ = ["CustomLayer", "Input"]
__all__ += activations.__all__
__all__ += constants.__all__
__all__ += convolution.__all__
__all__ += dense.__all__
__all__ += dropout.__all__
__all__ += elementary.__all__
__all__ += geometry.__all__
__all__ += merging.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
__all__ += rectifiers.__all__
__all__ += resampling.__all__

NAMED: dict[str, type[Layer]] = {
    name: kind
    for name, kind in sorted(globals().items())
    if isinstance(kind, type) and issubclass(kind, Layer) and kind not in (Layer, CustomLayer, Merge)
}

PEERED = [kind for kind in NAMED.values() if kind.peers != Layer.peers]  # layers with names in other libraries

MERGING = [kind for kind in PEERED if issubclass(kind, Merge)]

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
