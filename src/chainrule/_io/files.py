"""Atomic writing of files, strict JSON, CSV, and tensor files with a checksum.

A file is written under a temporary name in the same folder, flushed to disk and renamed. Tensors are stored as
safetensors (no pickle). The metadata contain the kind and version of the file, and a SHA-256 of the tensors' names,
shapes and bytes. All metadata are in a single JSON string: safetensors writes several entries in arbitrary order, but
equal models should produce equal files.
"""

import csv
import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from chainrule._io.reading import open_regular, read_bytes, reading
from chainrule.errors import FormatError, OptionError, RunError, quoted

Array = NDArray[Any]

VERSION = 1
KEY = "chainrule"  # the only key in the metadata of a tensor file
MAX_HEADER = 4 << 20  # bytes; the limit of safetensors is 100 MB, and parsing that takes seconds and a gigabyte
# position of a formula in a cell, or in a part of it: spreadsheets may divide cells at other separators than commas
FORMULA = re.compile(r"(^|[,;|\t\r\n])(?=[\s\"]*[=+\-@＝＋－＠][^,;|\t\r\n]*[^\W_])")
# types of tensors in safetensors files → how NumPy reads them; the bits of bfloat16 are converted to float32
FLOATS = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2"}
TEMPORARY = ".{}.{}.part"  # name of a temporary file of `write_atomic`: the final name, and random digits


def as_path(value: Any) -> Path:
    """Convert a nonempty string or a path-like object to a path; raise OptionError for anything else."""
    if (isinstance(value, str) and not value) or not isinstance(value, str | os.PathLike):
        raise OptionError(f"path {quoted(value)}: expected the name of a file or folder")
    return Path(cast("str | os.PathLike[str]", value))


