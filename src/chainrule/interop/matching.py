"""Matching of the tensors of a file with the parameters of a network.

Layers are matched by name, after a common prefix is removed, or by a mapping.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import dropwhile, product
from typing import NamedTuple

from chainrule.core.arrays import Shape
from chainrule.core.shapes import text
from chainrule.errors import FormatError, OptionError, one_line, quoted
from chainrule.interop.names import NAMES, inverted

SCALAR = (1,)  # shape of a number, which is broadcast to any parameter
MAX_LISTED, MAX_NAME = 3, 30  # layers in a message, and characters of a layer's name
ADVICE = "pass mapping={'HERE': 'THERE'} (--map HERE=THERE)"
ROLES = inverted(NAMES.roles)  # last part of a tensor's name → its role in the layer


class NamedShape(NamedTuple):
    """A tensor's name in the file or in the model, and its shape."""

    name: str
    shape: Shape


@dataclass
class LayerTensors:
    """The tensors of a layer by role: the purpose of a tensor in the layer, such as "w"; see `ROLES`."""

    layer: str
    tensors: dict[str, NamedShape] = field(default_factory=dict[str, NamedShape])

    @property
    def signature(self) -> tuple[tuple[str, Shape], ...]:
        """Roles and shapes of the layer's tensors."""
        return tuple((role, tensor.shape) for role, tensor in sorted(self.tensors.items()))

    def fits(self, other: LayerTensors) -> bool:
        """Return whether another layer has the same roles, and the tensors have its shapes or can be broadcast."""
        if self.tensors.keys() != other.tensors.keys():
            return False
        return all(tensor.shape in (other.tensors[role].shape, SCALAR) for role, tensor in self.tensors.items())


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
    model_layers = _groups(parameters)
    file_layers = _groups(tensors)
    named = [group for group in model_layers if group.layer not in invented]
    counterparts = _mapped_layers(model_layers, file_layers, mapping or {})
    for _ in range(2):  # the second time, among what remains
        unmatched, candidates = _remaining(named, file_layers, counterparts)
        counterparts |= _pairs_by_name(unmatched, candidates)
    unmatched, candidates = _remaining(model_layers, file_layers, counterparts)
    if len(unmatched) == len(candidates) == 1 and candidates[0].layer == "" and candidates[0].fits(unmatched[0]):
        counterparts[unmatched[0].layer] = candidates[0]  # weights of the outermost module, which has no name
    elif unmatched or candidates:
        raise _without_counterparts(unmatched, candidates, invented)
    sources: dict[str, str] = {}
    for group in model_layers:
        counterpart = counterparts[group.layer]
        for role, parameter in group.tensors.items():
            sources[parameter.name] = counterpart.tensors[role].name
    return sources


def _remaining(
    model_layers: Layers, file_layers: Layers, counterparts: Pairs
) -> tuple[list[LayerTensors], list[LayerTensors]]:
    """Return the layers of both sides without a counterpart."""
    matched = counterparts.values()
    unmatched = [group for group in model_layers if group.layer not in counterparts]
    candidates = [group for group in file_layers if group not in matched]
    return unmatched, candidates


def _groups(shapes: Mapping[str, Shape]) -> list[LayerTensors]:
    """Group tensors by layer, in order. A tensor without a known role, such as a factor, is a layer of its own.

    Axes of size 1 are removed from the shapes of vectors, such as the factors (C, 1, 1) of a layer scale, and of
    kernels, because a matrix that is applied at every position may be a convolution in the other network, and a
    convolution in one dimension one in two dimensions.
    """
    layers: dict[str, LayerTensors] = {}
    for name, shape in shapes.items():
        layer, _, last = name.rpartition(".")
        role = ROLES.get(last)
        is_taken = layer in layers and role in layers[layer].tensors
        if role is None or is_taken:
            layer = name
            role = "b"
        group = layers.setdefault(layer, LayerTensors(layer))
        group.tensors[role] = NamedShape(name, _significant(shape))
    return list(layers.values())


def _significant(shape: Shape) -> Shape:
    """Return a shape without axes of length 1 around a vector, or before the first side of a kernel above 1."""
    sizes = tuple(size for size in shape if size > 1)
    if len(sizes) < 2:
        return sizes or (1,)
    return (*shape[:2], *dropwhile((1).__eq__, shape[2:]))


Layers = Sequence[LayerTensors]
Pairs = dict[str, LayerTensors]  # name of a model's layer → the file's layer


def _pairs(own: Layers, own_keys: Sequence[Parts], others: Layers, other_keys: Sequence[Parts]) -> Pairs:
    """Return the layers that have equal keys and fit, unless several layers on a side have the key."""
    other_counts = Counter(other_keys)
    own_counts = Counter(own_keys)
    others_by_key = dict(zip(other_keys, others, strict=True))
    pairs = Pairs()
    for key, group in zip(own_keys, own, strict=True):
        if own_counts[key] == other_counts[key] == 1 and others_by_key[key].fits(group):
            pairs[group.layer] = others_by_key[key]
    return pairs


