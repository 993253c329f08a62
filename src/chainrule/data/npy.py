"""Strict reader of .npy files inside an archive: plain numbers and strings, C or Fortran order, versions 1 to 3.

The header is matched by a strict grammar, and the size it declares is compared with the archive's directory before
anything is allocated. Members are read to their end, where zipfile checks the archive's checksum (CRC-32).
"""

import math
import re
import zipfile
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule._io.reading import check_zip_member, refuse_bomb
from chainrule.errors import FormatError, quoted

MAGIC = b"\x93NUMPY"
LENGTH_BYTES = {(1, 0): 2, (2, 0): 4, (3, 0): 4}  # length field before the header, by version
MAX_HEADER = 4096  # bytes; a plain array has 128
MAX_AXES = 8
LARGEST = 1 << 56  # elements of an array, axes of size 0 counted as 1
BLOCK = 1 << 20

ENTRIES = {
    "descr": re.compile(r"'descr'\s*:\s*'([<>|=]?[A-Za-z?][0-9]{0,6})'"),
    "fortran_order": re.compile(r"'fortran_order'\s*:\s*(True|False)"),
    "shape": re.compile(r"'shape'\s*:\s*\(((?:[0-9]{1,15}L?\s*,\s*)*(?:[0-9]{1,15}L?)?)\s*\)"),
}
BETWEEN = re.compile(r"\s*,?\s*")
PLAIN = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|c8|c16|[SU][1-9][0-9]{0,5})")


class Header(NamedTuple):
    """Content of a .npy header, and its size in bytes including everything before it."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    size: int


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    """Read the array in a member of an archive.

    Errors   FormatError for a header that does not describe a plain array, a size that does not match, or a member that
             is encrypted, compressed in an unusual way, or a decompression bomb. A wrong checksum raises zipfile's
             BadZipFile.
    """
    place = f"{path}: array {info.filename}"
    check_zip_member(info, place)
    refuse_bomb(place, info.compress_size, info.file_size)
    with archive.open(info) as stream:
        header = read_header(stream, place)
        count = math.prod(header.shape)
        expected = header.size + count * header.dtype.itemsize
        if expected != info.file_size:
            found = f"its header promises {expected} bytes, found {info.file_size} bytes"
            raise FormatError(f"{place} is damaged: {found}")
        flat = np.empty(count, header.dtype)
        _fill(flat, stream, place)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def read_header(stream: IO[bytes], place: str) -> Header:
    """Read the header of a .npy file; FormatError, beginning with ``place``, when it is not one."""
    start = stream.read(8)
    if len(start) < 8 or start[:6] != MAGIC or (width := LENGTH_BYTES.get((start[6], start[7]))) is None:
        raise FormatError(f"{place} is damaged: it does not begin as a .npy file of version 1 to 3")
    length = int.from_bytes(stream.read(width), "little")
    if length > MAX_HEADER:
        raise FormatError(f"{place}: a header of {length} bytes; expected at most {MAX_HEADER}")
    text = stream.read(length)
    if len(text) != length:
        raise FormatError(f"{place} is damaged: its header ends after {len(text)} of {length} bytes")
    entries = _entries(text.decode("latin-1"), place)
    shape = tuple(int(size.strip(" L")) for size in entries["shape"].split(",") if size.strip())
    if len(shape) > MAX_AXES or math.prod(max(size, 1) for size in shape) > LARGEST:
        raise FormatError(f"{place}: shape {quoted(shape)} has too many axes or cells")
    return Header(_dtype(entries["descr"], place), shape, entries["fortran_order"] == "True", 8 + width + length)


def _entries(text: str, place: str) -> dict[str, str]:
    """Parse the three entries of a header, each exactly once, in any order."""
    inner = text.strip()
    at, found = 1, dict[str, str]()
    while inner[:1] == "{" and len(found) < len(ENTRIES):
        matches = [(name, match) for name, entry in ENTRIES.items() if (match := entry.match(inner, at))]
        if not matches:
            break
        name, match = matches[0]
        found[name] = match[1]
        between = BETWEEN.match(inner, match.end())
        at = between.end() if between else match.end()
    if len(found) < len(ENTRIES) or inner[at:] != "}":
        if "'|O'" in inner or "'O'" in inner:
            raise FormatError(f"{place} holds Python objects; expected numbers")
        expected = "descr, fortran_order and shape of a plain array"
        raise FormatError(f"{place}: its header is {quoted(inner)}; expected {expected}")
    return found


def _dtype(descr: str, place: str) -> np.dtype[Any]:
    if not PLAIN.fullmatch(descr):
        kind = "Python objects" if "O" in descr else f"values of type {descr!r}"
        raise FormatError(f"{place} holds {kind}; expected numbers")
    return np.dtype(descr)


def _fill(flat: NDArray[Any], stream: IO[bytes], place: str) -> None:
    """Read an array's bytes and the end of the stream, where zipfile checks the checksum."""
    view = flat.view(np.uint8).data if flat.size else memoryview(b"")
    at = 0
    while at < len(view):
        block = stream.read(min(BLOCK, len(view) - at))
        if not block:
            raise FormatError(f"{place} is damaged: expected {len(view)} bytes, found {at}")
        view[at : at + len(block)] = block
        at += len(block)
    if stream.read(1):
        raise FormatError(f"{place} is damaged: more bytes than its header promises")
