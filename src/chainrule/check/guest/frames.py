"""The binary format for values exchanged with a submission's process.

A frame consists of its length (8 bytes, little-endian) and one value. A value consists of a 1-byte tag and its content:

N, T, F  None, True, False
I        an integer: 8 bytes
S        a string: its length (4 bytes) and its UTF-8 bytes
A        an array: its dtype (1 byte, an index into DTYPES), the number of axes (1 byte), their sizes (8 bytes each),
         and its elements in C order, little-endian
L        a list: its length (4 bytes) and its values
M        a dictionary: its length (4 bytes) and its entries, each with a string as key and a value

All sizes are checked against the number of available bytes before memory is allocated. Nothing is unpickled, and NumPy
does not parse any headers.
"""

import struct
from typing import Any, cast

import numpy as np

LARGEST = 64 << 20  # largest frame, in bytes
MAX_VALUES, MAX_DEPTH = 20_000, 8  # maximum number of values in a frame, and maximum nesting depth
MAX_ELEMENTS = 1 << 31  # maximum number of elements in an array, where empty axes count as 1
MAX_AXES = 32  # maximum number of axes of an array
DTYPES = tuple(
    np.dtype(name)
    for name in ("<f8", "<f4", "<f2", "<c16", "<c8", "<i8", "<i4", "<i2", "i1", "<u8", "<u4", "<u2", "u1", "?")
)
CONSTANTS = {b"N": None, b"T": True, b"F": False}


class FrameError(ValueError):
    """Raised for bytes that do not encode a value, and for values that cannot be encoded."""


def encode(value: Any) -> bytes:
    """Return the frame for a value; FrameError if its type is unsupported or it is too large."""
    body = bytearray()
    _write(body, value)
    return struct.pack("<Q", len(body)) + body


def decode(body: bytes | bytearray) -> Any:
    """Return the value in a frame without its length; FrameError if the bytes do not encode exactly one value."""
    reader = _FrameReader(memoryview(body))
    value = reader.value(0)
    if reader.position != len(body):
        raise FrameError(f"{len(body) - reader.position} bytes after the value")
    return value


def _write(body: bytearray, value: Any) -> None:
    match value:
        case None | True | False:
            body += {None: b"N", True: b"T", False: b"F"}[value]
        case int():
            body += b"I" + struct.pack("<q", value)
        case str():
            _write_text(body, value)
        case np.ndarray():
            _write_array(body, cast("np.ndarray[Any, Any]", value))
        case list() | tuple():
            items = cast("list[Any]", value)
            body += b"L" + struct.pack("<I", len(items))
            for item in items:
                _write(body, item)
        case dict():
            entries = cast("dict[str, Any]", value)
            body += b"M" + struct.pack("<I", len(entries))
            for key, item in entries.items():
                _write_text(body, key)
                _write(body, item)
        case _:
            raise FrameError(f"{type(value).__name__} cannot be sent")
    if len(body) > LARGEST:
        raise FrameError(f"more than {LARGEST >> 20} MB")


def _write_text(body: bytearray, text: str) -> None:
    content = text.encode("utf-8", "replace")
    body += b"S" + struct.pack("<I", len(content)) + content


def _write_array(body: bytearray, array: "np.ndarray[Any, Any]") -> None:
    """Append an array. Extended precision is converted to double precision."""
    if array.nbytes > LARGEST:
        raise FrameError(f"an array of {array.nbytes >> 20} MB; at most {LARGEST >> 20}")
    dtype = array.dtype.newbyteorder("<")
    if dtype not in DTYPES and array.dtype.kind in "fc":
        dtype = np.dtype("<f8" if array.dtype.kind == "f" else "<c16")
    if dtype not in DTYPES or array.ndim > MAX_AXES:
        raise FrameError(f"an array of {array.dtype} with {array.ndim} axes cannot be sent")
    body += b"A" + struct.pack("<BB", DTYPES.index(dtype), array.ndim) + struct.pack(f"<{array.ndim}Q", *array.shape)
    body += array.astype(dtype, copy=False).tobytes()


class _FrameReader:
    """A reader of values. It never reads beyond the end of the bytes."""

    def __init__(self, body: memoryview) -> None:
        self.body, self.position, self.remaining = body, 0, MAX_VALUES

    def take(self, count: int) -> memoryview:
        """Return the next ``count`` bytes; FrameError if fewer bytes are left."""
        if count > len(self.body) - self.position:
            raise FrameError("ends in the middle of a value")
        self.position += count
        return self.body[self.position - count : self.position]

    def numbers(self, layout: str) -> tuple[int, ...]:
        """Return the next integers in a `struct` format."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def value(self, depth: int) -> Any:
        """Return the next value."""
        self.remaining -= 1
        if depth > MAX_DEPTH or self.remaining < 0:
            raise FrameError(f"more than {MAX_VALUES:,} values, or nested more than {MAX_DEPTH} deep")
        match bytes(self.take(1)):
            case (b"N" | b"T" | b"F") as tag:
                return CONSTANTS[tag]
            case b"I":
                return self.numbers("<q")[0]
            case b"S":
                return self.text()
            case b"A":
                return self.array()
            case b"L":
                return [self.value(depth + 1) for _ in range(self.numbers("<I")[0])]
            case b"M":
                return {self.key(): self.value(depth + 1) for _ in range(self.numbers("<I")[0])}
            case tag:
                raise FrameError(f"unknown tag {tag!r}")

    def key(self) -> str:
        """Return the next string for use as a key."""
        if bytes(self.take(1)) != b"S":
            raise FrameError("a key that is not a string")
        return self.text()

    def text(self) -> str:
        """Return the next string."""
        return bytes(self.take(self.numbers("<I")[0])).decode("utf-8", "replace")

    def array(self) -> "np.ndarray[Any, Any]":
        """Return a copy of the next array."""
        code, axes = self.numbers("<BB")
        if code >= len(DTYPES) or axes > MAX_AXES:
            raise FrameError(f"an array of dtype {code} with {axes} axes")
        shape = self.numbers(f"<{axes}Q")
        count, bound = 1, 1
        for size in shape:
            count, bound = count * size, bound * max(size, 1)
            if bound > MAX_ELEMENTS:
                raise FrameError("an array with too many elements")
        dtype = DTYPES[code]
        data = self.take(count * dtype.itemsize)
        if dtype.kind == "b":
            return np.frombuffer(data, np.uint8).reshape(shape).astype(np.bool_)
        return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))
