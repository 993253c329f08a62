"""Messages of ONNX files: model, graph, nodes, attributes and tensors, with reading and writing.

Only the fields that a network needs are kept. The field numbers are those of onnx.proto.

Source   https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast

from chainrule._io.budget import Budget
from chainrule.interop.onnx.protobuf import FIXED32, LENGTH_DELIMITED, VARINT, Field, Reader, field_key, varint

Message = TypeVar("Message")

MIN_IMPORT_OPSET, MAX_OPSET = 9, 28  # opset versions that are read
MAX_BYTES = 2**31  # limit of Protocol Buffers for a message
REAL, INTEGER, TEXT, INTEGERS = 1, 2, 3, 7  # AttributeProto.AttributeType
ONNX_DOMAINS = ("", "ai.onnx")  # names of ONNX's own set of operators


def _singular(encoding: str | type[Any], *numbers: int, default: Any = None) -> Any:
    """Declare a field with a single value.

    encoding   encoding of the value, or the class of its message
    numbers    numbers of the field in onnx.proto
    default    value if the field is missing, or a class of values
    """
    metadata = {"encoding": encoding, "numbers": numbers}
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _repeated(encoding: str | type[Any], *numbers: int) -> Any:
    """Declare a field with a list of values; see `_singular`."""
    return _singular(encoding, *numbers, default=list)


@dataclass
class Pair:
    """A key and its value, such as the location of external data or a fact about a model."""

    key: str = _singular("text", 1, default="")
    value: str = _singular("text", 2, default="")


@dataclass
class Opset:
    """The version of a set of operators; the domain "" is ONNX's own set."""

    domain: str = _singular("text", 1, default="")
    version: int = _singular("integer", 2, default=0)


@dataclass
class Dimension:
    """A size, or the name of an unknown size."""

    value: int = _singular("integer", 1, default=0)
    name: str = _singular("text", 2, default="")


@dataclass
class ShapeMessage:
    """The sizes of a tensor."""

    dimensions: list[Dimension] = _repeated(Dimension, 1)


@dataclass
class TensorType:
    """The type of a tensor's elements (TensorProto.DataType), and its shape."""

    kind: int = _singular("integer", 1, default=0)
    shape: ShapeMessage | None = _singular(ShapeMessage, 2)


@dataclass
class ValueType:
    """The type of a value. The field `tensor` is None if the value is not a tensor."""

    tensor: TensorType | None = _singular(TensorType, 1)


@dataclass
class Value:
    """The name and type of an input or output of a graph."""

    name: str = _singular("text", 1, default="")
    type: ValueType = _singular(ValueType, 2, default=ValueType)


@dataclass
class TensorMessage:
    """A tensor: shape, type, and elements in one of several fields; `tensors.array` converts it to an array."""

    dims: list[int] = _repeated("integer", 1)
    kind: int = _singular("integer", 2, default=0)
    name: str = _singular("text", 8, default="")
    raw: memoryview | bytes | None = _singular("bytes", 9)
    numbers: list[memoryview | int] = _repeated("numbers", 4, 5, 7, 10, 11)
    external: list[Pair] = _repeated(Pair, 13)
    location: int = _singular("integer", 14, default=0)


@dataclass
class Attribute:
    """An option of a node: number, string, tensor, or a list of them; `kind` is an AttributeProto type."""

    name: str = _singular("text", 1, default="")
    kind: int = _singular("integer", 20, default=0)
    real: float | None = _singular("real", 2)
    integer: int | None = _singular("integer", 3)
    text: memoryview | bytes | None = _singular("bytes", 4)
    tensor: TensorMessage | None = _singular(TensorMessage, 5)
    reals: list[float] = _repeated("real", 7)
    integers: list[int] = _repeated("integer", 8)
    texts: list[memoryview] = _repeated("bytes", 9)
    reference: str = _singular("text", 21, default="")  # name of the attribute of the function around the node


@dataclass
class OnnxNode:
    """A node of a graph: an operator, the names of its inputs and outputs, and its attributes."""

    inputs: list[str] = _repeated("text", 1)
    outputs: list[str] = _repeated("text", 2)
    name: str = _singular("text", 3, default="")
    operator: str = _singular("text", 4, default="")
    domain: str = _singular("text", 7, default="")
    attributes: list[Attribute] = _repeated(Attribute, 5)


@dataclass
class GraphMessage:
    """A graph: nodes, constants, inputs and outputs."""

    name: str = _singular("text", 2, default="")
    nodes: list[OnnxNode] = _repeated(OnnxNode, 1)
    initializers: list[TensorMessage] = _repeated(TensorMessage, 5)
    inputs: list[Value] = _repeated(Value, 11)
    outputs: list[Value] = _repeated(Value, 12)
    sparse: list[bool] = _repeated("present", 15)

    @property
    def constants(self) -> dict[str, TensorMessage]:
        """The initializers by name."""
        return {initializer.name: initializer for initializer in self.initializers}

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return [value.name for value in self.outputs]


