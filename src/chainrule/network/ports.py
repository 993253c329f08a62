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
from chainrule.layers.base import PACK, UNPACK, Layer, type_of
from chainrule.layers.node import Wiring
from chainrule.network.shapes import input_array

if TYPE_CHECKING:
    from chainrule.layers.packing import Pack, Unpack

# Values of a network's input or output; for several, in order or by name
ArraysLike: TypeAlias = ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike]


class OutputEnd(NamedTuple):
    """An output of a network: its name, its shape, and the type and index of the layer that computes it.

    The type is None for a custom layer.
    """

    name: str
    shape: Shape
    last_layer: str | None
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
        end = 0
        columns = dict[str, slice]()
        for name, shape in self.shapes.items():
            start = end
            end += math.prod(shape)
            columns[name] = slice(start, end)
        return columns

    @property
    def size(self) -> int:
        """Number of elements of all inputs or outputs, per sample."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def named(self, values: object, what: str, error: type[ChainruleError] = DataError) -> dict[str, Any]:
        """Return values by name, in order.

        values   a sequence with one entry per name, or a mapping
        what     description of the values for errors, such as "inputs"
        error    class of the error for any other number of values, or other names
        """
        names = ", ".join(self.shapes)
        if isinstance(values, Mapping):
            by_name = cast("Mapping[object, Any]", values)
            if set(by_name) != set(self.shapes):
                shown = ", ".join(map(str, by_name)) or "without names"
                raise error(f"{what} {shown}: expected {names}")
            return {name: by_name[name] for name in self.shapes}
        count = what
        if isinstance(values, list | tuple):
            in_order = cast("Sequence[Any]", values)
            if len(in_order) == len(self.shapes):
                return dict(zip(self.shapes, in_order, strict=True))
            count = f"{len(in_order)} {what}"
        kind = type(cast("object", values)).__name__
        raise error(f"{count} ({kind}): expected a tuple or a dictionary with {names}")

    def checked(self, values: object, what: str, *, single: bool = False) -> dict[str, Array]:
        """Return values as arrays (N, *shape) by name, in order or by name, as `input_array` accepts them.

        what     description of the values for errors, such as "inputs"
        single   whether the values may be those of one sample
        Errors   DataError or ShapeError for other values or names, or different numbers of samples
        """
        arrays = dict[str, Array]()
        counts = dict[str, int]()
        for name, value in self.named(values, what).items():
            arrays[name] = input_array(value, self.shapes[name], f"{name}: ", single=single)
            counts[name] = len(arrays[name])
        if len(set(counts.values())) > 1:
            raise DataError(f"{what} with different numbers of samples: {counts}")
        return arrays

    def pack(self, values: object, what: str) -> Array:
        """Return a packed array (N, F) of arrays (N, *shape), as `checked` accepts them."""
        rows = list[Array]()
        for array in self.checked(values, what).values():
            rows.append(array.reshape(len(array), math.prod(array.shape[1:])))
        return np.concatenate(rows, axis=1)

    def is_packed(self, values: object) -> bool:
        """Return whether a value is a packed array (N, F)."""
        return isinstance(values, np.ndarray) and cast("Array", values).shape[1:] == (self.size,)

    def split(self, packed: Array) -> dict[str, Array]:
        """Return the array (N, *shape) of each input or output, by name, from a packed array (N, F)."""
        arrays = dict[str, Array]()
        for name, columns in self.columns.items():
            arrays[name] = packed[:, columns].reshape(len(packed), *self.shapes[name])
        return arrays

    def __str__(self) -> str:
        return ", ".join(f"{name} {text(shape)}" for name, shape in self.shapes.items())


def unpacking_layers(layers: Sequence[Layer]) -> list[tuple[int, Unpack]]:
    """Return the layers that unpack inputs, with their indices, in the order of the inputs' elements."""
    readers: list[tuple[int, Unpack]] = []
    for index, layer in enumerate(layers):
        if layer.kind == UNPACK:
            readers.append((index, cast("Unpack", layer)))
    return sorted(readers, key=lambda reader: reader[1].start)


def input_ports(layers: Sequence[Layer], wiring: Wiring, shape: Shape) -> Ports | None:
    """Return the inputs of a network that unpacks them; None for a network with one input.

    shape    the network's input shape
    Errors   ShapeError if the unpacked inputs do not cover the packed inputs
    """
    readers = unpacking_layers(layers)
    if not readers:
        return None
    return _input_ports(readers, wiring, shape)


def _input_ports(readers: Sequence[tuple[int, Unpack]], wiring: Wiring, shape: Shape) -> Ports:
    shapes = dict[str, Shape]()
    names = list[str]()
    indices = set[int]()
    end = 0
    has_gaps = False
    for index, layer in readers:
        name = layer.label or wiring.names[index]
        names.append(name)
        shapes[name] = layer.shape
        indices.add(index)
        has_gaps |= layer.start != end
        end = layer.stop
    has_gaps |= end != math.prod(shape)
    reading = set[int]()
    for index, read in enumerate(wiring.inputs):
        if 0 in read:
            reading.add(index)
    if has_gaps or indices != reading or len(shapes) < len(names):
        raise ShapeError(f"inputs {', '.join(names)}: expected different names that cover {shape[0]} elements in order")
    return Ports(shapes)


def output_ends(layers: Sequence[Layer], wiring: Wiring, shape: Shape, ports: Ports | None) -> list[OutputEnd]:
    """Return the outputs of a network.

    shape   shape of a single output
    ports   names and shapes of several outputs; None if there is only one
    """
    if ports is None:
        return [OutputEnd("", shape, type_of(layers[-1]), len(layers) - 1)]
    ends = list[OutputEnd]()
    for (name, own_shape), end in zip(ports.shapes.items(), wiring.inputs[-1], strict=True):
        number = end - 1  # 0 is the input
        ends.append(OutputEnd(name, own_shape, type_of(layers[number]), number))
    return ends


def output_ports(layers: Sequence[Layer], wiring: Wiring, shapes: Sequence[Shape]) -> Ports | None:
    """Return the outputs of a network that packs them; None for a network with one output.

    shapes   output shapes of the network's layers
    """
    if layers[-1].kind != PACK:
        return None
    shape_of = dict[str, Shape]()
    for name, number in zip(cast("Pack", layers[-1]).names, wiring.inputs[-1], strict=True):
        shape_of[name] = shapes[number - 1]
    return Ports(shape_of)
