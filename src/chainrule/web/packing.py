"""Bytes small enough to stand in an HTML file: planes of bytes, deflated, in base64.

The bytes of float32 numbers are sorted by their place in the number first: all lowest ones, then all second ones, …,
all highest ones. Signs and exponents of a layer's weights are alike, and shrink when they lie side by side.
"""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Array

RAW = -15  # zlib's word for "deflate-raw", as JavaScript's DecompressionStream calls it


def packed_numbers(array: Array) -> dict[str, Any]:
    """Numbers of any dtype as float32: how many, and their packed planes."""
    numbers = np.ascontiguousarray(array, "<f4").reshape(-1)
    planes = numbers.view(np.uint8).reshape(-1, 4).T
    return {"length": int(numbers.size), "planes": 4, "base64": _deflated(planes.tobytes())}


def packed_bytes(array: NDArray[np.uint8]) -> dict[str, Any]:
    """Bytes: how many, and themselves deflated."""
    return {"length": int(array.size), "planes": 1, "base64": _deflated(np.ascontiguousarray(array).tobytes())}


def unpacked(packed: dict[str, Any]) -> Array:
    """What `packed_numbers` or `packed_bytes` was given, flat."""
    content = np.frombuffer(zlib.decompress(base64.b64decode(packed["base64"]), RAW), np.uint8)
    if packed["planes"] == 1:
        return content
    return np.ascontiguousarray(content.reshape(packed["planes"], packed["length"]).T).view("<f4").reshape(-1)


def _deflated(content: bytes) -> str:
    deflate = zlib.compressobj(9, zlib.DEFLATED, RAW)
    return base64.b64encode(deflate.compress(content) + deflate.flush()).decode("ascii")