@dataclass
class ModelFunction:
    """A function of a model, which nodes call as an operator; `defaults` are attributes that a call may omit."""

    name: str = _singular("text", 1, default="")
    domain: str = _singular("text", 10, default="")
    inputs: list[str] = _repeated("text", 4)
    outputs: list[str] = _repeated("text", 5)
    nodes: list[OnnxNode] = _repeated(OnnxNode, 7)
    defaults: list[Attribute] = _repeated(Attribute, 11)


@dataclass
class ModelMessage:
    """An ONNX file."""

    graph: GraphMessage | None = _singular(GraphMessage, 7)
    opsets: list[Opset] = _repeated(Opset, 8)
    producer: str = _singular("text", 2, default="")
    producer_version: str = _singular("text", 3, default="")
    ir_version: int = _singular("integer", 1, default=0)
    metadata: list[Pair] = _repeated(Pair, 14)
    functions: list[ModelFunction] = _repeated(ModelFunction, 25)


# Encoding → function that returns the values in a field.
_DECODERS: dict[str, Callable[[Field], list[Any]]] = {
    "integer": Field.integers,
    "real": Field.reals,
    "text": lambda entry: [entry.text()],
    "bytes": lambda entry: [entry.content()],
    "present": lambda entry: [True],
    "numbers": lambda entry: [entry.value],
}


class FieldFormat(NamedTuple):
    """A field of a message: the name of its attribute, its encoding, and whether it is a list."""

    name: str
    encoding: str | type[Any]
    is_list: bool


@cache
def _fields(kind: type[Any]) -> dict[int, FieldFormat]:
    """Return the fields of a message by their numbers, in order."""
    formats: dict[int, FieldFormat] = {}
    for item in fields(kind):
        encoding = item.metadata["encoding"]
        for number in item.metadata["numbers"]:
            formats[number] = FieldFormat(item.name, encoding, item.default_factory is list)
    return dict(sorted(formats.items()))


def parse(content: memoryview, budget: Budget) -> ModelMessage:
    """Return the model of an ONNX file; FormatError for any other content."""
    return _parse_message(Reader(budget), content, ModelMessage, 0)


def _parse_message(reader: Reader, content: memoryview, kind: type[Message], depth: int) -> Message:
    """Parse a message of a given type. Fields with unknown numbers are skipped.

    depth   number of messages around this one
    """
    message = kind()
    formats = _fields(kind)
    for entry in reader.fields(content, depth):
        if entry.number not in formats:
            continue
        name, encoding, is_list = formats[entry.number]
        if isinstance(encoding, str):
            values = _DECODERS[encoding](entry)
        else:
            values = [_parse_message(reader, entry.content(), encoding, depth + 1)]
        if is_list:
            getattr(message, name).extend(values)
        elif values:
            setattr(message, name, values[-1])
    return message


# ---------------------------------------------------------------------- writing

_ENCODERS: dict[str, tuple[int, Callable[[Any], bytes | memoryview]]] = {
    "integer": (VARINT, varint),
    "real": (FIXED32, lambda value: struct.pack("<f", value)),
    "text": (LENGTH_DELIMITED, str.encode),
    "bytes": (LENGTH_DELIMITED, lambda value: value),
}


def serialize(message: ModelMessage) -> bytes:
    """Return the bytes of an ONNX file: fields in the order of their numbers. Fields with default values are omitted.

    The elements of a tensor are written only from `raw`.
    """
    return b"".join(_encode_message(message))


def _encode_message(message: Any) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a message in parts, so that weights are copied only once."""
    kind = cast("type[Any]", type(message))
    default = kind()
    for number, (name, encoding, is_list) in _fields(kind).items():
        value = getattr(message, name)
        if value == getattr(default, name):
            continue
        if not is_list:
            value = [value]
        for entry in value:
            yield from _encode_field(number, encoding, entry)


def _encode_field(number: int, encoding: str | type[Any], value: Any) -> Iterator[bytes | memoryview]:
    if not isinstance(encoding, str):
        parts = [*_encode_message(value)]
        yield field_key(number, LENGTH_DELIMITED) + varint(sum(map(len, parts)))
        yield from parts
        return
    wire, encode = _ENCODERS[encoding]
    content = encode(value)
    yield field_key(number, wire)
    if wire == LENGTH_DELIMITED:
        yield varint(len(content))
    yield content
