"""The wire format of Protocol Buffers: bounded reading of a message's fields, and writing.

A message is a sequence of fields. A field is a key (number and wire type) and a value. The value is a varint (an
integer of one to ten bytes), 4 or 8 bytes, or a length followed by this number of bytes. These bytes are a string,
packed numbers or another message. They are returned as views of the file, not as copies. Every length is compared with
the number of remaining bytes before it is used.

Source   https://protobuf.dev/programming-guides/encoding
Errors   FormatError for bytes that are not a message
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chainrule._io.budget import Budget
from chainrule.core.arrays import Ints
from chainrule.errors import FormatError

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5  # the wire types in use
FIXED_SIZES = {FIXED64: 8, FIXED32: 4}  # bytes
MAX_DEPTH = 32  # levels of nested messages
SIGN, SPAN = 1 << 63, 1 << 64  # sign bit and number of values of 64-bit integers


@dataclass(frozen=True)
class Field:
    """A field of a message: number, wire type, and value, which is an integer or a view of bytes."""

    number: int
    wire: int
    value: int | memoryview

    def content(self) -> memoryview:
        """Return the bytes of a length-delimited field."""
        if self.wire != LENGTH_DELIMITED or isinstance(self.value, int):
            raise FormatError(f"field {self.number}: expected bytes, found wire type {self.wire}")
        return self.value

    def text(self) -> str:
        """Return the value as a string."""
        try:
            return bytes(self.content()).decode()
        except UnicodeDecodeError:
            raise FormatError(f"field {self.number}: a text is not UTF-8") from None

    def integers(self) -> list[int]:
        """Return the value as a list of signed 64-bit integers: one integer, or a packed list."""
        if self.wire == LENGTH_DELIMITED:
            return unpack_varints(self.content()).tolist()
        if not isinstance(self.value, int):
            raise FormatError(f"field {self.number}: expected a whole number, found wire type {self.wire}")
        if self.value >= SIGN:
            return [self.value - SPAN]
        return [self.value]

    def reals(self) -> list[float]:
        """Return a list of floats of 4 bytes: one float, or a packed list."""
        if self.wire not in (FIXED32, LENGTH_DELIMITED) or isinstance(self.value, int) or len(self.value) % 4:
            raise FormatError(f"field {self.number}: expected numbers of 4 bytes, found wire type {self.wire}")
        return np.frombuffer(self.value, "<f4").tolist()


class Reader:
    """Reads the messages of a file. Each field is a step of the file's budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def fields(self, message: memoryview, depth: int) -> Iterator[Field]:
        """Yield the fields of a message in order."""
        if depth > MAX_DEPTH:
            raise FormatError(f"messages nested more than {MAX_DEPTH} deep")
        position = 0
        end = len(message)
        while position < end:
            self._budget.visit(1, "the fields of its messages")
            key, position = _varint(message, position)
            number = key >> 3
            wire = key & 7
            value: int | memoryview
            if wire == VARINT:
                value, position = _varint(message, position)
            else:
                size, position = _size_of(message, position, wire, number)
                if not 0 <= size <= end - position:
                    left = end - position
                    raise FormatError(f"it ends early (truncated): field {number} has {size:,} bytes, {left:,} left")
                value = message[position : position + size]
                position = position + size
            yield Field(number, wire, value)


def _size_of(message: memoryview, position: int, wire: int, number: int) -> tuple[int, int]:
    """Return the size of a value in bytes, and the position of its first byte. `position` is the end of the key."""
    if wire == LENGTH_DELIMITED:
        return _varint(message, position)
    if wire not in FIXED_SIZES:
        raise FormatError(f"field {number} has the wire type {wire}, which is not in use")
    return FIXED_SIZES[wire], position


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return the varint at a position as an unsigned 64-bit integer, and the position after the varint."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise FormatError("it ends within a number")
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value % SPAN, position
    raise FormatError("a number has more than ten bytes")


def unpack_varints(content: memoryview) -> Ints:
    """Return packed varints as signed 64-bit integers.

    The groups of seven bits are shifted and summed for all numbers at once.
    """
    octets = np.frombuffer(content, np.uint8)
    if not len(octets):
        return np.zeros(0, np.int64)
    ends = np.flatnonzero(octets < 128)
    if not len(ends) or ends[-1] != len(octets) - 1:
        raise FormatError("it ends within a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    if int((ends - starts).max()) > 9:
        raise FormatError("a number has more than ten bytes")
    position = np.arange(len(octets)) - np.repeat(starts, ends - starts + 1)
    bits = (octets & np.uint8(127)).astype(np.uint64) << (7 * position).astype(np.uint64)
    return np.add.reduceat(bits, starts).view(np.int64)


def varint(value: int) -> bytes:
    """Encode a signed 64-bit integer as a varint: one to ten bytes with seven bits each, lowest bits first."""
    remaining = value % SPAN
    octets = bytearray()
    while remaining > 127:
        octets.append(remaining & 127 | 128)
        remaining >>= 7
    return bytes((*octets, remaining))


def field_key(number: int, wire: int) -> bytes:
    """Return the key of a field: its number and its wire type."""
    return varint(number << 3 | wire)
