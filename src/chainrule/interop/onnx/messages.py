"""Messages of ONNX files: model, graph, nodes, attributes and tensors, with reading and writing.

Only the fields that a network needs are kept. The field numbers are those of onnx.proto.

Source   https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, cast

from chainrule.errors import FormatError
from chainrule.interop.onnx.protobuf import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, Field, Reader, field_key, varint

Message = TypeVar("Message")

MIN_IMPORT_OPSET, MAX_OPSET = 6, 28  # opset versions that are read
MAX_BYTES = 2**31  # limit of Protocol Buffers for a message


def _texts() -> list[str]:
    return []


@dataclass
class Pair:
    """A key and its value, such as the location of external data or a fact about a model."""

    key: str = ""
    value: str = ""


@dataclass
class Opset:
    """The version of a set of operators; the domain "" is ONNX's own set."""

    domain: str = ""
    version: int = 0


@dataclass
class Dimension:
    """A size, or the name of an unknown size."""

    value: int = 0
    name: str = ""


@dataclass
class Shape:
    """The sizes of a tensor."""

    dimensions: list[Dimension] = field(default_factory=list[Dimension])


@dataclass
class TensorType:
    """The type of a tensor's elements (TensorProto.DataType), and its shape."""

    kind: int = 0
    shape: Shape | None = None


@dataclass
class ValueType:
    """The type of a value. The field `tensor` is None if the value is not a tensor."""

    tensor: TensorType | None = None


@dataclass
class Value:
    """The name and type of an input or output of a graph."""

    name: str = ""
    type: ValueType = field(default_factory=ValueType)


@dataclass
class TensorMessage:
    """A tensor: shape, type, and elements in one of several fields; `tensors.array` converts it to an array."""

    dims: list[int] = field(default_factory=list[int])
    kind: int = 0
    name: str = ""
    raw: memoryview | bytes | None = None
    floats: list[memoryview] = field(default_factory=list[memoryview])
    doubles: list[memoryview] = field(default_factory=list[memoryview])
    integers: list[memoryview | int] = field(default_factory=list[memoryview | int])
    external: list[Pair] = field(default_factory=list[Pair])
    location: int = 0


@dataclass
class Attribute:
    """An option of a node: number, string, tensor, graph, or a list of them; `kind` is an AttributeProto type."""

    name: str = ""
    kind: int = 0
    real: float | None = None
    integer: int | None = None
    text: memoryview | bytes | None = None
    tensor: TensorMessage | None = None
    graph: bool = False
    reals: list[float] = field(default_factory=list[float])
    integers: list[int] = field(default_factory=list[int])
    texts: list[memoryview] = field(default_factory=list[memoryview])


@dataclass
class OnnxNode:
    """A node of a graph: an operator, the names of its inputs and outputs, and its attributes."""

    inputs: list[str] = field(default_factory=_texts)
    outputs: list[str] = field(default_factory=_texts)
    name: str = ""
    operator: str = ""
    domain: str = ""
    attributes: list[Attribute] = field(default_factory=list[Attribute])


@dataclass
class GraphMessage:
    """A graph: nodes, constants, inputs and outputs."""

    name: str = ""
    nodes: list[OnnxNode] = field(default_factory=list[OnnxNode])
    initializers: list[TensorMessage] = field(default_factory=list[TensorMessage])
    inputs: list[Value] = field(default_factory=list[Value])
    outputs: list[Value] = field(default_factory=list[Value])
    sparse: list[bool] = field(default_factory=list[bool])


@dataclass
class ModelMessage:
    """An ONNX file."""

    graph: GraphMessage | None = None
    opsets: list[Opset] = field(default_factory=list[Opset])
    producer: str = ""
    producer_version: str = ""
    ir_version: int = 0
    metadata: list[Pair] = field(default_factory=list[Pair])


