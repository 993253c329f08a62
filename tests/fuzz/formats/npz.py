"""NumPy archives: the zip container and the headers of its arrays."""

import io
import struct
import zipfile
from random import Random

import numpy as np
from fuzz.campaign import Format
from fuzz.mutators import WHOLE, mutated, packed, unpacked

from chainrule.data import load

X = np.arange(10 * 6 * 5).astype(np.uint8).reshape(10, 6, 5)
Y = np.arange(10) % 3
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
DTYPES = (
    "|u1",
    "<f4",
    "<i8",
    ">f8",
    "|b1",
    "<U5",
    "|S4",
    "|O",
    "<c8",
    "<M8[s]",
    "<V3",
    "<U0",
    "|u3",
    "<f16",
    "u1",
    "<U999999",
)
HEADERS = (
    "{'descr': '|u1', 'fortran_order': False, 'shape': (10, 6, 5)",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (10,), }",
    "{'descr': '|u1', 'fortran_order': 0, 'shape': [10], }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (10, -6), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1e3,), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': 10, }",
    "{'descr': 7, 'fortran_order': False, 'shape': (10,), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (10,), 'more': 1}",
    "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (10,), }",
    "{" * 300,
    "(" * 300,
    "'''",
    "__import__('os')",
)


def npy(header: str, content: bytes, version: int = 1) -> bytes:
    """Return a .npy file with an arbitrary header."""
    text = header.encode("latin-1", errors="replace") + b"\n"
    return b"\x93NUMPY" + bytes((version, 0)) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + content


def arrays(**given: np.ndarray) -> dict[str, bytes]:
    """Return arrays as .npy files."""
    stream = io.BytesIO()
    np.savez(stream, **given)
    return unpacked(stream.getvalue())


def seeds() -> list[bytes]:
    """Return archives of several kinds, compressed and stored."""
    names = np.array(["a", "bb", "c"])
    plain = arrays(x=X, y=Y)
    return [
        packed(plain),
        packed(plain, zipfile.ZIP_DEFLATED),
        packed(arrays(x=np.asfortranarray(X / 255), y=np.eye(3)[Y], classes=names), zipfile.ZIP_DEFLATED),
        packed(arrays(x=X, targets=np.linspace(0, 1, 20).reshape(10, 2), weights=np.ones(10), classes=names[:2])),
        packed(arrays(x=X[:, :, :, None], y=Y, x_test=X[:3, :, :, None], y_test=Y[:3])),
    ]


def craft(random: Random) -> bytes:
    """Return a mutation with right checksums: of a header, an array's bytes or the compression."""
    members = arrays(x=X, y=Y) | arrays(classes=np.array(["a", "b", "c"]))
    name = random.choice([*members])
    kind = random.random()
    if kind < 0.4:
        shape = tuple(random.choice((*WHOLE, 10, 6, 5, 3)) for _ in range(random.choice((0, 1, 1, 3, 3, 4, 9, 33))))
        order = random.choice(("True", "False", "None"))
        header = f"{{'descr': '{random.choice(DTYPES)}', 'fortran_order': {order}, 'shape': {shape}, }}"
        members[name] = npy(header, bytes(random.choice((0, 10, 300, 5000))), random.choice((1, 1, 2, 3, 4)))
    elif kind < 0.6:
        members[name] = npy(random.choice(HEADERS), members[name][128:], random.choice((1, 2, 3)))
    else:
        members[name] = mutated(members[name], [*members.values()], FORMAT.words, random)
    if random.random() < 0.1:
        del members[random.choice([*members])]
    return packed(members, random.choice(METHODS if random.random() < 0.2 else METHODS[:2]))


def found() -> dict[str, bytes]:
    """Return inputs that once failed, by the exception of NumPy or zipfile."""
    y = arrays(y=Y)
    headers = {
        "TokenError": "{'descr': '|u1', 'fortran_order': False, 'shape': (10, 6, 5",
        "TypeError": "{'descr': '|u1', 'fortran_order': False, 'shape': (10, None), [1]: 2}",
        "OverflowError": f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({10**30},), }}",
        "SyntaxError": "{'descr': 'u1,', 'fortran_order': False, 'shape': (10,), ",
    }
    files = {name: packed({"x.npy": npy(text, X.tobytes()), **y}) for name, text in headers.items()}
    classes = npy("{'descr': '<U1', 'fortran_order': False, 'shape': (3,), }", b"\xff" * 12)
    files["letters that Unicode does not have"] = packed({**arrays(x=X, y=Y), "classes.npy": classes})
    files["LZMAError"] = packed(arrays(x=X, y=Y), zipfile.ZIP_LZMA).replace(b"\x09\x04\x05\0", b"\xff\x04\x05\0")
    files["wrong checksum"] = seeds()[0].replace(X.tobytes(), X.tobytes()[::-1])
    bomb = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3000000, 28, 28), }", bytes(3_000_000 * 784 // 8))
    files["a bomb"] = packed({"x.npy": bomb, **y}, zipfile.ZIP_DEFLATED)
    return files


FORMAT = Format(
    "NumPy archive", "some.npz", load, seeds, craft, (b"'shape': (", b"'|O'", b"PK\x01\x02", b"PK\x05\x06"), found
)
