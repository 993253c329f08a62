"""Conversion of the tensors of an ONNX file to arrays, from the file's fields or from external files.

Every size is compared with the available bytes before anything is allocated.

Errors   FormatError, which names the tensor
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule._io.budget import Budget
from chainrule._io.files import from_bfloat16
from chainrule._io.reading import open_regular
from chainrule.core.arrays import Array, Ints
from chainrule.errors import FormatError, quoted
from chainrule.interop.names import NAMES
from chainrule.interop.onnx.messages import Pair, TensorMessage
from chainrule.interop.onnx.protobuf import unpack_varints

TYPES = NAMES.types.split()  # by number
BFLOAT16 = TYPES.index("bfloat16")
BOOLEAN = TYPES.index("bool")
FLOAT32 = TYPES.index("float32")
FLOAT64 = TYPES.index("float64")
READ = (*range(1, 8), *range(9, 14))  # types of NumPy that are read
DTYPES = {kind: np.dtype(TYPES[kind]).newbyteorder("<") for kind in READ}
DTYPES[BFLOAT16] = np.dtype("<u2")  # its bits; converted to float32
MAX_AXES = 32


def dtype_of(kind: int) -> np.dtype[np.generic]:
    """Return the NumPy dtype for a TensorProto.DataType; FormatError if the type is not supported.

    For bfloat16, which NumPy does not have, it is float32.
    """
    if kind not in DTYPES:
        name = TYPES[kind] if 0 <= kind < len(TYPES) else kind
        raise FormatError(f"the type {name}; expected floats, whole numbers or booleans")
    if kind == BFLOAT16:
        return np.dtype(np.float32)
    return DTYPES[kind]


def array(tensor: TensorMessage, folder: Path | None, budget: Budget) -> Array:
    """Return a tensor as a read-only array. If possible, the array is a view of the file's bytes.

    folder   folder of the files with external data; None: external data is refused
    budget   budget of the file
    """
    try:
        return _array(tensor, folder, budget)
    except FormatError as error:
        raise FormatError(f"tensor {quoted(tensor.name)}: {error}") from None


def _array(tensor: TensorMessage, folder: Path | None, budget: Budget) -> Array:
    shape = tuple(tensor.dims)
    if len(shape) > MAX_AXES or any(size < 0 for size in shape):
        raise FormatError(f"shape {quoted(shape)}: expected up to {MAX_AXES} sizes of at least 0")
    dtype = dtype_of(tensor.kind)
    stored_dtype = DTYPES[tensor.kind]
    count = math.prod(shape)
    size = count * stored_dtype.itemsize
    if tensor.location:
        raw: object = _read_external(tensor.external, folder, size, budget)
        entries = np.frombuffer(raw, stored_dtype)
    elif tensor.raw is not None:
        _check_count(len(tensor.raw), size, "bytes")
        entries = np.frombuffer(tensor.raw, stored_dtype)
    else:
        entries = _from_typed_field(tensor, stored_dtype, count)
    _check_count(len(entries), count, "entries")
    if tensor.kind == BFLOAT16:
        entries = from_bfloat16(entries)
    array = entries.reshape(shape).astype(dtype, copy=False)
    array.flags.writeable = False
    return array


def _from_typed_field(tensor: TensorMessage, stored_dtype: np.dtype[np.generic], count: int) -> Array:
    """Return the elements from the field for their type: floats and doubles, or integers as varints.

    float16 numbers are stored as integers with the same bits.
    """
    if tensor.kind in (1, 11):
        content = b"".join(part for part in tensor.numbers if not isinstance(part, int))
        _check_count(len(content), count * stored_dtype.itemsize, "bytes")
        return np.frombuffer(content, stored_dtype)
    numbers = np.concatenate([np.zeros(0, np.int64), *map(_unpacked, tensor.numbers)])
    if tensor.kind == 10:
        return numbers.astype(np.uint16).view(np.float16)
    return numbers.astype(stored_dtype)


def _unpacked(part: memoryview | int) -> Ints:
    if isinstance(part, int):
        return np.array([part], np.uint64).view(np.int64)
    return unpack_varints(part)


def _check_count(count: int, expected: int, what: str) -> None:
    if count != expected:
        raise FormatError(f"it has {count} {what}; expected {expected} for its shape and type")


def _read_external(entries: Sequence[Pair], folder: Path | None, size: int, budget: Budget) -> bytes:
    """Return the bytes of a tensor in another file of this folder; FormatError if it is outside the folder.

    A file may come from anywhere. Its names must not lead to other folders, by a path or by a link.
    """
    values = {entry.key: entry.value for entry in entries}
    name = values.get("location", "")
    if folder is None:
        raise FormatError("its data are in another file, but the model was not read from a folder")
    if not name or "\0" in name or name != os.path.basename(name) or name in (".", "..") or "\\" in name:
        raise FormatError(f"its data are in {quoted(name)}; expected a file in the same folder")
    path = folder / name
    if path.is_symlink() and path.resolve().parent != folder.resolve():
        raise FormatError(f"its data are in {quoted(name)}, which is a link out of the folder")
    offset = _number(values.get("offset"), 0)
    length = _number(values.get("length"), size)
    _check_count(length, size, "bytes")
    with open_regular(path, FormatError) as stream:
        file_size = os.fstat(stream.fileno()).st_size
        if offset + length > file_size:
            raise FormatError(f"its data end at byte {offset + length} of {quoted(name)}, which has {file_size}")
        budget.extend(name, file_size)
        budget.write(length, f"its data in {quoted(name)}")
        stream.seek(offset)
        return stream.read(length)


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise FormatError(f"its data have the offset or length {quoted(text)}; expected a whole number")
    return int(text)
