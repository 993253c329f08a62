"""Images: PNG, JPEG and other formats, read or refused."""

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.campaign import Format
from fuzz.mutators import bytes_of, text_of
from PIL import Image

from chainrule.data import load_digit, load_image
from chainrule.errors import ChainruleError

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 12, 4), np.uint8)
SAVED = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "GIF": ("L", "P"),
    "BMP": ("1", "L", "P", "RGB"),
    "TIFF": ("L", "RGB", "CMYK", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "ICO": ("RGBA",),
    "PPM": ("L", "RGB"),
    "TGA": ("RGB",),
}
START = b"\x89PNG\r\n\x1a\n"
EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"  # followed by the type, count and value of the orientation


def picture(mode: str) -> Image.Image:
    """Return a small image of noise."""
    if mode == "I;16":
        return Image.fromarray(PIXELS[:, :, 0].astype(np.uint16) * 257)
    return Image.fromarray(PIXELS, "RGBA").convert(mode)


def saved(mode: str, form: str, **options: object) -> bytes:
    """Return an image file."""
    stream = io.BytesIO()
    picture(mode).save(stream, form, **options)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file with a right checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return the chunks of a PNG file."""
    result, at = list[tuple[bytes, bytes]](), len(START)
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        result.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return result


def png(parts: list[tuple[bytes, bytes]]) -> bytes:
    """Assemble a PNG file from chunks."""
    return START + b"".join(chunk(kind, content) for kind, content in parts)


def oriented(entry: bytes) -> bytes:
    """Return a JPEG file with corrupted bytes in its EXIF orientation."""
    return saved("RGB", "JPEG", exif=EXIF + entry + b"\0\0\0\0")


def seeds() -> list[bytes]:
    """Return files of every kind and mode, with text, palettes, transparency and orientations."""
    files = [saved(mode, form) for form, modes in SAVED.items() for mode in modes]
    files += [
        saved("P", "PNG", transparency=3),
        saved("RGB", "PNG", transparency=(1, 2, 3)),
        saved("L", "PNG", transparency=7),
    ]
    files += [saved("RGB", "JPEG", progressive=True, quality=30), oriented(b"\0\x03\0\0\0\x01\0\x06\0\0")]
    return files


def trees() -> list[Any]:
    """Return the chunks of PNG files, and the content of other files."""
    return [
        [[*map(text_of, part)] for part in chunks(content)] if content.startswith(START) else text_of(content)
        for content in seeds()
    ]


def build(tree: Any) -> bytes:
    """Return a file; of a PNG file, the checksums are right."""
    return bytes_of(tree) if isinstance(tree, str) else png([(bytes_of(kind), bytes_of(part)) for kind, part in tree])


def read(path: Path) -> None:
    """Read the input as a digit, which it may not show, and for a colour network."""
    with suppress(ChainruleError):
        load_digit(path)
    load_image(path, (3, 8, 8))


def bomb(mode: int, width: int, height: int, depth: int = 8) -> bytes:
    """Return a PNG file of few bytes and many zero pixels."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[mode]
    packed, row = zlib.compressobj(9), bytes(1 + width * samples * depth // 8)
    rows = b"".join(packed.compress(row) for _ in range(height)) + packed.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, mode, 0, 0, 0)
    return png([(b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")])


def found() -> dict[str, bytes]:
    """Return inputs that once failed, by Pillow's exception."""
    gray, parts = saved("L", "PNG"), chunks(saved("P", "PNG"))
    head, rest = parts[0], [part for part in parts[1:] if part[0] != b"PLTE"]
    idat = next(content for name, content in chunks(gray) if name == b"IDAT")
    return {
        "IndexError": png([head, (b"tRNS", b""), *rest]),
        "ValueError: palette": png([head, (b"PLTE", b"ab"), *rest]),
        "no palette": png([head, *rest]),
        "TypeError: orientation": oriented(b"\0\x02\0\0\0\x04abc\0"),
        "two orientations": oriented(b"\0\x03\0\0\0\x02\0\x06\0\x06"),
        "SyntaxError": png([(b"IHDR", head[1]), (b"IHDR", b"")]),
        "a text of 1 GB": png([head, (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7))), *rest]),
        "a bomb": bomb(0, 60_000, 1),
        "MemoryError: a chunk of 4 GB": gray.replace(struct.pack(">I", len(idat)) + b"IDAT", b"\xff\xff\xff\xf0IDAT"),
    }


def large() -> dict[str, bytes]:
    """Return the largest images that are accepted."""
    return {
        "50 million pixels, transparent": bomb(6, 8000, 6250),
        "50 million pixels, 16 bits": bomb(0, 8000, 6250, 16),
        "50 million pixels": bomb(2, 8000, 6250),
    }


CHUNKS = (b"tRNS", b"PLTE", b"eXIf", b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"gAMA", b"acTL", b"fdAT", b"IHDR", b"IDAT")
WORDS = (*CHUNKS, b"Exif", b"\xff\xda", b"\xff\xc4", b"II*\0", b"a\0\0" + zlib.compress(bytes(10**5)))
FORMAT = Format("image", "some.png", read, trees, build, WORDS, found, large)
