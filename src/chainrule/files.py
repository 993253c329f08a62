"""Files that are whole or not there, and tensors with a checksum.

A file is written under a temporary name in the same folder, flushed to the disk and renamed. Tensors are safetensors
(no pickle); their metadata carry the kind and version of the file and a SHA-256 over names, shapes and bytes. They are
one JSON text, because safetensors writes several in any order, and equal models should be equal files.
"""

import hashlib
import json
import math
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import FormatError, RunError

Array = NDArray[Any]

VERSION = 1
KEY = "chainrule"  # of the one entry in the metadata of a file of tensors
TORN = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.part")  # what `write_whole` writes first


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half; RunError when that cannot be done, with the old file unharmed."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise RunError(f"cannot write {path}: {error.strerror or error}") from None
        raise


def remove_torn(folder: Path, names: Iterable[str]) -> None:
    """Remove the temporary files of some names (with ``*``: of many) that a killed process left in a folder.

    Nobody may be writing files of these names there.
    """
    known = list(names)
    for torn in folder.glob(".*.part"):
        found = TORN.fullmatch(torn.name)
        if found and any(fnmatchcase(found["name"], name) for name in known):
            with suppress(OSError):
                torn.unlink()


def plain(content: Any) -> Any:
    """The same with None for NaN and the infinities, which JSON does not have."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {name: plain(value) for name, value in cast(Mapping[str, Any], content).items()}
    if isinstance(content, (list, tuple)):
        return [plain(value) for value in cast(list[Any], content)]
    return content


def write_json(path: Path, content: Any) -> None:
    """Write JSON, indented for people."""
    write_whole(path, (json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read JSON; FormatError when it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not JSON: {error}") from None


def write_tensors(path: Path, kind: str, tensors: Mapping[str, Array], about: Mapping[str, Any]) -> None:
    """Write tensors and what they are about (JSON) as one file of a kind: "model" or "checkpoint"."""
    from safetensors.numpy import save

    whole = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    text = json.dumps(about, ensure_ascii=False, sort_keys=True)
    metadata = {"format": f"chainrule {kind} {VERSION}", "about": text, "sha256": _checksum(whole, text)}
    write_whole(path, save(whole, {KEY: json.dumps(metadata, ensure_ascii=False)}))


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Tensors and what they are about, from a file of a kind; FormatError when it is damaged or of another kind."""
    tensors, entries = _opened(path)
    metadata = _object(path, entries.get(KEY, "{}"))
    expected = f"chainrule {kind} {VERSION}"
    if metadata.get("format") != expected:
        raise FormatError(f"{path}: expected a {expected!r} file, found {metadata.get('format')!r}")
    about = metadata.get("about")
    if not isinstance(about, str) or metadata.get("sha256") != _checksum(tensors, about):
        raise FormatError(f"{path}: the checksum does not match; the file is damaged")
    return tensors, _object(path, about)


def _opened(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """The tensors and the metadata of a safetensors file."""
    from safetensors import SafetensorError, safe_open

    tensors: dict[str, Array]
    try:
        opened: Any = safe_open(path, "np")
        with opened as file:
            entries: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in list(file.keys())}
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None
    except (SafetensorError, ValueError) as error:
        raise FormatError(f"{path} is not a whole safetensors file: {error}") from None
    except (AttributeError, TypeError) as error:  # of a dtype that NumPy does not have
        raise FormatError(f"{path} holds numbers of another kind than floats: {error}") from None
    for name, tensor in tensors.items():
        if tensor.dtype.kind != "f":
            raise FormatError(f"{path} holds numbers of another kind than floats: {name} is {tensor.dtype}")
    return tensors, entries


def _object(path: Path, text: str) -> dict[str, Any]:
    """The object in a JSON text of the metadata."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FormatError(f"{path}: the metadata are damaged")
    return cast(dict[str, Any], found)


def _checksum(tensors: Mapping[str, Array], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()


def _flush_folder(folder: Path) -> None:
    """Make the renaming itself lasting, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
