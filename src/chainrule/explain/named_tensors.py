"""The tensors and constants of an operation under their names in formulas, which are in `chainrule.operations`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.core.plan import Tensor
from chainrule.engines.protocol import Array
from chainrule.explain.cells import CellContext

SAMPLE = "n"  # letter of the sample axis


@dataclass(frozen=True)
class NamedTensor:
    """An input of the operation, or one of its results, under its name in formulas.

    letters   index of its element: a letter or an expression for each axis, including n for the sample axis
    read      position among the operation's inputs; None for a result
    """

    letters: Sequence[Any]
    tensor: Tensor
    array: Array
    read: int | None


def named_tensors(ctx: CellContext, entry: Mapping[str, Any]) -> dict[str, NamedTensor]:
    """Return the operation's inputs, and its results other than the explained one, by name."""
    named: dict[str, NamedTensor] = {}
    for place, read in enumerate(entry["reads"]):
        if ctx.reads(place):
            array, tensor = ctx.array(place), ctx.tensor(place)
            named[read["name"]] = NamedTensor(index_of(read, tensor)[: array.ndim], tensor, array, place)
    for place, (written, tensor) in enumerate(zip(entry["writes"], ctx.operation.writes, strict=True)):
        if place != ctx.place and tensor.storage in ctx.arrays:
            array = ctx.shaped(tensor, tensor.storage)
            named[written["name"]] = NamedTensor(index_of(written, tensor)[: array.ndim], tensor, array, None)
    return named


def index_of(entry: Mapping[str, Any], tensor: Tensor) -> list[Any]:
    """Return the index of a tensor in formulas, without the sample unless the tensor has a sample axis."""
    return [position for position in entry["index"] if position != SAMPLE or tensor.per_sample]


def sizes(ctx: CellContext, tensors: Mapping[str, NamedTensor], own: Sequence[Any]) -> dict[str, int]:
    """Return the size of each axis by letter.

    own   letters of the explained result's axes
    """
    shapes = [(tensor.letters, tensor.array.shape) for tensor in tensors.values()]
    pairs = [pair for letters, shape in [*shapes, (own, ctx.full_shape)] for pair in zip(letters, shape, strict=True)]
    return {letter: size for letter, size in pairs if isinstance(letter, str)}


def constants(
    ctx: CellContext, entry: Mapping[str, Any], tensors: Mapping[str, NamedTensor], axes: Mapping[str, int]
) -> dict[str, Any]:
    """Return attributes, sizes and numbers by name.

    axes   size of each axis by letter
    """
    shapes = {name: tensor.array.shape for name, tensor in tensors.items()}
    shapes[entry["writes"][ctx.place]["name"]] = ctx.full_shape
    parts = {**shapes, **ctx.arguments}
    letters = {letter: _part(parts, path) for letter, path in entry.get("letters", {}).items()}
    return {"N": ctx.samples, **{letter.upper(): size for letter, size in axes.items()}, **ctx.arguments, **letters}


def _part(parts: Mapping[str, Any], path: Any) -> Any:
    """Return an attribute, or a part of an attribute or a shape: "stride.0", "x.length". A number is its own value."""
    if not isinstance(path, str):
        return path
    name, *places = path.split(".")
    value: Any = parts.get(name, ())
    for place in places:
        value = len(value) if place == "length" else value[int(place)]
    return value
