"""Files of other frameworks: whole networks, and weights alone, matched with the parameters of a model.

Tensors are matched with parameters by name where the names agree, else by order, kind and shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from chainrule._io.files import read_safetensors
from chainrule.core.shapes import text
from chainrule.errors import FormatError, OptionError, quoted
from chainrule.interop import torch
from chainrule.interop.assembly import Imported

Array = NDArray[Any]
Shape = tuple[int, ...]

ENDINGS = (".onnx", ".keras", ".h5", ".hdf5")  # of whole networks
TORCH = (".pt", ".pth", ".bin", ".ckpt")
KNOWN = ("safetensors", *(ending[1:] for ending in TORCH))  # of weights alone


def is_network(path: Path) -> bool:
    """Return whether a file describes a whole network, by its name."""
    return path.suffix.lower() in ENDINGS


def read_network(path: Path) -> Imported:
    """Return the network of a file; FormatError for a damaged file, or naming the layer that cannot be expressed."""
    if path.suffix.lower() == ".onnx":
        from chainrule.interop.onnx.importer import read_onnx

        return read_onnx(path)
    from chainrule.interop.keras.importer import read_keras

    return read_keras(path)


def read_weights(path: Path) -> dict[str, Array]:
    """Return the tensors of a file by name: as it lists them, or sorted where a format keeps no order."""
    if path.suffix.lower() in TORCH:
        return torch.read_state(path)
    if path.suffix.lower() != ".safetensors":
        raise FormatError(f"{path}: weights in a file {quoted(path.suffix)}; expected one of {', '.join(KNOWN)}")
    tensors, _ = read_safetensors(path, floats_only=True)
    return {name: tensors[name] for name in sorted(tensors, key=_numbers_in_order)}


def match_weights(
    path: Path, weights: Mapping[str, Array], tensors: Mapping[str, Array], mapping: Mapping[str, str] | None
) -> dict[str, str]:
    """Return the tensor of a file for each parameter of a model; see `match`."""
    here, there = ({name: each.shape for name, each in given.items()} for given in (weights, tensors))
    try:
        return match(here, there, mapping)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def _numbers_in_order(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts layer2 before layer10."""
    return [(int(part), "") if part.isdigit() and len(part) < 19 else (-1, part) for part in re.split(r"(\d+)", name)]


KINDS = {  # the last part of a tensor's name, and what it is here; a weight of one axis is a scale
    **dict.fromkeys(("weight", "w", "kernel"), "w"),
    **dict.fromkeys(("bias", "b", "beta"), "b"),
    **dict.fromkeys(("gamma", "slope"), "w"),
    "running_mean": "running_mean",
    **dict.fromkeys(("running_var", "running_variance"), "running_variance"),
}


@dataclass
class LayerTensors:
    """The tensors of one layer, by kind: name and shape; and those of the normalization that follows it."""

    layer: str
    tensors: dict[str, tuple[str, Shape]] = field(default_factory=dict[str, tuple[str, Shape]])
    followers: list[LayerTensors] = field(default_factory=list["LayerTensors"])

    @property
    def signature(self) -> tuple[Any, ...]:
        """Return kinds and shapes, with those of the followers."""
        own = tuple((kind, shape) for kind, (_, shape) in sorted(self.tensors.items()))
        return (own, *(each.signature for each in self.followers))

    @property
    def is_norm(self) -> bool:
        """Whether all tensors are vectors, as those of a normalization."""
        return all(len(shape) == 1 for _, shape in self.tensors.values())

    def pairs(self, other: LayerTensors) -> dict[str, str]:
        """Return the names of this group's tensors with those of another of the same signature."""
        found = {name: other.tensors[kind][0] for kind, (name, _) in self.tensors.items()}
        for mine, theirs in zip(self.followers, other.followers, strict=True):
            found |= mine.pairs(theirs)
        return found


