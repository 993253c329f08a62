"""The named inputs or outputs of a network with several, and the packing of their arrays into one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core.arrays import Array, Shape
from chainrule.core.shapes import text
from chainrule.errors import ChainruleError, DataError, ShapeError
from chainrule.layers.base import PACK, UNPACK, Layer
from chainrule.layers.node import Wiring
from chainrule.network.shapes import input_array

if TYPE_CHECKING:
    from chainrule.layers.packing import Pack, Unpack

# Values of a network's input or output; for several, in order or by name
ArraysLike: TypeAlias = ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike]


class OutputEnd(NamedTuple):
    """An output of a network: its name, its shape, and the type and index of the layer that computes it.

    The type is "" for custom code.
    """

    name: str
    shape: Shape
    last_layer: str
    number: int


@dataclass(frozen=True)
class Ports:
    """The inputs or the outputs of a network: their names and the shapes of one sample.

    An array of all of them, (N, F), is *packed*: a row contains the elements of each, in order.
    """

    shapes: Mapping[str, Shape]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(self.shapes)

    @property
    def columns(self) -> dict[str, slice]:
        """Columns of each input or output in a packed array, by name."""
        ends, result = 0, dict[str, slice]()
        for name, shape in self.shapes.items():
            result[name] = slice(ends, ends := ends + math.prod(shape))
        return result

    @property
    def size(self) -> int:
        """Number of elements of all inputs or outputs, per sample."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def named(self, values: Any, what: str, error: type[ChainruleError] = DataError) -> dict[str, Any]:
        """Return values by name, in order.

        values   a sequence with one entry per name, or a mapping
        what     description of the values for errors, such as "inputs"
        error    class of the error for any other number of values, or other names
        """
        if isinstance(values, Mapping):
            by_name = cast("Mapping[Any, Any]", values)
            if set(by_name) != set(self.shapes):
                shown = ", ".join(map(str, by_name))
                raise error(f"{what} {shown or 'without names'}: expected {', '.join(self.shapes)}")
            return {name: by_name[name] for name in self.shapes}
        if not isinstance(values, list | tuple) or len(cast("Sequence[Any]", values)) != len(self.shapes):
            count = f"{len(cast('Sequence[Any]', values))} {what}" if isinstance(values, list | tuple) else what
            kind = type(cast("Any", values)).__name__
            raise error(f"{count} ({kind}): expected a tuple or a dictionary with {', '.join(self.shapes)}")
        return dict(zip(self.shapes, cast("Sequence[Any]", values), strict=True))

    def checked(self, values: Any, what: str, *, single: bool = False) -> dict[str, Array]:
        """Return values as arrays (N, *shape) by name, in order or by name, as `input_array` accepts them.

        what     description of the values for errors, such as "inputs"
        single   whether the values may be those of one sample
        Errors   DataError or ShapeError for other values or names, or different numbers of samples
        """
        arrays: dict[str, Array] = {
            name: input_array(value, self.shapes[name], f"{name}: ", single=single)
            for name, value in self.named(values, what).items()
        }
        counts = {name: len(array) for name, array in arrays.items()}
        if len(set(counts.values())) > 1:
            raise DataError(f"{what} with different numbers of samples: {counts}")
        return arrays

    def pack(self, values: Any, what: str) -> Array:
        """Return a packed array (N, F) of arrays (N, *shape), as `checked` accepts them."""
        arrays = self.checked(values, what).values()
        return np.concatenate([array.reshape(len(array), math.prod(array.shape[1:])) for array in arrays], axis=1)

    def is_packed(self, values: Any) -> bool:
        """Return whether a value is a packed array (N, F)."""
        return isinstance(values, np.ndarray) and cast("Array", values).shape[1:] == (self.size,)

    def split(self, packed: Array) -> dict[str, Array]:
        """Return the array (N, *shape) of each input or output, by name, from a packed array (N, F)."""
        return {
            name: packed[:, columns].reshape(len(packed), *self.shapes[name]) for name, columns in self.columns.items()
        }

    def __str__(self) -> str:
        return ", ".join(f"{name} {text(shape)}" for name, shape in self.shapes.items())


def unpacking_layers(layers: Sequence[Layer]) -> list[tuple[int, Unpack]]:
    """Return the layers that unpack inputs, with their indices, in the order of the inputs' elements."""
    readers = ((index, cast("Unpack", layer)) for index, layer in enumerate(layers) if layer.kind == UNPACK)
    return sorted(readers, key=lambda reader: reader[1].start)


def input_ports(layers: Sequence[Layer], wiring: Wiring, shape: Shape) -> Ports | None:
    """Return the inputs of a network that unpacks them; None for a network with one input.

    shape    the network's input shape
    Errors   ShapeError if the unpacked inputs do not cover the packed inputs
    """
    readers = unpacking_layers(layers)
    return _input_ports(readers, wiring, shape) if readers else None


def _input_ports(readers: Sequence[tuple[int, Unpack]], wiring: Wiring, shape: Shape) -> Ports:
    names = [layer.label or wiring.names[index] for index, layer in readers]
    reading = {index for index, read in enumerate(wiring.inputs) if 0 in read}
    ends = [0, *(layer.stop for _, layer in readers)]
    has_gaps = ends != [*(layer.start for _, layer in readers), math.prod(shape)]
    if {index for index, _ in readers} != reading or has_gaps or len(set(names)) < len(names):
        raise ShapeError(f"inputs {', '.join(names)}: expected different names that cover {shape[0]} elements in order")
    return Ports(dict(zip(names, [layer.shape for _, layer in readers], strict=True)))


def output_ports(layers: Sequence[Layer], wiring: Wiring, shapes: Sequence[Shape]) -> Ports | None:
    """Return the outputs of a network that packs them; None for a network with one output.

    shapes   output shapes of the network's layers
    """
    if layers[-1].kind != PACK:
        return None
    names = cast("Pack", layers[-1]).names
    return Ports({name: shapes[number - 1] for name, number in zip(names, wiring.inputs[-1], strict=True)})
