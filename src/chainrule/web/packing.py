"""Compact binary data in an HTML file: byte planes, deflated, in base64.

The bytes of float32 values are grouped by their significance: all lowest bytes first, then all second ones, …, then
all highest ones. Signs and exponents of a layer's weights are alike and compress well side by side.
"""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.protocol import Array

RAW = -15  # zlib's window bits for what JavaScript's DecompressionStream calls "deflate-raw"


def pack_numbers(array: Array) -> dict[str, Any]:
    """Pack an array of any dtype as float32: its length and its byte planes."""
    numbers = np.ascontiguousarray(array, "<f4").reshape(-1)
    planes = numbers.view(np.uint8).reshape(-1, 4).T
    return {"length": int(numbers.size), "planes": 4, "base64": _deflate(planes.tobytes())}


def pack_bytes(array: NDArray[np.uint8]) -> dict[str, Any]:
    """Pack bytes without planes: their length and the bytes, deflated."""
    return {"length": int(array.size), "planes": 1, "base64": _deflate(np.ascontiguousarray(array).tobytes())}


def unpack(packed: dict[str, Any]) -> Array:
    """Return the flat array given to `pack_numbers` or `pack_bytes`."""
    content = np.frombuffer(zlib.decompress(base64.b64decode(packed["base64"]), RAW), np.uint8)
    if packed["planes"] == 1:
        return content
    return np.ascontiguousarray(content.reshape(packed["planes"], packed["length"]).T).view("<f4").reshape(-1)


def _deflate(content: bytes) -> str:
    deflate = zlib.compressobj(9, zlib.DEFLATED, RAW)
    return base64.b64encode(deflate.compress(content) + deflate.flush()).decode("ascii")
