"""Tables of all layers, and the creation of a layer from its configuration."""

from importlib import import_module
from typing import Any

from chainrule.errors import FormatError, unknown_name
from chainrule.layers import FAMILIES, Layer
from chainrule.layers.merging import Merge
from chainrule.layers.packing import Pack, Unpack

_FILES = [import_module(f"chainrule.layers.{family}") for family in FAMILIES]
_PUBLIC: list[type[Layer]] = [getattr(file, name) for file in _FILES for name in file.__all__ if name != "CustomLayer"]

NAMED: dict[str, type[Layer]] = {
    kind.__name__: kind for kind in sorted([*_PUBLIC, Pack, Unpack], key=lambda kind: kind.__name__)
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
