"""Matching of the tensors of a file with the parameters of a network.

Layers are matched by name, after a common prefix is removed. The others are matched by role and shape where only one
layer on each side has them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import dropwhile, product
from typing import Any

from chainrule.core.arrays import Shape
from chainrule.core.shapes import text
from chainrule.errors import FormatError, OptionError, one_line, quoted
from chainrule.interop.names import NAMES, inverted

MAX_LISTED, MAX_NAME = 3, 30  # layers in a message, and characters of a layer's name
ADVICE = "pass mapping={'HERE': 'THERE'} (--map HERE=THERE)"
WRAPPERS = ("module", "orig", "mod", "model")  # parts of "module.", "_orig_mod." and "model.", which wrappers add
ROLES = inverted(NAMES.roles)  # last part of a tensor's name → its role in the layer


@dataclass
class LayerTensors:
    """The tensors of a layer.

    tensors   role → (name, shape). The role is the tensor's purpose in the layer, such as "w"; see `ROLES`
    """

    layer: str
    tensors: dict[str, tuple[str, Shape]] = field(default_factory=dict[str, tuple[str, Shape]])

    @property
    def signature(self) -> tuple[Any, ...]:
        """Roles and shapes of the layer's tensors."""
        return tuple((role, shape) for role, (_, shape) in sorted(self.tensors.items()))


def match(
    parameters: Mapping[str, Shape],
    tensors: Mapping[str, Shape],
    mapping: Mapping[str, str] | None = None,
    invented: Collection[str] = (),
) -> dict[str, str]:
    """Return a mapping from the names of a model's parameters to the names of tensors, in the model's order.

    parameters   shapes of the parameters by name, in the model's order
    tensors      shapes of the tensors by name, in the file's order
    mapping      known pairs: parameter → tensor, or the model's layer → the file's layer
    invented     names of the model's layers that have no meaning in the file

    Errors       FormatError for a layer without a counterpart, OptionError for an unknown name in the mapping
    """
    model_layers, file_layers = groups(parameters), groups(tensors)
    named = [group for group in model_layers if group.layer not in invented]
    counterparts = _mapped_layers(model_layers, file_layers, mapping or {})
    for _ in range(2):  # the second time, among what remains
        unmatched, candidates = _remaining(named, file_layers, counterparts)
        counterparts |= _pairs_by_name(unmatched, candidates)
    for pair in (_pairs_by_position, _pairs_by_shape):
        if len(counterparts) == len(mapping or {}):  # if some names agree, those of the others mean something else
            counterparts |= pair(*_remaining(model_layers, file_layers, counterparts))
    unmatched, candidates = _remaining(model_layers, file_layers, counterparts)
    if unmatched or candidates:
        raise _without_counterparts(unmatched, candidates, invented)
    return {
        name: counterparts[group.layer].tensors[role][0]
        for group in model_layers
        for role, (name, _) in group.tensors.items()
    }


def _remaining(
    model_layers: Layers, file_layers: Layers, counterparts: Pairs
) -> tuple[list[LayerTensors], list[LayerTensors]]:
    """Return the layers of both sides without a counterpart."""
    matched = counterparts.values()
    unmatched = filter(lambda group: group.layer not in counterparts, model_layers)
    candidates = filter(lambda group: group not in matched, file_layers)
    return [*unmatched], [*candidates]


def groups(shapes: Mapping[str, Shape]) -> list[LayerTensors]:
    """Group tensors by layer, in order. A tensor without a known role, such as a factor, is a layer of its own.

    Axes of size 1 are removed from the shapes of vectors, such as the factors (C, 1, 1) of a layer scale, and of
    kernels, because a matrix that is applied at every position may be a convolution in the other network, and a
    convolution in one dimension one in two dimensions.
    """
    layers: dict[str, LayerTensors] = {}
    for name, shape in shapes.items():
        layer, _, last = name.rpartition(".")
        group = layers.get(layer)
        if last not in ROLES or (group and ROLES[last] in group.tensors):
            layer, last = name, "b"
        layers.setdefault(layer, LayerTensors(layer)).tensors[ROLES[last]] = (name, _significant(shape))
    return list(layers.values())


def _significant(shape: Shape) -> Shape:
    """Return a shape without axes of length 1 around a vector, or before the first side of a kernel above 1."""
    sizes = tuple(size for size in shape if size > 1)
    if len(sizes) < 2:
        return sizes or (1,)
    return (*shape[:2], *dropwhile((1).__eq__, shape[2:]))


Layers = Sequence[LayerTensors]
Pairs = dict[str, LayerTensors]  # name of a model's layer → the file's layer


def _pairs(own: Layers, own_keys: Sequence[Any], others: Layers, other_keys: Sequence[Any]) -> Pairs:
    """Return the layers that have equal keys, roles and shapes, unless several layers on a side have them."""
    sides = dict[Any, list[LayerTensors]](), dict[Any, list[LayerTensors]]()
    for side, layers, keys in zip(sides, (own, others), (own_keys, other_keys), strict=True):
        for group, key in zip(layers, keys, strict=True):
            side.setdefault((key, group.signature), []).append(group)
    pairs = ((groups, sides[1].get(key, [])) for key, groups in sides[0].items())
    return {groups[0].layer: others_alike[0] for groups, others_alike in pairs if len(groups) == len(others_alike) == 1}


