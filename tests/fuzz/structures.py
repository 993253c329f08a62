"""Files whose structure is costly: counts, depths, repeated and overlapping parts, of a size that users may open.

Each function draws one kind of file. Its bytes are valid, so that readers go as far as they can.
"""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
from fuzz.campaign import Tally
from fuzz.judge import judge, little_memory

from chainrule.check import points
from chainrule.data import npz
from chainrule.data.images import open_image
from chainrule.interop.importing import read_weights

MOST_BYTES = 4_000_000  # of a drawn file


def count(random: Random, most: int) -> int:
    """Return a number from 1 to `most`, of any magnitude."""
    return min(most, int(2 ** random.uniform(0, most.bit_length())))


def dotted_keys(random: Random) -> bytes:
    """Draw names with many dots, in keys, tables and inline tables."""
    depth = count(random, 20_000)
    name = ".".join(["a"] * depth)
    line = random.choice(["{}.{} = 1\n", "[{}.{}]\n", "b{} = {{ {} = 1 }}\n", "[[{}.{}]]\n"])
    lines = count(random, MOST_BYTES // (2 * depth + 20))
    return "".join(line.format(f"k{number}", name) for number in range(lines)).encode()


def nested_values(random: Random) -> bytes:
    """Draw arrays and inline tables in each other."""
    begin, end = random.choice([("[", "]"), ("{a=", "}"), ("[{a=", "}]")])
    depth = count(random, 30_000)
    lines = count(random, MOST_BYTES // (4 * depth + 20))
    return "".join(f"k{number} = {begin * depth}1{end * depth}\n" for number in range(lines)).encode()


def many_members(random: Random) -> bytes:
    """Draw a zip archive with many members, written without zipfile, which would take as long as reading it."""
    members = count(random, 60_000)
    name = b"x" * count(random, min(200, MOST_BYTES // members))
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0) + name
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name
    end = struct.pack(
        "<4s4H2IH", b"PK\5\6", 0, 0, members % 65536, members % 65536, members * len(entry), len(local), 0
    )
    return local + entry * members + end


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def repeated_chunks(random: Random) -> bytes:
    """Draw a PNG with many chunks of one kind, whose content unpacks to a megabyte or is empty."""
    unpacked = zlib.compress(b"\0" * count(random, 1_000_000))
    chunks = {b"iCCP": b"p\0\0" + unpacked, b"zTXt": b"t\0\0" + unpacked, b"tEXt": b"t\0x", b"tIME": b"\0" * 7}
    chunks |= {b"iTXt": b"t\0\1\0\0\0" + unpacked, b"IDAT": b"", b"gAMA": b"\0" * 4, b"zzZz": b"", b"eXIf": b"MM\0*"}
    kind = random.choice(sorted(chunks))
    part = chunk(kind, chunks[kind])
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    pixels, end = chunk(b"IDAT", zlib.compress(b"\0" * 72)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + part * count(random, MOST_BYTES // len(part)) + pixels + end


def repeated_scans(random: Random) -> bytes:
    """Draw a progressive JPEG whose last scan is repeated, or with many other segments."""
    from PIL import Image

    stream, side = io.BytesIO(), count(random, 7000)
    Image.new("L", (side, min(7000, 49_000_000 // side)), 128).save(stream, "JPEG", progressive=True)
    content = stream.getvalue()[:-2]
    scan = content[content.rindex(b"\xff\xda") :]
    part = random.choice([scan, b"\xff\xe1\0\2", b"\xff\xfe\0\2", b"\xff\xdb\0\2", b"\xff\xe2\0\x10ICC_PROFILE\0\1\1"])
    repeated = part * count(random, MOST_BYTES // len(part))
    place = len(content) if part == scan else 2
    return content[:place] + repeated + content[place:] + b"\xff\xd9"


def overlapping_tags(random: Random) -> bytes:
    """Draw a TIFF with tags that share their data."""
    size, tags = count(random, 2_000_000), count(random, 60_000)
    begin = 8 + 2 + 12 * (tags + 8) + 4
    known = [(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, begin)]
    known += [(278, 3, 1, 1), (279, 4, 1, 1)]
    kind, width = random.choice([(1, 1), (2, 1), (4, 4), (5, 8), (7, 1), (12, 8)])
    others = [(1000 + number, kind, max(1, size // width), begin) for number in range(tags)]
    entries = b"".join(struct.pack("<HHII", *entry) for entry in known + others)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", tags + 8) + entries + b"\0\0\0\0" + b"\0" * max(size, 8)


def blocks_of_a_gif(random: Random) -> bytes:
    """Draw a GIF with many extensions, comments or frames."""
    size = count(random, 255)
    block = bytes([size]) + b"c" * size
    frame = b",\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    part = random.choice(
        [b"!\xfe" + block + b"\0", b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0", b"!\xf9\4\0\0\0\0\0", b"!\x01\0", frame]
    )
    comment = b"!\xfe" + block * count(random, MOST_BYTES // len(block)) + b"\0"
    many = random.choice([part * count(random, MOST_BYTES // len(part)), comment])
    return b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + many + frame + b";"


def text_pixels(random: Random) -> bytes:
    """Draw a PNM with numbers as text, comments and white space."""
    side = count(random, 5000)
    header = (
        f"{random.choice(['P1', 'P2', 'P3'])} {'# ' + 'c' * count(random, 100_000) if random.random() < 0.3 else ''}\n"
    )
    numbers = random.choice([b"7 ", b"1\n", b" 1 ", b"1 # c\n"])
    return f"{header}{side} {side} 255\n".encode() + numbers * count(random, 5 * MOST_BYTES // len(numbers))


def large_white(random: Random) -> bytes:
    """Draw a small file with many pixels."""
    from PIL import Image

    stream, side = io.BytesIO(), count(random, 7100)
    image = Image.new(random.choice(["L", "RGB", "RGBA"]), (side, min(side, 7100)), 255)
    kind = random.choice(["PNG", "WEBP", "TIFF", "GIF"])
    options = {"WEBP": {"lossless": True, "method": 0}, "TIFF": {"compression": "tiff_lzw"}}.get(kind, {})
    if kind == "GIF" and image.mode == "RGBA":
        image = image.convert("RGB")
    image.save(stream, kind, **options)
    return stream.getvalue()


def large_configuration(random: Random) -> bytes:
    """Draw an .h5 file of Keras with a long configuration."""
    import h5py

    stream, entries = io.BytesIO(), count(random, 8_000_000)
    entry = random.choice(["[]", "{}", "1", '{"config":{}}', '""'])
    with h5py.File(stream, "w") as file:
        group = file.create_group("model_weights").create_group("dense")
        group.attrs["weight_names"] = np.array([b"dense/kernel:0"])
        group.create_dataset("dense/kernel:0", data=np.ones((2, 3), np.float32))
        file["model_weights"].attrs["layer_names"] = np.array([b"dense"])
        kind = h5py.string_dtype()
        file.attrs.create("model_config", f'{{"a":[{",".join([entry] * entries)}]}}', dtype=kind)
    return stream.getvalue()


@dataclass(frozen=True)
class Structure:
    """A kind of files with a costly structure.

    draw     draws the content of a file
    suffix   suffix of the file's name
    readers  functions that read such files; each of them reads every file
    """

    draw: Callable[[Random], bytes]
    suffix: str
    readers: tuple[Callable[[Path], object], ...]

    @property
    def name(self) -> str:
        """Name of the structure in tables."""
        return self.draw.__name__.replace("_", " ")

    def campaign(self, count: int, folder: Path, seed: int) -> Tally:
        """Read `count` files with each reader."""
        tally, path = Tally(self.name), folder / f"file{self.suffix}"
        with little_memory():
            for number in range(count):
                content = self.draw(Random(f"{seed} {self.name} {number}"))
                path.write_bytes(content)
                for read in self.readers:
                    tally.add(judge(partial(read, path)), content)
        return tally


def read_points(path: Path) -> object:
    """Read the points of a homework."""
    return points.read(path, ["a"])


KINDS = (
    *(Structure(draw, ".toml", (read_points,)) for draw in (dotted_keys, nested_values)),
    Structure(many_members, ".npz", (npz.read_archive, read_weights)),
    *(Structure(draw, ".png", (open_image,)) for draw in (repeated_chunks, repeated_scans, overlapping_tags)),
    *(Structure(draw, ".png", (open_image,)) for draw in (blocks_of_a_gif, text_pixels, large_white)),
    Structure(large_configuration, ".h5", (read_weights,)),
)
STRUCTURES = {kind.name: kind for kind in KINDS}
