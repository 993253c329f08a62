"""The shapes and parameters that follow from layers and an input shape, checked before anything is allocated."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.core.shapes import text
from chainrule.errors import (
    OptionError,
    ShapeError,
    quoted,
)
from chainrule.layers import CustomLayer, Layer, node
from chainrule.layers.base import Parameter
from chainrule.layers.custom import is_custom
from chainrule.layers.node import Wiring
from chainrule.models import serialization

MAX_PARAMETERS = 2**28  # parameters of a network, or what a layer gives for a sample: a gigabyte in float32


def parameter_count_of(about: Mapping[str, Any]) -> int:
    """Return how many parameters a network learns that `Network.architecture` described; nothing is allocated."""
    found, shape = serialization.layers_from(about["layers"]), checked_shape(about["input_shape"])
    wiring = serialization.wiring_from(about["wiring"], len(found)) if "wiring" in about else node.chain(found)
    table = shapes_and_parameters(found, wiring, shape)[1]
    return sum(math.prod(parameter.shape) for parameter in table.values() if parameter.trained)


def shapes_and_parameters(
    found: Sequence[Layer], wiring: Wiring, shape: tuple[int, ...]
) -> tuple[list[tuple[int, ...]], dict[str, Parameter]]:
    """Return the output shape of each layer, in order, and all parameters by full name (conv1.w).

    Errors   ShapeError where a layer does not fit what it reads, or one whose parameters another shares
    """
    shapes, table, total = [shape], dict[str, Parameter](), 0
    for number, (name, layer, inputs) in enumerate(zip(wiring.names, found, wiring.inputs, strict=True)):
        read = [shapes[each] for each in inputs]
        shapes.append(layer.joint_shape(read, name))
        if math.prod(shapes[-1]) > MAX_PARAMETERS:
            raise ShapeError(f"{name} gives {text(shapes[-1])} numbers per sample; expected at most {MAX_PARAMETERS:,}")
        owner = wiring.names[wiring.owners[number]]
        for parameter in layer.parameters(read[0], name):
            known = table.setdefault(f"{owner}.{parameter.name}", parameter)
            if known.shape != parameter.shape:
                raise ShapeError(
                    f"{name} cannot share {owner}.{parameter.name}: it is {text(known.shape)}, "
                    f"and this input needs {text(parameter.shape)}"
                )
            total += math.prod(parameter.shape) if known is parameter else 0
    if total > MAX_PARAMETERS:
        raise ShapeError(f"the layers have {total:,} parameters; expected at most {MAX_PARAMETERS:,}")
    return shapes[1:], table


def checked_layers(given: Sequence[Any]) -> tuple[Layer, ...]:
    """Return the layers; an object of the user's own with `forward` and `backward` is wrapped in a `CustomLayer`."""
    found = tuple(layer if isinstance(layer, Layer) or not is_custom(layer) else CustomLayer(layer) for layer in given)
    if not found:
        raise OptionError("a model needs at least one layer")
    for place, layer in enumerate(found):
        if not isinstance(layer, Layer):
            raise OptionError(f"layer {place + 1} is not a layer but {layer!r}")
    return found


def checked_shape(given: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a sample as whole numbers; ShapeError if it is none or too large."""
    shape = node.checked_shape(given)
    if math.prod(shape) > MAX_PARAMETERS:
        raise ShapeError(f"input_shape {quoted(given)}: expected at most {MAX_PARAMETERS:,} numbers per sample")
    return shape


def checked_seed(seed: Any) -> int:
    """Return the seed; OptionError unless it is a whole number from 0 to 2⁶³ − 1."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise OptionError(f"seed {quoted(seed)}: expected a whole number from 0 to 2⁶³ − 1")
    return seed
