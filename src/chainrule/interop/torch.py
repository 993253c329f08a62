"""Import of PyTorch state dictionaries (.pt, .pth): a pickle and the bytes of the tensors.

Since PyTorch 1.6, a file is a zip archive with a member for each storage. Files of earlier versions are a sequence of
pickles, followed by the storages. The pickles are not run; see `pickles`. All sizes are compared with the file before
data are read, and a tensor cannot read beyond its own storage.

Errors   FormatError for unsupported opcodes, names that are not allowed, or a damaged file
"""

from __future__ import annotations

import io
import math
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from chainrule._io.budget import Budget
from chainrule._io.files import from_bfloat16
from chainrule._io.reading import open_zip, reading
from chainrule.core.arrays import Array
from chainrule.errors import FormatError, quoted
from chainrule.interop.names import NAMES, inverted
from chainrule.interop.pickles import GlobalName, PickleMachine, RecordedCall, StorageReference

TENSORS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")  # the second until PyTorch 0.3
PARAMETER = "torch._utils._rebuild_parameter"
STORAGES = inverted(NAMES.storages)
TRAINED = ("state_dict", "model_state_dict", "model")  # usual names of the dictionary of a network
MAX_PICKLE = 64 << 20  # bytes of a file from before PyTorch 1.6 that may precede the storages
LEGACY_MAGIC, LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # first two values of files from before PyTorch 1.6


def read_state(path: Path) -> dict[str, Array]:
    """Return the floating-point tensors of a state dictionary by name, in its order; FormatError for other files."""
    with reading(path, "PyTorch file", FormatError) as stream:
        is_archive = stream.read(2) == b"PK"
        size = stream.seek(0, 2)
        budget = Budget(size)
        stream.seek(0)
        if not is_archive:
            return _legacy_tensors(stream, size, budget)
        with open_zip(stream) as archive:
            return _archived_tensors(archive, size, budget)


def _archived_tensors(archive: zipfile.ZipFile, size: int, budget: Budget) -> dict[str, Array]:
    """Return the tensors in an archive, with a member for each storage. `size` is the size of the file in bytes."""
    names = [name for name in archive.namelist() if name.split("/")[1:] == ["data.pkl"]]
    if len(names) != 1:
        raise FormatError(f"{len(names)} members data.pkl; expected one, as torch.save writes it")
    root = names[0].removesuffix("data.pkl")

    def member(name: str) -> bytes:
        info = archive.NameToInfo.get(root + name)
        if info is None:
            raise FormatError(f"it has no member {quoted(name)}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > size:
            raise FormatError(
                f"member {quoted(name)} has {info.file_size} bytes; expected at most {size}, not compressed"
            )
        budget.write(info.file_size, f"member {quoted(name)}")
        return archive.read(info)

    if f"{root}byteorder" in archive.NameToInfo and member("byteorder") != b"little":
        raise FormatError("its numbers are big-endian; expected little-endian")
    state = PickleMachine(budget).run(member("data.pkl"))
    return Storages(lambda key: member(f"data/{key}"), budget).tensors(state)


def _legacy_tensors(stream: BinaryIO, size: int, budget: Budget) -> dict[str, Array]:
    """Return the tensors in a file from before PyTorch 1.6. `size` is the size of the file in bytes.

    The file contains five pickles: a magic number, the version of the format, the byte order, the state dictionary,
    and the keys of the storages. For each key, the number of elements (8 bytes) and the elements follow. The type of a
    storage, and thus the size of its elements, is only in the references to it in the state dictionary.
    """
    pickles = io.BytesIO(stream.read(MAX_PICKLE))
    machines = [PickleMachine(budget) for _ in range(5)]
    magic, version, byte_order, state, keys = (machine.run(pickles) for machine in machines)
    if magic != LEGACY_MAGIC or version != LEGACY_PROTOCOL:
        raise FormatError("it does not start as torch.save starts a file")
    if not isinstance(byte_order, dict) or cast("dict[Any, Any]", byte_order).get("little_endian") is not True:
        raise FormatError("its numbers are big-endian; expected little-endian")
    names = [key for key in cast("list[Any]", keys) if isinstance(key, str)] if isinstance(keys, list) else []
    if keys != names or len(set(names)) != len(names):
        raise FormatError("it has no list of storages")
    stream.seek(pickles.tell())
    storages = [_storage_parts(reference) for reference in machines[3].references]
    item_sizes = {key: np.dtype(STORAGES[kind]).itemsize for kind, key, _ in filter(None, storages)}
    contents = {key: _legacy_content(stream, size, key, item_sizes.get(key, 1)) for key in names}

    def content(key: str) -> bytes:
        if key not in contents:
            raise FormatError(f"it has no storage {quoted(key)}")
        return contents[key]

    return Storages(content, budget).tensors(state)


def _legacy_content(stream: BinaryIO, size: int, key: str, item_size: int) -> bytes:
    """Return the content of the next storage of a file of `size` bytes, from its number of elements on."""
    count = int.from_bytes(stream.read(8), "little") * item_size
    if count > size - stream.tell():
        raise FormatError(f"storage {quoted(key)} has {count} bytes, which reach beyond the end of the file")
    return stream.read(count)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, RecordedCall) and value.name in (*TENSORS, PARAMETER)