def _pairs_by_name(model_layers: Layers, file_layers: Layers) -> Pairs:
    """Return the layers with equal names.

    The prefixes that most names on a side share, such as "module.", are removed if more names are then equal.
    """
    own = _all_parts(model_layers)
    others = _all_parts(file_layers)
    best = Pairs()
    for own_prefix, other_prefix in product(_common_prefixes(own), _common_prefixes(others)):
        other_keys = [_without(parts, other_prefix) for parts in others]
        own_keys: list[Parts] = []
        for parts in own:
            key = _without(parts, own_prefix)
            is_numbered = len(key) > 1 and key[1].isdigit()
            if key not in other_keys and is_numbered:  # an imported layer called "0.conv" has the name conv_0_conv
                key = key[1:]
            own_keys.append(key)
        pairs = _pairs(model_layers, own_keys, file_layers, other_keys)
        if len(pairs) > len(best):
            best = pairs
    return best


Parts = tuple[str, ...]  # of a name, divided at dots and underscores


def _parts(name: str) -> Parts:
    return tuple(filter(None, re.split(r"[\W_]+", name, flags=re.ASCII)))


def _all_parts(layers: Layers) -> list[Parts]:
    return [_parts(group.layer) for group in layers]


def _without(parts: Parts, prefix: Parts) -> Parts:
    if parts[: len(prefix)] != prefix:
        return parts
    return parts[len(prefix) :]


def _common_prefixes(names: Sequence[Parts]) -> list[Parts]:
    """Return the beginnings that more than half of the names share, from the empty one to the longest one."""
    counts = Counter[Parts]()
    for parts in names:
        for length in range(len(parts)):
            counts[parts[:length]] += 1
    shared = [prefix for prefix, count in counts.items() if 2 * count > len(names)]
    return sorted(shared, key=len) or [()]


def _without_counterparts(model_layers: Layers, file_layers: Layers, invented: Collection[str]) -> FormatError:
    """Return the error for layers that are left. It lists those whose shapes differ or, if none do, all."""
    surplus = Counter[Hashable]()  # how many more layers of a signature the model has than the file
    for group in model_layers:
        surplus[group.signature] += 1
    for group in file_layers:
        surplus[group.signature] -= 1
    shapes_differ = any(surplus.values())
    sides: list[str] = []
    for side, layers in (("the model", model_layers), ("the file", file_layers)):
        shown = [group for group in layers if not shapes_differ or surplus[group.signature]]
        if shown:
            sides.append(f"{_listed(shown)} in {side}")
    problem = "no counterpart"
    advice = ADVICE
    if not shapes_differ:
        problem = "equal shapes, and no common names"
    if not model_layers and any("running_mean" in group.tensors for group in file_layers):
        advice = (
            "the network's file contains batch normalization that was folded into other layers; export it with "
            "training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False"
        )
    elif not shapes_differ and invented:
        advice += ", or give the layers the names of the file (name=)"
    return FormatError(f"{problem} for {', and '.join(sides)}; {advice}")


def _listed(layers: Layers) -> str:
    """Return the names and descriptions of the first layers, and the number of the others."""
    shown: list[str] = []
    for group in layers[:MAX_LISTED]:
        shown.append(f"{one_line(group.layer, MAX_NAME)} {_describe(group)}")
    if len(layers) > MAX_LISTED:
        shown.append(f"{len(layers) - MAX_LISTED} more layers")
    return ", ".join(shown)


def _describe(group: LayerTensors) -> str:
    shapes = [f"{role} {text(tensor.shape)}" for role, tensor in group.tensors.items()]
    return f"({', '.join(shapes)})"


def _mapped_layers(model_layers: Layers, file_layers: Layers, mapping: Mapping[str, str]) -> Pairs:
    """Return the name of a model's layer → the file's layer, from a mapping of names of layers or tensors."""
    in_model = _by_name(model_layers)
    in_file = _by_name(file_layers)
    counterparts = Pairs()
    for model_name, file_name in mapping.items():
        name = _layer_of(model_name, in_model)
        other = _layer_of(file_name, in_file)
        if name not in in_model or other not in in_file:
            raise OptionError(
                f"mapping {quoted(name)} to {quoted(file_name)}: no such layer in the model or in the file"
            )
        own_layer = in_model[name]
        other_layer = in_file[other]
        if not other_layer.fits(own_layer):
            raise FormatError(
                f"mapping: {name} {_describe(own_layer)} and {quoted(other)} {_describe(other_layer)} have different "
                "shapes"
            )
        counterparts[name] = other_layer
    return counterparts


def _by_name(layers: Layers) -> dict[str, LayerTensors]:
    return {group.layer: group for group in layers}


def _layer_of(name: str, layers: Mapping[str, LayerTensors]) -> str:
    """Return the name of a layer, given this name or the name of one of the layer's tensors."""
    layer, _, tensor = name.rpartition(".")
    if name in layers or tensor not in ROLES:
        return name
    return layer
