"""Tables of all layers, and the creation of a layer from its configuration."""

from typing import Any

from chainrule import layers
from chainrule.errors import FormatError, unknown_name
from chainrule.layers import Layer, activations, elementary, rectifiers
from chainrule.layers.base import Activation
from chainrule.layers.elementary import FakeQuantize, Rescaling
from chainrule.layers.merging import Merge
from chainrule.layers.packing import Pack, Unpack
from chainrule.layers.rectifiers import Clip, PReLU
from chainrule.layers.softmax import LogSoftmax, Softmax

_PUBLIC = {name: getattr(layers, name) for name in layers.public("__all__")}
NAMED: dict[str, type[Layer]] = {
    name: kind
    for name, kind in sorted({**_PUBLIC, "Pack": Pack, "Unpack": Unpack}.items())
    if name not in ("CustomLayer", "Input")
}

PEERED = [kind for kind in NAMED.values() if kind.peers != Layer.peers]  # layers with names in other libraries

MERGING = [kind for kind in PEERED if issubclass(kind, Merge)]

IN_A_ROW = {  # layers with a single input, except for the one that `Graph` adds
    name: kind for name, kind in NAMED.items() if not issubclass(kind, Merge) and name != "Unpack"
}

# Operation → the element-wise layer that emits it.
ELEMENTWISE = {
    kind.kind: kind
    for file in (elementary, rectifiers, activations)
    for kind in vars(file).values()
    if isinstance(kind, type) and issubclass(kind, Activation) and kind is not Activation
}
# Operations that are infinite or undefined for some finite numbers, or that turn rounding errors into steps.
PARTIAL = ("sqrt", "log", "reciprocal", "fake_quantize")
PARTIAL_LAYERS = tuple(ELEMENTWISE[name] for name in PARTIAL)
# Any other operation → layers with different options.
EXAMPLES = {
    name: tuple(kind(**options) for _, options in kind.examples)
    for name, kind in ELEMENTWISE.items()
    if name not in PARTIAL
}
# Names for ``activation=``: the layers without required options.
ACTIVATIONS = {
    kind.__name__: kind
    for kind in (*ELEMENTWISE.values(), Softmax, LogSoftmax, PReLU)
    if kind not in (Clip, FakeQuantize, Rescaling)
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