def _contents(value: Any, budget: Budget) -> tuple[dict[str, dict[str, RecordedCall]], Counter[str]]:
    """Return the tensors of each dictionary and list in a value, and the calls that make its objects.

    The tensors are listed by the path of names of their dictionary. A dictionary with several names has the first.
    Entries of a dictionary with numbers as names, as in the state of an optimizer, are left out. The calls are counted
    by the name of the class or function: that of a network as often as the network has tensors, others 0 times.

        {"epoch": 3, "model": {"w": tensor, "b": tensor}}    →    {"model": {"w": …, "b": …}}

    Of pending values, those with a path are visited first, in the order of the file, because a dictionary has the first
    of its names. Values inside of objects and under other keys have no path.
    """
    tensors_by_path, call_counts, visited = dict[str, dict[str, RecordedCall]](), Counter[str](), dict[int, Any]()
    pending = deque[tuple[str | None, Any, str]]([("", value, "")])
    while pending:
        path, node, network = pending.pop()
        if id(node) in visited:
            continue
        visited[id(node)] = node
        if _is_tensor(node):
            call_counts[network] += 1
        elif isinstance(node, RecordedCall):
            call_counts[node.name] += 0
            is_network = any(isinstance(state, dict) and "_parameters" in state for state in node.contents)
            owner = node.name if is_network and not network else network
            pending.extendleft((None, container, owner) for container in (node.arguments, node.contents))
        elif isinstance(node, dict | list | tuple):
            container = cast("dict[Any, Any] | Sequence[Any]", node)
            budget.visit(2 * len(container), "its nested values")
            children: dict[Any, Any] = (
                container
                if isinstance(container, dict)
                else {f"[{number}]": child for number, child in enumerate(container)}
            )
            named = {key: child for key, child in children.items() if path is not None and isinstance(key, str)}
            for key, child in reversed(children.items()):
                if key in named and not isinstance(child, RecordedCall):
                    budget.visit(len(path or "") + len(key), "the names of its nested dictionaries")
                    pending.append((f"{path}.{key}".removeprefix("."), child, network))
                else:
                    pending.appendleft((None, child, network))  # after all that has a path
            if tensors := {key: child for key, child in named.items() if _is_tensor(child)}:
                tensors_by_path[path or ""] = tensors
    del call_counts[""]
    return tensors_by_path, call_counts


def _state_dict(value: Any, budget: Budget) -> dict[str, RecordedCall]:
    """Return the dictionary with the most tensors in a value; scalars, such as a loss, do not count.

    Of several such dictionaries, as for averaged weights, the one with a name in `TRAINED` is returned.

    Errors   FormatError if there is none, or several, or if a network saved as an object has more tensors
    """
    states, objects = _contents(value, budget)
    for name, count in objects.most_common(1):
        if count > max(map(len, states.values()), default=-1):
            raise FormatError(
                f"it holds {quoted(name)}, whose code would have to run; expected a state dictionary: in PyTorch, "
                "torch.save(model.state_dict(), FILE)"
            )
    counts = {name: sum(call.arguments[2:3] != ((),) for call in tensors.values()) for name, tensors in states.items()}
    most = max(counts.values(), default=0)
    largest = [name for name, count in counts.items() if count == most]
    largest = [name for name in largest if name.rpartition(".")[2] in TRAINED] or largest
    if len(largest) != 1:
        problem = (
            f"several dictionaries of tensors, {', '.join(map(quoted, largest))}" if states else "no such dictionary"
        )
        raise FormatError(f"it holds {problem}; expected one dictionary of tensors, model.state_dict()")
    return states[largest[0]]