def write_atomic(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file atomically. On failure, raise RunError; an existing file is then unchanged.

    mode   permissions of the file, without those that the umask forbids
    """
    temporary = path.with_name(TEMPORARY.format(path.name, secrets.token_hex(8)))
    try:
        _write(temporary, content, os.O_EXCL, mode)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def append(path: Path, content: bytes) -> None:
    """Append to a file and flush it to disk. On failure, raise RunError; part of the content may have been appended."""
    try:
        _write(path, content, os.O_APPEND)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def _write(path: Path, content: bytes, flags: int, mode: int = 0o666) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | flags, mode)
    try:
        remaining = memoryview(content)
        while remaining:
            remaining = remaining[os.write(handle, remaining) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_temporary(folder: Path, names: Iterable[str]) -> None:
    """Remove temporary files left in a folder by a killed process.

    names   names of the final files, or patterns with ``*``. No other process may be writing them.
    """
    for name in names:
        for temporary in folder.glob(TEMPORARY.format(name, "[0-9a-f]" * 16)):
            with suppress(OSError):
                temporary.unlink()


def without_nonfinite(content: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot represent, by None."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {name: without_nonfinite(value) for name, value in cast(Mapping[str, Any], content).items()}
    if isinstance(content, (list, tuple)):
        return [without_nonfinite(value) for value in cast(list[Any], content)]
    return content


def json_bytes(content: Any) -> bytes:
    """Return indented JSON; raise RunError if a string, such as a file name, is not valid Unicode."""
    return _encode(json.dumps(without_nonfinite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _encode(text: str) -> bytes:
    """Encode text as UTF-8; raise RunError if it contains undecodable bytes, as in file names in other encodings."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        around = quoted(text[max(0, error.start - 20) : error.end + 20])
        raise RunError(f"cannot be written: contains invalid Unicode near {around}") from None


def csv_bytes(rows: Iterable[Sequence[Any]]) -> bytes:
    """Return rows as CSV in UTF-8. Text that a spreadsheet would evaluate as a formula is preceded by an apostrophe.

    Text without letters or digits, such as --, is not a formula.
    """
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(map(_escape_formulas, row) for row in rows)
    return stream.getvalue().encode(errors="backslashreplace")


def _escape_formulas(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    escaped = FORMULA.sub(r"\1'", cell)
    if cell.startswith(("\t", "\r", "\n")):
        return f"'{escaped}"
    return escaped


def read_json(path: Path) -> Any:
    """Read a JSON file; raise FormatError if it is invalid or exceeds the limits of `parse`."""
    content = read_bytes(path, MAX_BYTES, FormatError)
    try:
        return parse(content)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raise FormatError if it is invalid or too large, or if a line has too many dots.

    Every dot in a name creates a table, and the parser needs memory that grows with the square of their number.
    """
    content = read_bytes(path, MAX_TOML, FormatError)
    if MANY_DOTS.search(content):
        raise FormatError(f"{path}: a line with more than 256 dots; expected plain names")
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not TOML: {error}") from None


def tensor_bytes(kind: str, tensors: Mapping[str, Array], description: Mapping[str, Any]) -> bytes:
    """Return the content of a file with tensors and their JSON description. `kind` is "model" or "checkpoint"."""
    from safetensors.numpy import save

    contiguous = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    text = json.dumps(description, ensure_ascii=False, sort_keys=True)
    _encode(text)
    metadata = {"format": f"chainrule {kind} {VERSION}", "about": text, "sha256": _checksum(contiguous, text)}
    return save(contiguous, {KEY: json.dumps(metadata, ensure_ascii=False)})


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read tensors and their description from a file; raise FormatError if it is damaged or has another kind."""
    tensors, entries = read_safetensors(path)
    metadata = _parse_object(path, str(entries.get(KEY, {})))
    expected = f"chainrule {kind} {VERSION}"
    if metadata.get("format") != expected:
        raise FormatError(f"{path}: expected a {expected!r} file, found {quoted(metadata.get('format'))}")
    about = metadata.get("about")
    if not isinstance(about, str) or metadata.get("sha256") != _checksum(tensors, about):
        raise FormatError(f"{path}: the checksum does not match; the file is damaged")
    return tensors, _parse_object(path, about)


def may_be_described(path: Path) -> bool:
    """Return False for a valid safetensors file, or a file of another kind, that does not come from `tensor_bytes`.

    Return True for damaged safetensors files, where `read_tensors` raises an error.
    """
    with open_regular(path, FormatError) as stream:
        try:
            return KEY in expect_object(_header(stream).get("__metadata__", {}), "the metadata")
        except FormatError:
            stream.seek(8)
            return path.suffix.lower() == ".safetensors" or stream.read(1) == b"{"


def _header(stream: BinaryIO) -> dict[str, Any]:
    """Return the header of a safetensors file; FormatError for another kind of file."""
    if (size := int.from_bytes(stream.read(8), "little")) > MAX_HEADER:
        raise FormatError(f"a header of {size} bytes; expected at most {MAX_HEADER}")
    return expect_object(parse(stream.read(size), MAX_HEADER), "the header")


def read_safetensors(path: Path, *, floats_only: bool = False) -> tuple[dict[str, Array], dict[str, str]]:
    """Read the tensors and the metadata of a safetensors file.

    floats_only   whether to skip integers and booleans, such as the counters of batch normalizations

    Errors   FormatError if the file is damaged or contains tensors of unsupported types
    """
    tensors: dict[str, Array] = {}
    # The file is opened once: at the next opening, the path of a growing run may name another file.
    with reading(path, "safetensors file", FormatError) as stream:
        try:
            header = _header(stream)
        except FormatError as error:
            raise FormatError(f"{path}: damaged safetensors file, or another kind of file ({error})") from None
        entries = header.pop("__metadata__", {})
        data = stream.tell()
        size = missing = os.fstat(stream.fileno()).st_size - data
        for name, entry in header.items():
            dtype = entry["dtype"]
            first, last = entry["data_offsets"]
            missing -= last - first
            if floats_only and dtype.startswith(("I", "U", "BOOL")):
                continue
            if dtype not in FLOATS:
                raise FormatError(f"{path}: {quoted(name)} is {dtype}; tensors must be floats: {', '.join(FLOATS)}")
            count = math.prod(entry["shape"])
            if not 0 <= first <= last <= size or count * np.dtype(FLOATS[dtype]).itemsize != last - first:
                raise FormatError(f"{path}: damaged safetensors file (the size of {quoted(name)})")
            stream.seek(data + first)
            numbers = np.fromfile(stream, FLOATS[dtype], count).reshape(entry["shape"])
            tensors[name] = from_bfloat16(numbers) if dtype == "BF16" else numbers
        if missing:
            raise FormatError(f"{path}: damaged safetensors file (the sizes of its tensors)")
    return tensors, entries


def from_bfloat16(bits: Array) -> Array:
    """Return bfloat16 numbers, given by their bits (uint16), as float32. NumPy has no such type."""
    return np.asarray(bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _parse_object(path: Path, text: str) -> dict[str, Any]:
    """Parse the JSON in the metadata, which must be an object."""
    try:
        return expect_object(parse(text), "its content")
    except FormatError as error:
        raise FormatError(f"{path}: the metadata are damaged: {error}") from None


def _checksum(tensors: Mapping[str, Array], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def _flush_folder(folder: Path) -> None:
    """Flush a folder to disk, including the renaming of its files, if the system supports this."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EIO):
            raise
    finally:
        os.close(handle)


T = TypeVar("T")

MAX_BYTES = 4 << 20  # a hundred times the size of a description with a thousand layers
MAX_TOML, MANY_DOTS = 1 << 19, re.compile(rb"(?:\.[^.\n]*){257}")  # bytes; dots in a line
MAX_DEPTH = 32
MAX_DIGITS = 40
INTEGER_BOUND = 2**63  # exclusive limit of absolute values
TYPE_NAMES = {"float": "a number", "str": "a string", "int": "a whole number", "dict": "an object", "list": "a list"}


def parse(text: str | bytes, max_bytes: int = MAX_BYTES) -> Any:
    """Parse JSON.

    Errors   FormatError if the text is not JSON, is too long or nested too deeply, or contains infinity, NaN, an
             integer of more than 63 bits, or a string that cannot be encoded as UTF-8
    """
    if len(text) > max_bytes:
        raise FormatError(f"JSON of {len(text)} bytes; expected at most {max_bytes}")
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_finite, parse_constant=_finite)
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError
        raise FormatError(f"not JSON: {error}") from None
    except RecursionError:
        raise _too_deep() from None
    _check(value)
    return value


def expect(kind: type[T], value: Any, name: str) -> T:
    """Return the value after checking its type; raise FormatError if it has another type."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise FormatError(f"{name} is {quoted(value)}; expected {TYPE_NAMES[kind.__name__]}")
    return value


def expect_object(value: Any, name: str) -> dict[str, Any]:
    """Return the value as a dictionary; raise FormatError if it is not an object."""
    return cast(dict[str, Any], expect(dict, value, name))


def expect_list(kind: type[T], value: Any, name: str) -> tuple[T, ...]:
    """Return the value as a tuple; raise FormatError if it is not a list of `kind` elements."""
    return tuple(expect(kind, entry, f"an entry of {name}") for entry in cast(list[Any], expect(list, value, name)))


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS or abs(value := int(digits)) >= INTEGER_BOUND:
        raise FormatError(f"a whole number of {len(digits)} digits; expected at most 63 bits")
    return value


def _finite(digits: str) -> float:
    value = float(digits.replace("Infinity", "inf"))
    if not math.isfinite(value):
        raise FormatError(f"the number {quoted(digits)}; expected a finite one")
    return value


def _check(value: Any, depth: int = 0) -> None:
    """Raise FormatError if a JSON value is nested too deeply or contains a string that cannot be encoded."""
    if depth == MAX_DEPTH:
        raise _too_deep()
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            problem = f"the string {quoted(value)} contains half a surrogate pair"
            raise FormatError(f"{problem}; expected valid Unicode") from None
    elif isinstance(value, dict):
        _check([*value, *value.values()], depth)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    elif isinstance(value, list):
        for part in cast("list[Any]", value):
            _check(part, depth + 1)


def _too_deep() -> FormatError:
    return FormatError(f"JSON is nested too deeply; expected at most {MAX_DEPTH} levels")