def _pairs_by_name(model_layers: Layers, file_layers: Layers) -> Pairs:
    """Return the layers with equal names.

    The prefixes that most names on a side share, such as "module.", are removed if more names are then equal.
    """
    own, others = ([_parts(group.layer) for group in layers] for layers in (model_layers, file_layers))
    best = Pairs()
    for prefix, other_prefix in product(_common_prefixes(own), _common_prefixes(others)):
        names = [_without(parts, other_prefix) for parts in others]
        keys = [_without(parts, prefix) for parts in own]
        # an imported layer called "0.conv" has the name conv_0_conv
        keys = [key if key in names or not key[1:] or not key[1].isdigit() else key[1:] for key in keys]
        best = max(best, _pairs(model_layers, keys, file_layers, names), key=len)
    return best


Parts = tuple[str, ...]  # of a name, divided at dots and underscores


def _parts(name: str) -> Parts:
    return tuple(filter(None, re.split(r"[\W_]+", name, flags=re.ASCII)))


def _without(parts: Parts, prefix: Parts) -> Parts:
    return parts[len(prefix) :] if parts[: len(prefix)] == prefix else parts


def _common_prefixes(names: Sequence[Parts]) -> list[Parts]:
    """Return the beginnings that more than half of the names share, from the empty one to the longest one."""
    counts = Counter(parts[:count] for parts in names for count in range(len(parts)))
    return sorted((prefix for prefix, count in counts.items() if 2 * count > len(names)), key=len) or [()]


def _pairs_by_position(model_layers: Layers, file_layers: Layers) -> Pairs:
    """Return the counterparts of the layers of a PyTorch `Sequential`, whose names are positions: "0", "module.3".

    All shapes must agree in order. Otherwise the result is empty.
    """
    prefix = _common_prefixes([_parts(group.layer) for group in file_layers])[-1]
    positions = [_without(_parts(group.layer), prefix) for group in file_layers]
    is_wrapped = all(part in WRAPPERS or part.isdigit() for part in prefix)
    if not is_wrapped or not all(part.isdigit() for parts in positions for part in parts):
        return {}
    order = sorted(range(len(positions)), key=lambda number: [*map(int, positions[number])])
    numbers = range(len(model_layers))
    pairs = _pairs(model_layers, numbers, [file_layers[number] for number in order], range(len(order)))
    return pairs if len(pairs) == len(model_layers) == len(order) else {}


def _pairs_by_shape(model_layers: Layers, file_layers: Layers) -> Pairs:
    """Return the counterparts of layers whose tensors have roles and shapes that no other layer has."""
    return _pairs(model_layers, [None] * len(model_layers), file_layers, [None] * len(file_layers))


def _without_counterparts(model_layers: Layers, file_layers: Layers, invented: Collection[str]) -> FormatError:
    """Return the error for layers that are left. It lists those whose shapes differ or, if none do, all."""
    counts = [Counter(group.signature for group in layers) for layers in (model_layers, file_layers)]
    differing = {signature for signature in counts[0] | counts[1] if counts[0][signature] != counts[1][signature]}
    sides = list[str]()
    for side, layers in (("the model", model_layers), ("the file", file_layers)):
        shown = [group for group in layers if not differing or group.signature in differing]
        if shown:
            sides.append(f"{listed(shown, _describe)} in {side}")
    problem = "no counterpart" if differing else "equal shapes, and no common names"
    advice = ADVICE
    if not model_layers and any("running_mean" in group.tensors for group in file_layers):
        advice = (
            "the network's file contains batch normalization that was folded into other layers; export it with "
            "training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False"
        )
    elif not differing and invented:
        advice += ", or give the layers the names of the file (name=)"
    return FormatError(f"{problem} for {', and '.join(sides)}; {advice}")


def listed(layers: Layers, describe: Callable[[LayerTensors], str]) -> str:
    """Return the names and descriptions of the first layers, and the number of the others."""
    shown = [f"{one_line(group.layer, MAX_NAME)} {describe(group)}".strip() for group in layers[:MAX_LISTED]]
    more = [f"{len(layers) - MAX_LISTED} more layers"] if len(layers) > MAX_LISTED else []
    return ", ".join([*shown, *more]) or "no layers"


def _describe(group: LayerTensors) -> str:
    return f"({', '.join(f'{role} {text(shape)}' for role, (_, shape) in group.tensors.items())})"


def _mapped_layers(model_layers: Layers, file_layers: Layers, mapping: Mapping[str, str]) -> Pairs:
    """Return the name of a model's layer → the file's layer, from a mapping of names of layers or tensors."""
    in_model, in_file = {group.layer: group for group in model_layers}, {group.layer: group for group in file_layers}
    counterparts = Pairs()
    for model_name, file_name in mapping.items():
        name, other = _layer_of(model_name, in_model), _layer_of(file_name, in_file)
        if name not in in_model or other not in in_file:
            raise OptionError(
                f"mapping {quoted(name)} to {quoted(file_name)}: no such layer in the model or in the file"
            )
        if in_model[name].signature != in_file[other].signature:
            own, others = _describe(in_model[name]), _describe(in_file[other])
            raise FormatError(f"mapping: {name} {own} and {quoted(other)} {others} have different shapes")
        counterparts[name] = in_file[other]
    return counterparts


def _layer_of(name: str, layers: Mapping[str, LayerTensors]) -> str:
    """Return the name of a layer, given this name or the name of one of the layer's tensors."""
    layer, _, tensor = name.rpartition(".")
    return layer if name not in layers and tensor in ROLES else name
