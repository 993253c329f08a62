"""Layers: hyperparameters, output shapes, parameters and emitted operations, with one file per family.

Shapes are those of one sample, without the batch axis. To *emit* an operation means to add it to the plan of a model
(`core.plan`). Docstrings of `emit` methods give the equations of the emitted operations: y is the layer's output, and
dx is the gradient of the loss with respect to x. x̄ is x padded with zeros, and ⋆ is cross-correlation.

Imports: errors, _io, core, custom.
"""

import importlib
from typing import TYPE_CHECKING, Any

from chainrule.core.lazy_methods import module_attributes
from chainrule.layers.base import Layer as Layer
from chainrule.layers.base import Parameter as Parameter
from chainrule.layers.node import Input as Input
from chainrule.layers.node import Node as Node

if TYPE_CHECKING:
    from chainrule.layers import (
        activations,
        constants,
        convolution,
        custom,
        dense,
        dropout,
        elementary,
        geometry,
        merging,
        normalization,
        pooling,
        rectifiers,
        resampling,
        softmax,
    )
    from chainrule.layers.activations import *  # noqa: F403
    from chainrule.layers.constants import *  # noqa: F403
    from chainrule.layers.convolution import *  # noqa: F403
    from chainrule.layers.custom import *  # noqa: F403
    from chainrule.layers.dense import *  # noqa: F403
    from chainrule.layers.dropout import *  # noqa: F403
    from chainrule.layers.elementary import *  # noqa: F403
    from chainrule.layers.geometry import *  # noqa: F403
    from chainrule.layers.kinds import ACTIVATIONS as ACTIVATIONS
    from chainrule.layers.kinds import IN_A_ROW as IN_A_ROW
    from chainrule.layers.kinds import MERGING as MERGING
    from chainrule.layers.kinds import NAMED as NAMED
    from chainrule.layers.kinds import PEERED as PEERED
    from chainrule.layers.kinds import from_config as from_config
    from chainrule.layers.merging import *  # noqa: F403
    from chainrule.layers.normalization import *  # noqa: F403
    from chainrule.layers.pooling import *  # noqa: F403
    from chainrule.layers.rectifiers import *  # noqa: F403
    from chainrule.layers.resampling import *  # noqa: F403
    from chainrule.layers.softmax import *  # noqa: F403

    __all__ = ["Input"]
    __all__ += activations.__all__
    __all__ += constants.__all__
    __all__ += convolution.__all__
    __all__ += custom.__all__
    __all__ += dense.__all__
    __all__ += dropout.__all__
    __all__ += elementary.__all__
    __all__ += geometry.__all__
    __all__ += merging.__all__
    __all__ += normalization.__all__
    __all__ += pooling.__all__
    __all__ += rectifiers.__all__
    __all__ += resampling.__all__
    __all__ += softmax.__all__

# Files are imported in this order until one has a name, so that those of usual layers come first
FAMILIES = (
    "rectifiers",
    "softmax",
    "dense",
    "convolution",
    "pooling",
    "activations",
    "elementary",
    "geometry",
    "dropout",
    "normalization",
    "merging",
    "resampling",
    "constants",
    "custom",
)
public, __dir__ = module_attributes(__name__, {"node": "Input", **dict.fromkeys(FAMILIES, "")})
_KINDS = ("ACTIVATIONS", "IN_A_ROW", "MERGING", "NAMED", "PEERED", "from_config")  # names in `kinds`


def __getattr__(name: str) -> Any:
    """Import a name on first use."""
    if name in _KINDS:
        return getattr(importlib.import_module(f"{__name__}.kinds"), name)
    return public(name)
