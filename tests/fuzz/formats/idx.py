"""IDX files, plain and gzip."""

import gzip
import math
import struct
from random import Random

from fuzz.campaign import Format
from fuzz.mutators import WHOLE, mutated

from chainrule.data import read_idx


def idx(*sizes: int, content: bytes | None = None) -> bytes:
    """Return an IDX file whose header states these sizes."""
    header = struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes)
    return header + (bytes(math.prod(sizes)) if content is None else content)


def seeds() -> list[bytes]:
    """Return images, labels, and both compressed."""
    plain = [idx(3, 5, 4, content=bytes(range(60))), idx(7, content=bytes(range(7))), idx(2, 3, 4, 5)]
    return [*plain, *(gzip.compress(content, mtime=0) for content in plain[:2])]


def craft(random: Random) -> bytes:
    """Return a header with drawn sizes, or a mutation with a right gzip checksum."""
    sizes = [abs(random.choice((*WHOLE, 1, 2, 3, 4))) % 2**32 for _ in range(random.randint(1, 4))]
    content = idx(*sizes, content=bytes(random.choice((0, 1, 24, 60, 1000))))
    if random.random() < 0.5:
        content = mutated(random.choice(seeds()[:3]), seeds(), (), random)
    return gzip.compress(content, mtime=0) if random.random() < 0.5 else content


def found() -> dict[str, bytes]:
    """Return inputs that once failed."""
    return {
        "a bomb": gzip.compress(idx(2**30, content=bytes(50_000_000)), mtime=0),
        "sizes of 2^128 in all": gzip.compress(idx(*[2**32 - 1] * 4, content=b""), mtime=0),
    }


FORMAT = Format("IDX", "some-idx", read_idx, seeds, craft, (b"\x1f\x8b", b"\0\0\x08\x03", b"\0\0\x0d\x03"), found)
