"""State dictionaries of PyTorch, .pt and .pth: archives of a pickle and the tensors' bytes.

The pickle is read by `pickled.Machine`, which runs nothing. Sizes are compared with the archive before anything is
read, and a tensor may only reach into its own storage.
"""

import math
import zipfile
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule._io.reading import reading
from chainrule.errors import FormatError, quoted
from chainrule.interop.torch.pickled import Called, Global, Machine, Stored

Array = NDArray[Any]

TENSOR, PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
STORAGES = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "<u2",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
ALLOWED = {"collections.OrderedDict", TENSOR, PARAMETER, *STORAGES}
MAX_PICKLE = 64 << 20
MAX_MEMBERS = 200_000
MAX_DEPTH = 4
OLD = "it is in PyTorch's format from before 1.6; write it anew with torch.save in a newer PyTorch"


def read_state(path: Path) -> dict[str, Array]:
    """Return the tensors of floats of a state dictionary by name, in its order; FormatError for anything else."""
    with reading(path, "PyTorch file", FormatError) as stream:
        start = stream.read(4)
        if start[:2] == b"\x80\x02" and start[:4] != b"PK\x03\x04":
            raise FormatError(f"{path}: {OLD}")
        stream.seek(0)
        with zipfile.ZipFile(stream) as archive:
            try:
                return _tensors(archive, stream.seek(0, 2))
            except FormatError as error:
                raise FormatError(f"{path}: {error}") from None


def _tensors(archive: zipfile.ZipFile, size: int) -> dict[str, Array]:
    """Return the tensors of an archive of a number of bytes."""
    names = [name for name in archive.namelist()[:MAX_MEMBERS] if name.split("/")[1:] == ["data.pkl"]]
    if len(names) != 1:
        raise FormatError(f"{len(names)} members data.pkl; expected one, as torch.save writes")
    storages = Storages(archive, names[0].removesuffix("data.pkl"), size)
    content = storages.member("data.pkl", MAX_PICKLE)
    found = _state(Machine(ALLOWED.__contains__).run(content), 0)
    if found is None:
        raise FormatError("it holds no dictionary of tensors; expected model.state_dict()")
    tensors = {name: storages.tensor(value, name) for name, value in found.items() if isinstance(value, Called)}
    return {name: tensor for name, tensor in tensors.items() if tensor.dtype.kind == "f"}


def _state(value: Any, depth: int) -> dict[str, Any] | None:
    """Return the dictionary of tensors: the value itself, or the only one in it, as in a checkpoint; None if none."""
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        return None
    entries = cast("dict[Any, Any]", value)
    if any(isinstance(each, Called) for each in entries.values()):
        return {str(name): each for name, each in entries.items()}
    inner = [state for each in entries.values() if (state := _state(each, depth + 1)) is not None]
    return inner[0] if len(inner) == 1 else None


class Storages:
    """The bytes of an archive's tensors, each read once."""

    def __init__(self, archive: zipfile.ZipFile, root: str, size: int) -> None:
        self._archive, self._root, self._size = archive, root, size
        self._arrays: dict[tuple[str, str], Array] = {}
        if f"{root}byteorder" in archive.NameToInfo and self.member("byteorder", 16) != b"little":
            raise FormatError("its numbers are big-endian; expected little-endian")

    def member(self, name: str, most: int) -> bytes:
        """Return a member's bytes; FormatError when it is missing, packed, or larger than the archive or `most`."""
        info = self._archive.NameToInfo.get(self._root + name)
        if info is None:
            raise FormatError(f"it has no member {quoted(name)}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > min(self._size, most):
            raise FormatError(f"member {quoted(name)} has {info.file_size} bytes; expected at most {most}, not packed")
        return self._archive.read(info)

    def tensor(self, value: Called, name: str) -> Array:
        """Return a tensor, a view of its storage; bfloat16 becomes float32."""
        if value.name == PARAMETER and value.arguments and isinstance(value.arguments[0], Called):
            value = value.arguments[0]
        if value.name != TENSOR or len(value.arguments) < 4:
            raise FormatError(f"{quoted(name)} is no tensor")
        stored, offset, shape, strides = value.arguments[:4]
        storage = self._storage(stored, name)
        numbers = _whole_numbers((offset,)), _whole_numbers(shape), _whole_numbers(strides)
        if any(each is None for each in numbers) or len(shape) != len(strides) or len(shape) > 16:
            raise FormatError(f"{quoted(name)} has shape {quoted(shape)} and strides {quoted(strides)}")
        last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
        if math.prod(shape) > len(storage) or (math.prod(shape) and last >= len(storage)):
            raise FormatError(f"{quoted(name)} of shape {quoted(shape)} reaches beyond its {len(storage)} numbers")
        steps = [step * storage.itemsize for step in strides]
        view = np.lib.stride_tricks.as_strided(storage[min(offset, len(storage)) :], shape, steps, writeable=False)
        if stored.key[1].name == "torch.BFloat16Storage":
            return (view.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return view

    def _storage(self, stored: Any, name: str) -> Array:
        """Return the array of a storage: (what, its type, its member, device, how many numbers)."""
        key: Any = stored.key if isinstance(stored, Stored) else None
        parts = cast("tuple[Any, ...]", key) if isinstance(key, tuple) else ()
        if len(parts) != 5:
            raise FormatError(f"{quoted(name)} has no storage")
        _, kind, member, _, count = parts
        if not isinstance(kind, Global) or kind.name not in STORAGES or not isinstance(member, str):
            raise FormatError(f"{quoted(name)} has a storage of an unknown type")
        place = (kind.name, member)
        if place not in self._arrays:
            self._arrays[place] = np.frombuffer(self.member(f"data/{member}", self._size), STORAGES[kind.name])
        if len(self._arrays[place]) != count:
            raise FormatError(f"{quoted(name)} has {len(self._arrays[place])} stored numbers; expected {quoted(count)}")
        return self._arrays[place]


def _whole_numbers(given: Any) -> tuple[int, ...] | None:
    """Return whole numbers of at least 0, or None for anything else."""
    values = cast("tuple[Any, ...]", given) if isinstance(given, tuple) else (None,)
    whole = [each for each in values if type(each) is int and 0 <= each < 2**48]
    return tuple(whole) if len(whole) == len(values) else None
