"""The tensors and constants of an operation under their names in formulas, which are in `chainrule.operations`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.core.plan import Tensor
from chainrule.engines.protocol import Array
from chainrule.explain.cells import CellContext
from chainrule.operations.grammar import IndexedName, Tree

SAMPLE = "n"  # letter of the sample axis


@dataclass(frozen=True)
class NamedTensor:
    """An input of the operation, or one of its results, under its name in formulas.

    letters   index of its element: a letter or an expression for each axis, including n for the sample axis
    read      position among the operation's inputs; None for a result
    """

    letters: Sequence[Tree]
    tensor: Tensor
    array: Array
    read: int | None


def named_tensors(ctx: CellContext, entry: Mapping[str, Any]) -> dict[str, NamedTensor]:
    """Return the operation's inputs, and its results other than the explained one, by name."""
    named: dict[str, NamedTensor] = {}
    for place, read in enumerate(entry["reads"]):
        if not ctx.reads(place):
            continue
        array = ctx.array(place)
        tensor = ctx.tensor(place)
        index = index_of(read, tensor)[: array.ndim]
        named[read["name"]] = NamedTensor(index, tensor, array, place)
    for place, (written, tensor) in enumerate(zip(entry["writes"], ctx.operation.writes, strict=True)):
        if place == ctx.place or tensor.storage not in ctx.arrays:
            continue
        array = ctx.shaped(tensor, tensor.storage)
        index = index_of(written, tensor)[: array.ndim]
        named[written["name"]] = NamedTensor(index, tensor, array, None)
    return named


def index_of(entry: IndexedName, tensor: Tensor) -> list[Tree]:
    """Return the index of a tensor in formulas, without the sample unless the tensor has a sample axis."""
    return [position for position in entry["index"] if position != SAMPLE or tensor.per_sample]


def sizes(ctx: CellContext, tensors: Mapping[str, NamedTensor], own: Sequence[Tree]) -> dict[str, int]:
    """Return the size of each axis by letter.

    own   letters of the explained result's axes
    """
    axes = list[tuple[Tree, int]]()
    for tensor in tensors.values():
        axes += zip(tensor.letters, tensor.array.shape, strict=True)
    axes += zip(own, ctx.full_shape, strict=True)
    return {letter: size for letter, size in axes if isinstance(letter, str)}


def constants(
    ctx: CellContext, entry: Mapping[str, Any], tensors: Mapping[str, NamedTensor], axes: Mapping[str, int]
) -> dict[str, Any]:
    """Return attributes, sizes and numbers by name.

    axes   size of each axis by letter
    """
    parts: dict[str, Any] = {name: tensor.array.shape for name, tensor in tensors.items()}
    parts[entry["writes"][ctx.place]["name"]] = ctx.full_shape
    parts |= ctx.arguments
    values: dict[str, Any] = {"N": ctx.samples}
    for letter, size in axes.items():
        values[letter.upper()] = size
    values |= ctx.arguments
    for letter, path in entry.get("letters", {}).items():
        values[letter] = _part(parts, path)
    return values


def _part(parts: Mapping[str, Any], path: Any) -> Any:
    """Return an attribute, or a part of an attribute or a shape: "stride.0", "x.length". A number is its own value."""
    if not isinstance(path, str):
        return path
    name, *places = path.split(".")
    value: Any = parts.get(name, ())
    for place in places:
        value = len(value) if place == "length" else value[int(place)]
    return value
