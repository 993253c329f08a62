"""NumPy archives: the zip container and the headers of its arrays."""

import io
import struct
import zipfile
from typing import Any

import numpy as np
from fuzz.campaign import Format
from fuzz.mutators import bytes_of, packed, text_of, unpacked

from chainrule.data import load

X = np.arange(10 * 6 * 5).astype(np.uint8).reshape(10, 6, 5)
Y = np.arange(10) % 3


def npy(header: str, content: bytes, version: int = 1) -> bytes:
    """Return a .npy file with an arbitrary header."""
    text = header.encode("latin-1", errors="replace") + b"\n"
    return b"\x93NUMPY" + bytes((version, 0)) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + content


def arrays(**values: np.ndarray) -> dict[str, bytes]:
    """Return arrays as .npy files."""
    stream = io.BytesIO()
    np.savez(stream, **values)
    return unpacked(stream.getvalue())


def trees() -> list[Any]:
    """Return archives of several kinds, stored and compressed by every method."""
    names = np.array(["a", "bb", "c"])
    members = (
        {"x": X, "y": Y},
        {"x": np.asfortranarray(X / 255), "y": np.eye(3)[Y], "classes": names},
        {"x": X, "targets": np.linspace(0, 1, 20).reshape(10, 2), "weights": np.ones(10), "classes": names[:2]},
        {"x": X[:, :, :, None], "y": Y, "x_test": X[:3, :, :, None], "y_test": Y[:3]},
    )
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    return [
        {"method": method, "members": {f"{name}.npy": parts(member) for name, member in arrays.items()}}
        for method, arrays in zip(methods, members, strict=True)
    ]


def parts(array: np.ndarray) -> dict[str, Any]:
    """Return the entries of the header of a .npy file, the version of the format and the content."""
    order = array.flags.f_contiguous and array.ndim > 1
    entries = {"descr": array.dtype.str, "fortran_order": order, "shape": array.shape}
    return {**entries, "version": 1, "content": text_of(array.tobytes("A"))}


def build(tree: Any) -> bytes:
    """Return an archive with right checksums."""
    files = dict[str, bytes]()
    for name, entries in tree["members"].items():
        header = {key: value for key, value in entries.items() if key not in ("version", "content")}
        if isinstance(header.get("shape"), list):
            header["shape"] = tuple(header["shape"])
        files[name] = npy(repr(header), bytes_of(entries["content"]), entries["version"])
    return packed(files, tree["method"])


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
    files["wrong checksum"] = packed({**arrays(x=X), **y}).replace(X.tobytes(), X.tobytes()[::-1])
    bomb = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3000000, 28, 28), }", bytes(3_000_000 * 784 // 8))
    files["a bomb"] = packed({"x.npy": bomb, **y}, zipfile.ZIP_DEFLATED)
    return files


DTYPES = (b">f8", b"|b1", b"<U5", b"|S4", b"|O", b"<c8", b"<M8[s]", b"<V3", b"<U0", b"|u3", b"<f16", b"<U999999")
WORDS = (*DTYPES, b"'shape': (", b"PK\x01\x02", b"PK\x05\x06")
FORMAT = Format("NumPy archive", "some.npz", load, trees, build, WORDS, found)