class Storages:
    """The storages in a file. A storage is an array, and tensors are views of it. Each storage is read once.

    content   function that returns the bytes of a storage from its key
    budget    budget of the file
    """

    def __init__(self, content: Callable[[str], bytes], budget: Budget) -> None:
        self._content, self._budget = content, budget
        self._arrays: dict[tuple[str, str], Array] = {}

    def tensors(self, value: Any) -> dict[str, Array]:
        """Return the floating-point tensors of a state dictionary by name."""
        tensors = {name: self.tensor(call, name) for name, call in _state_dict(value, self._budget).items()}
        return {name: tensor for name, tensor in tensors.items() if tensor.dtype.kind == "f"}

    def tensor(self, value: RecordedCall, name: str) -> Array:
        """Return a tensor as a view of its storage. bfloat16 is converted to float32. `name` is used in errors."""
        # The first argument of a parameter is a tensor. A tensor has the arguments storage, offset, shape and strides.
        wrapped = value.arguments[0] if value.name == PARAMETER and value.arguments else None
        arguments = wrapped.arguments if isinstance(wrapped, RecordedCall) else value.arguments
        if len(arguments) < 4:
            raise FormatError(f"{quoted(name)} is not a tensor")
        stored, offset, shape, strides = arguments[:4]
        storage = self._storage(stored, name)
        # Offset, shape and strides are checked, because `as_strided` would read memory outside the storage.
        numbers = _sizes((offset,)), _sizes(shape), _sizes(strides)
        if any(number is None for number in numbers) or len(shape) != len(strides) or len(shape) > 16:
            raise FormatError(f"{quoted(name)} has no valid offset, shape and strides")
        count = math.prod(shape)
        last_index = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
        if count > len(storage) or (count and last_index >= len(storage)):
            raise FormatError(f"{quoted(name)} of shape {quoted(shape)} reaches beyond its {len(storage)} numbers")
        self._budget.write(count * storage.itemsize, quoted(name))
        steps = [step * storage.itemsize for step in strides]
        view = np.lib.stride_tricks.as_strided(storage[min(offset, len(storage)) :], shape, steps, writeable=False)
        return from_bfloat16(view) if stored.key[1].name == "torch.BFloat16Storage" else view

    def _storage(self, stored: Any, name: str) -> Array:
        """Return the storage that a pickle refers to as an array. `name` is used in errors."""
        if (parts := _storage_parts(stored)) is None:
            raise FormatError(f"{quoted(name)} has no storage of its own, or one of an unknown type")
        kind, key, count = parts
        if (kind, key) not in self._arrays:
            self._arrays[kind, key] = np.frombuffer(self._content(key), STORAGES[kind])
        array = self._arrays[kind, key]
        if len(array) != count:
            raise FormatError(f"{quoted(name)} has {len(array)} stored numbers; expected {quoted(count)}")
        return array


def _storage_parts(stored: Any) -> tuple[str, str, int] | None:
    """Return the type, the key and the number of elements of a storage that a pickle refers to; None if invalid.

    The reference contains (label, type, key, device, number of elements) and, in legacy files, a view, which must be
    None.
    """
    reference: Any = stored.key if isinstance(stored, StorageReference) else None
    parts = [*cast("tuple[Any, ...]", reference)] if isinstance(reference, tuple) else list[Any]()
    if len(parts) not in (5, 6) or parts[5:] not in ([], [None]):
        return None
    kind, key, count = parts[1], parts[2], parts[4]
    is_valid = isinstance(key, str) and isinstance(count, int)
    if not isinstance(kind, GlobalName) or kind.name not in STORAGES or not is_valid:
        return None
    return kind.name, key, count


def _sizes(value: Any) -> tuple[int, ...] | None:
    """Return a tuple of non-negative integers; None for any other value."""
    values = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (None,)
    whole = [number for number in values if type(number) is int and 0 <= number < 2**48]
    return tuple(whole) if len(whole) == len(values) else None
