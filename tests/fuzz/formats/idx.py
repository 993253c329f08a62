"""IDX files, plain and gzip."""

import gzip
import math
import struct
from typing import Any

from fuzz.campaign import Format
from fuzz.mutators import bytes_of, text_of

from chainrule.data import read_idx


def idx(*sizes: int, content: bytes) -> bytes:
    """Return an IDX file whose header states these sizes."""
    return struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes) + content


def trees() -> list[Any]:
    """Return images, labels, and both compressed."""
    shapes = ((3, 5, 4), (7,), (2, 3, 4, 5))
    plain = [{"sizes": sizes, "content": text_of(bytes(range(math.prod(sizes))))} for sizes in shapes]
    return [{**tree, "is_zipped": is_zipped} for tree in plain for is_zipped in (False, True)]


def build(tree: Any) -> bytes:
    """Return a file whose header may state other sizes than its content has."""
    content = idx(*tree["sizes"], content=bytes_of(tree["content"]))
    return gzip.compress(content, mtime=0) if tree["is_zipped"] else content


def found() -> dict[str, bytes]:
    """Return inputs that once failed."""
    return {
        "a bomb": gzip.compress(idx(2**30, content=bytes(50_000_000)), mtime=0),
        "sizes of 2^128 in all": gzip.compress(idx(*[2**32 - 1] * 4, content=b""), mtime=0),
    }


FORMAT = Format("IDX", "some-idx", read_idx, trees, build, (b"\x1f\x8b", b"\0\0\x08\x03", b"\0\0\x0d\x03"), found)
