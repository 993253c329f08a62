"""The binary format for values exchanged with a learner's process.

A frame consists of the sizes of its text and of its data (8 bytes each, little-endian), the text, and the data. The
text is JSON. In it, {"array": [dtype, shape]} is the next array in the data, which contains the elements of all
arrays in C order, little-endian.

All sizes are checked against the number of available bytes before memory is allocated. Nothing is unpickled, and NumPy
does not parse any headers.
"""

import json
import math
import struct
from typing import Any, cast

import numpy as np

SIZES = struct.Struct("<QQ")
MAX_TEXT, MAX_DATA = 1 << 20, 64 << 20  # maximum sizes of the two sections of a frame, in bytes
MAX_AXES = 32  # maximum number of axes of an array
DTYPES = frozenset(("<f8", "<f4", "<f2", "<c16", "<c8", "<i8", "<i4", "<i2", "|i1", "<u8", "<u4", "<u2", "|u1", "|b1"))
ARRAY = "array"


class FrameError(ValueError):
    """Raised for bytes that do not encode a value, and for values that cannot be encoded."""


def encode(value: object) -> bytes:
    """Return the frame for a value; FrameError if its type is unsupported or it is too large."""
    arrays: list[np.ndarray[Any, Any]] = []

    def describe(item: object) -> dict[str, Any]:
        if not isinstance(item, np.ndarray):
            raise FrameError(f"{type(item).__name__} cannot be sent")
        arrays.append(_portable(cast("np.ndarray[Any, Any]", item)))
        return {ARRAY: [arrays[-1].dtype.str, arrays[-1].shape]}

    text = json.dumps(value, default=describe).encode()
    size = sum(array.nbytes for array in arrays)
    if len(text) > MAX_TEXT or size > MAX_DATA:
        raise FrameError(f"more than {MAX_DATA >> 20} MB")
    return b"".join((SIZES.pack(len(text), size), text, *(array.tobytes() for array in arrays)))


def sizes(head: bytes) -> tuple[int, int]:
    """Return the sizes of the text and the data of a frame that begins with these bytes; FrameError if too large."""
    text, data = SIZES.unpack(head)
    if text > MAX_TEXT or data > MAX_DATA:
        raise FrameError(f"more than {MAX_DATA >> 20} MB")
    return text, data


def decode(text: bytes, data: bytes) -> Any:
    """Return the value in a frame's text and data; FrameError if they do not encode exactly one value."""
    position = 0

    def replace(item: dict[str, Any]) -> Any:
        nonlocal position
        match item:
            case {"array": [str(dtype), [*shape]]} if len(item) == 1:
                array = _array(dtype, shape, data, position)
                position += array.nbytes
                return array
            case _:
                return item

    try:
        value = json.loads(text.decode(), object_hook=replace)
    except (ValueError, RecursionError) as error:
        raise FrameError(str(error)) from None
    if position != len(data):
        raise FrameError(f"{len(data) - position} bytes after the last array")
    return value


def _portable(array: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return an array with a dtype of the format. Extended precision is converted to double precision."""
    if array.nbytes > MAX_DATA:
        raise FrameError(f"an array of {array.nbytes >> 20} MB; at most {MAX_DATA >> 20}")
    dtype = array.dtype.newbyteorder("<")
    if dtype.str not in DTYPES and dtype.kind in "fc":
        dtype = np.dtype("<f8" if dtype.kind == "f" else "<c16")
    if dtype.str not in DTYPES or array.ndim > MAX_AXES:
        raise FrameError(f"an array of {array.dtype} with {array.ndim} axes cannot be sent")
    return array.astype(dtype, copy=False)


def _array(dtype: str, shape: list[Any], data: bytes, position: int) -> "np.ndarray[Any, Any]":
    """Return a copy of the array at a position in the data."""
    is_shape = all(type(size) is int and size >= 0 for size in shape)
    if dtype not in DTYPES or len(shape) > MAX_AXES or not is_shape:
        raise FrameError(f"an array of dtype {dtype!r} with {len(shape)} axes")
    kind = np.dtype(dtype)
    count = math.prod(shape)
    if count * kind.itemsize > len(data) - position:
        raise FrameError("ends in the middle of an array")
    if kind.kind == "b":
        return np.frombuffer(data, np.uint8, count, position).reshape(shape).astype(np.bool_)
    return np.frombuffer(data, kind, count, position).reshape(shape).astype(kind.newbyteorder("="))
