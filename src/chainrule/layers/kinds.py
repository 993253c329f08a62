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


def _named() -> dict[str, type[Layer]]:
    """Return all layers that are not custom code, by name."""
    kinds = dict[str, type[Layer]]()
    for name in sorted([*layers.public("__all__"), "Pack", "Unpack"]):
        if name not in ("CustomLayer", "Input", "Pack", "Unpack"):
            kinds[name] = getattr(layers, name)
    kinds["Pack"] = Pack
    kinds["Unpack"] = Unpack
    return dict(sorted(kinds.items()))


def _elementwise() -> dict[str, type[Activation]]:
    """Return the element-wise layer that emits each operation."""
    kinds = dict[str, type[Activation]]()
    for file in (elementary, rectifiers, activations):
        for kind in vars(file).values():
            if isinstance(kind, type) and issubclass(kind, Activation) and kind is not Activation:
                kinds[kind.kind] = kind
    return kinds


def _examples() -> dict[str, tuple[Activation, ...]]:
    """Return layers with different options for each element-wise operation that is defined for all finite numbers."""
    examples = dict[str, tuple[Activation, ...]]()
    for name, kind in ELEMENTWISE.items():
        if name not in PARTIAL:
            examples[name] = tuple(kind(**options) for _, options in kind.examples)
    return examples


def _activations() -> dict[str, type[Layer]]:
    """Return the layers without required options, by their names for ``activation=``."""
    kinds = dict[str, type[Layer]]()
    for kind in (*ELEMENTWISE.values(), Softmax, LogSoftmax, PReLU):
        if kind not in (Clip, FakeQuantize, Rescaling):
            kinds[kind.__name__] = kind
    return kinds


NAMED = _named()
PEERED = [kind for kind in NAMED.values() if kind.peers != Layer.peers]  # layers with names in other libraries
MERGING = [kind for kind in PEERED if issubclass(kind, Merge)]
# Layers with a single input, except for the one that `Graph` adds.
IN_A_ROW = {name: kind for name, kind in NAMED.items() if not issubclass(kind, Merge) and name != "Unpack"}
ELEMENTWISE = _elementwise()
# Operations that are infinite or undefined for some finite numbers, or that turn rounding errors into steps.
PARTIAL = ("sqrt", "log", "reciprocal", "fake_quantize")
PARTIAL_LAYERS = tuple(ELEMENTWISE[name] for name in PARTIAL)
EXAMPLES = _examples()
ACTIVATIONS = _activations()


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
