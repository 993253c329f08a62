"""Tables of targets beside images: headings, paths and numbers."""

from pathlib import Path
from random import Random

import numpy as np
from fuzz.campaign import Format
from fuzz.mutators import mutated
from PIL import Image

from chainrule.data import load

WORDS = (
    *(b"file", b"weight", b"a.png", b"../a.png", b"/a.png", b"nan", b"inf", b"1e999", b"-1", b"0x10", b"1_0", b'"'),
    *(
        b";",
        b"\t",
        b"image",
        b"split",
        b"train",
        b"cat",
        b"a",
        b"e\xcc\x81",
        b",",
        b"\n",
        b"\r\n",
        b'""',
        b"\xef\xbb\xbf",
        b"\xff",
        b"\0",
        b"1" * 50,
        b"\xd9\xa3",
    ),
)


def seeds() -> list[bytes]:
    """Return tables with one target, several, and weights."""
    return [
        b"file,age\na.png,3.5\na.png,-1e3\na.png,0\na.png,2\na.png,1\n",
        b"dog,file,cat\r\n1,a.png,0\r\n0,./a.png,1\r\n" + b"1,a.png,1\r\n" * 4,
        b'\xef\xbb\xbf"file","a, b",weight\n"a.png",1,0.5\n' + b"a.png,2,1\n" * 5,
    ]


def craft(random: Random) -> bytes:
    """Return a table whose cells are words."""
    columns = random.choice((1, 2, 2, 3, 4))
    cells = [*WORDS, b"age", b"1", b"0.5", b"a.png"]
    heading = random.choice((b"file,age", b"file,a,weight", b",".join(random.choice(cells) for _ in range(columns))))
    rows = [b",".join(random.choice(cells) for _ in range(heading.count(b",") + 1)) for _ in range(random.randrange(6))]
    return mutated(b"\n".join([heading, *rows]), seeds(), WORDS, random)


def read(path: Path) -> None:
    """Load the folder as training and test data."""
    image = path.with_name("a.png")
    if not image.exists():
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(image)
    load(path.parent)


def found() -> dict[str, bytes]:
    """Return inputs that might fail."""
    return {"a field without end": b'file,a\n"a.png', "a long field": b"file,a\n" + b"x" * 200_000 + b",1\n"}


FORMAT = Format("table of targets", "images/targets.csv", read, seeds, craft, WORDS, found)