def match(
    parameters: Mapping[str, Shape], tensors: Mapping[str, Shape], mapping: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the name of a tensor for each parameter of a model, in the model's order.

    parameters   shapes by name, in the model's order
    tensors      shapes by name, in the file's order
    mapping      names that are known: of a parameter and its tensor, or of a layer here and there

    Errors   FormatError where a layer has no counterpart; OptionError for an unknown name in the mapping
    """
    mine, theirs = groups(parameters), groups(tensors)
    fixed = _stated(mine, theirs, mapping or {})
    known = {_plain(group.layer): group for group in theirs}
    for group in mine:
        same = known.get(_plain(group.layer))
        if same is not None and same.signature == group.signature:
            fixed.setdefault(group.layer, same)
    left = [group for group in mine if group.layer not in fixed]
    others = [group for group in theirs if group not in fixed.values()]
    try:
        pairs = _in_order(_units(left), _units(others))
    except FormatError:  # a file may list all normalizations before the convolutions
        pairs = _in_order(left, others)
    for here, there in pairs:
        fixed |= {one.layer: other for one, other in zip(_parts(here), _parts(there), strict=True)}
    found: dict[str, str] = {}
    for group in mine:
        found |= group.pairs(fixed[group.layer])
    return found


def groups(shapes: Mapping[str, Shape]) -> list[LayerTensors]:
    """Return the tensors of each layer, in order; those of an unknown kind are left out, such as counters."""
    found: dict[str, LayerTensors] = {}
    for name, shape in shapes.items():
        layer, _, last = name.rpartition(".")
        if last in KINDS:
            found.setdefault(layer, LayerTensors(layer)).tensors[KINDS[last]] = (name, tuple(shape))
    return list(found.values())


def _units(layers: Sequence[LayerTensors]) -> list[LayerTensors]:
    """Return the layers with the normalizations that follow them, which tells equal normalizations apart."""
    units: list[LayerTensors] = []
    for group in layers:
        if units and group.is_norm and not units[-1].is_norm:
            units[-1] = LayerTensors(units[-1].layer, units[-1].tensors, [*units[-1].followers, group])
        else:
            units.append(LayerTensors(group.layer, group.tensors))
    return units


def _parts(unit: LayerTensors) -> list[LayerTensors]:
    return [LayerTensors(unit.layer, unit.tensors), *unit.followers]


def _in_order(mine: Sequence[LayerTensors], theirs: Sequence[LayerTensors]) -> list[tuple[LayerTensors, LayerTensors]]:
    """Return pairs of layers: of each kind and shape the first with the first, the second with the second, …"""
    waiting: dict[tuple[Any, ...], list[LayerTensors]] = {}
    for group in theirs:
        waiting.setdefault(group.signature, []).append(group)
    pairs: list[tuple[LayerTensors, LayerTensors]] = []
    for group in mine:
        if not (found := waiting.get(group.signature)):
            raise FormatError(f"no layer of the file is like {group.layer} ({_shown(group)})")
        pairs.append((group, found.pop(0)))
    if left := [group for each in waiting.values() for group in each]:
        raise FormatError(f"no layer of the model is like {quoted(left[0].layer)} ({_shown(left[0])})")
    return pairs


def _shown(group: LayerTensors) -> str:
    own = [f"{kind} {text(shape)}" for kind, (_, shape) in group.tensors.items()]
    return ", ".join([*own, *(f"then {_shown(each)}" for each in group.followers)])


def _plain(layer: str) -> str:
    return re.sub(r"\W+", "_", layer)


def _stated(
    mine: Sequence[LayerTensors], theirs: Sequence[LayerTensors], mapping: Mapping[str, str]
) -> dict[str, LayerTensors]:
    """Return the counterparts of layers that a mapping states, by layer or by the names of their tensors."""
    here, there = {group.layer: group for group in mine}, {group.layer: group for group in theirs}
    found: dict[str, LayerTensors] = {}
    for stated, given in mapping.items():
        name, other = _layer_of(stated, here), _layer_of(given, there)
        if name not in here or other not in there:
            raise OptionError(f"mapping {quoted(name)}: {quoted(given)}: no such layer in the model or in the file")
        if here[name].signature != there[other].signature:
            raise FormatError(f"{name} has {_shown(here[name])}, and {quoted(other)} has {_shown(there[other])}")
        found[name] = there[other]
    return found


def _layer_of(name: str, known: Mapping[str, LayerTensors]) -> str:
    """Return the layer that a name means: itself, or that of a tensor."""
    layer, _, last = name.rpartition(".")
    return layer if name not in known and last in KINDS else name