# Encoding in FIELDS → function that reads a field with a single value, or one of a list of values.
_SINGLE_READERS: dict[str, Callable[[Field], Any]] = {
    "integer": Field.integer,
    "text": Field.text,
    "bytes": Field.content,
    "real": lambda entry: entry.reals(FIXED32)[-1],
    "present": lambda entry: True,
}
_LIST_READERS: dict[str, Callable[[Field], Any]] = {
    "integers": Field.integers,
    "reals": lambda entry: entry.reals(FIXED32),
    "float32": lambda entry: [_float_bytes(entry, FIXED32)],
    "float64": lambda entry: [_float_bytes(entry, FIXED64)],
    "varints": lambda entry: [entry.value],
}
# For each message, by field number: the attribute, and the encoding of its value or the class of its message.
FIELDS: dict[type[Any], dict[int, tuple[str, str | type[Any]]]] = {
    ModelMessage: {
        1: ("ir_version", "integer"),
        2: ("producer", "text"),
        3: ("producer_version", "text"),
        7: ("graph", GraphMessage),
        8: ("opsets", Opset),
        14: ("metadata", Pair),
    },
    Opset: {1: ("domain", "text"), 2: ("version", "integer")},
    Pair: {1: ("key", "text"), 2: ("value", "text")},
    GraphMessage: {
        1: ("nodes", OnnxNode),
        2: ("name", "text"),
        5: ("initializers", TensorMessage),
        11: ("inputs", Value),
        12: ("outputs", Value),
        15: ("sparse", "present"),
    },
    OnnxNode: {
        1: ("inputs", "text"),
        2: ("outputs", "text"),
        3: ("name", "text"),
        4: ("operator", "text"),
        5: ("attributes", Attribute),
        7: ("domain", "text"),
    },
    Attribute: {
        1: ("name", "text"),
        2: ("real", "real"),
        3: ("integer", "integer"),
        4: ("text", "bytes"),
        5: ("tensor", TensorMessage),
        6: ("graph", "present"),
        7: ("reals", "reals"),
        8: ("integers", "integers"),
        9: ("texts", "bytes"),
        11: ("graph", "present"),
        20: ("kind", "integer"),
    },
    TensorMessage: {
        1: ("dims", "integers"),
        2: ("kind", "integer"),
        4: ("floats", "float32"),
        5: ("integers", "varints"),
        7: ("integers", "varints"),
        8: ("name", "text"),
        9: ("raw", "bytes"),
        10: ("doubles", "float64"),
        11: ("integers", "varints"),
        13: ("external", Pair),
        14: ("location", "integer"),
    },
    Value: {1: ("name", "text"), 2: ("type", ValueType)},
    ValueType: {1: ("tensor", TensorType)},
    TensorType: {1: ("kind", "integer"), 2: ("shape", Shape)},
    Shape: {1: ("dimensions", Dimension)},
    Dimension: {1: ("value", "integer"), 2: ("name", "text")},
}
_LIST_FIELDS = {kind: {item.name for item in fields(kind) if str(item.type).startswith("list")} for kind in FIELDS}


def parse(content: memoryview) -> ModelMessage:
    """Return the model of an ONNX file; FormatError for any other content."""
    return _parse_message(Reader(), content, ModelMessage, 0)


def _parse_message(reader: Reader, content: memoryview, kind: type[Message], depth: int) -> Message:
    """Parse a message of a given type. Fields with unknown numbers are skipped.

    depth   number of messages around this one
    """
    message, message_fields, list_fields = kind(), FIELDS[kind], _LIST_FIELDS[kind]
    for entry in reader.fields(content, depth):
        if entry.number not in message_fields:
            continue
        name, encoding = message_fields[entry.number]
        if isinstance(encoding, str) and encoding in _LIST_READERS:
            getattr(message, name).extend(_LIST_READERS[encoding](entry))
            continue
        value = (
            _SINGLE_READERS[encoding](entry)
            if isinstance(encoding, str)
            else _parse_message(reader, entry.content(), encoding, depth + 1)
        )
        if name in list_fields:
            getattr(message, name).append(value)
        else:
            setattr(message, name, value)
    return message


def _float_bytes(entry: Field, wire: int) -> memoryview:
    """Return the bytes of one float, or of several packed floats. `wire` is FIXED32 or FIXED64, the type of a float."""
    width = 4 if wire == FIXED32 else 8
    if isinstance(entry.value, int) or len(entry.value) % width:
        raise FormatError(f"field {entry.number}: expected floats of {width} bytes")
    return entry.value


# ---------------------------------------------------------------------- writing

_ENCODERS: dict[str, tuple[int, Callable[[Any], bytes | memoryview]]] = {
    "integer": (VARINT, varint),
    "integers": (VARINT, varint),
    "real": (FIXED32, lambda value: struct.pack("<f", value)),
    "reals": (FIXED32, lambda value: struct.pack("<f", value)),
    "text": (LENGTH_DELIMITED, str.encode),
    "bytes": (LENGTH_DELIMITED, lambda value: value),
}


def serialize(message: ModelMessage) -> bytes:
    """Return the bytes of an ONNX file: fields in the order of their numbers. Fields with default values are omitted.

    The elements of a tensor are written only from `raw`, and the graphs of attributes are not written.
    """
    return b"".join(_encode_message(message))


def _encode_message(message: Any) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a message in parts, so that weights are copied only once."""
    kind = cast("type[Any]", type(message))
    default = kind()
    for number, (name, encoding) in FIELDS[kind].items():
        value = getattr(message, name)
        if value == getattr(default, name):
            continue
        for entry in value if name in _LIST_FIELDS[kind] else [value]:
            yield from _encode_field(number, encoding, entry)


def _encode_field(number: int, encoding: str | type[Any], value: Any) -> Iterator[bytes | memoryview]:
    if not isinstance(encoding, str):
        parts = [*_encode_message(value)]
        yield field_key(number, LENGTH_DELIMITED) + varint(sum(map(len, parts)))
        yield from parts
        return
    wire, encode = _ENCODERS[encoding]
    content = encode(value)
    yield field_key(number, wire) + (varint(len(content)) if wire == LENGTH_DELIMITED else b"")
    yield content
