"""The size of an image file is read before it is decoded."""

import io
import struct

import numpy as np
from PIL import Image
from web.pages import Page

SIZE = """
async (bytes) => (await import("/views/input/image_header.js")).imageSize(Uint8Array.from(bytes))
"""


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((23, 37, 3), np.uint8)).save(file, kind, **options)
    return file.getvalue()


def test_png_and_jpeg(modules: Page) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 3000
    for file in (encoded("PNG"), encoded("JPEG"), encoded("JPEG", progressive=True), encoded("JPEG", exif=exif)):
        assert modules.evaluate(SIZE, list(file)) == {"width": 37, "height": 23}


def test_the_size_it_claims(modules: Page) -> None:
    png = bytearray(encoded("PNG"))
    png[16:24] = struct.pack(">II", 60000, 50000)
    assert modules.evaluate(SIZE, list(png)) == {"width": 60000, "height": 50000}


def test_neither_or_cut_short(modules: Page) -> None:
    no_frame = b"\xff\xd8" + b"\xff\xe1\x00\x02" * 3
    for file in (encoded("GIF"), encoded("BMP"), b"", b"\xff\xd8\xff\xe0", encoded("PNG")[:20], no_frame):
        assert modules.evaluate(SIZE, list(file)) is None
