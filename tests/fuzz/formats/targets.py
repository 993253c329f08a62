"""Tables of labels beside images: headings, paths and numbers."""

from pathlib import Path

import numpy as np
from fuzz.campaign import Format
from fuzz.formats.runs import table
from PIL import Image

from chainrule.data import load

WORDS = (
    *(
        b"file",
        b"label",
        b"a.png",
        b"../a.png",
        b"/a.png",
        b"nan",
        b"inf",
        b"1e999",
        b"-1",
        b"0x10",
        b"1_0",
        b'"',
        b";",
    ),
    *(b"\t", b"image", b"split", b"train", b"cat", b"a", b"e\xcc\x81", b",", b"\n", b"\r\n", b'""', b"\xef\xbb\xbf"),
    *(b"\xff", b"\0", b"1" * 50, b"\xd9\xa3"),
)


def trees() -> list[list[list[str]]]:
    """Return rows of cells: with one number, with several, and with a class."""
    return [
        [
            ["file", "age"],
            *([f"{name}.png", age] for name, age in zip("abcde", ("3.5", "-1e3", "0", "2", "1"), strict=True)),
        ],
        [
            ["dog", "file", "cat\r"],
            ["1", "a.png", "0\r"],
            ["0", "b.png", "1\r"],
            *[["1", f"{name}.png", "1\r"] for name in "cde"],
        ],
        [
            ['\xef\xbb\xbf"file"', "label"],
            ['"a.png"', "cat"],
            ["b.png", '"do,g"'],
            *[[f"{name}.png", "cat"] for name in "cde"],
        ],
    ]


def read(path: Path) -> None:
    """Load the folder as training and test data."""
    for name in "abcde":
        image = path.with_name(f"{name}.png")
        if not image.exists():
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(image)
    load(path.parent)


def found() -> dict[str, bytes]:
    """Return inputs that might fail."""
    return {"a field without end": b'file,a\n"a.png', "a long field": b"file,a\n" + b"x" * 200_000 + b",1\n"}


FORMAT = Format("table of labels", "images/labels.csv", read, trees, table, WORDS, found)
