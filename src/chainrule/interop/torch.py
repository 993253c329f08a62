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
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeGuard, cast

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
MAX_AXES, MAX_SIZE = 16, 2**48  # of tensors: number of axes, and limit of offset, sizes and strides
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
    magic = PickleMachine(budget).run(pickles)
    version = PickleMachine(budget).run(pickles)
    byte_order = PickleMachine(budget).run(pickles)
    state_machine = PickleMachine(budget)
    state = state_machine.run(pickles)
    keys = PickleMachine(budget).run(pickles)
    if magic != LEGACY_MAGIC or version != LEGACY_PROTOCOL:
        raise FormatError("it does not start as torch.save starts a file")
    if not isinstance(byte_order, dict) or cast("dict[object, object]", byte_order).get("little_endian") is not True:
        raise FormatError("its numbers are big-endian; expected little-endian")
    names = _storage_names(keys)
    stream.seek(pickles.tell())
    item_sizes = _item_sizes(state_machine.references)
    contents: dict[str, bytes] = {}
    for key in names:
        contents[key] = _legacy_content(stream, size, key, item_sizes.get(key, 1))

    def content(key: str) -> bytes:
        if key not in contents:
            raise FormatError(f"it has no storage {quoted(key)}")
        return contents[key]

    return Storages(content, budget).tensors(state)


def _storage_names(keys: object) -> list[str]:
    """Return the keys of the storages of a legacy file; FormatError unless they are a list of different texts."""
    entries = cast("list[object]", keys) if isinstance(keys, list) else [keys]
    names = [entry for entry in entries if isinstance(entry, str)]
    if not isinstance(keys, list) or len({*names}) != len(entries):
        raise FormatError("it has no list of storages")
    return names


def _item_sizes(references: Sequence[StorageReference]) -> dict[str, int]:
    """Return the size of an element of each storage that a state dictionary refers to, in bytes, by key."""
    sizes: dict[str, int] = {}
    for reference in references:
        storage = _storage_of(reference)
        if storage is not None:
            sizes[storage.key] = np.dtype(STORAGES[storage.kind]).itemsize
    return sizes


def _legacy_content(stream: BinaryIO, size: int, key: str, item_size: int) -> bytes:
    """Return the content of the next storage of a file of `size` bytes, from its number of elements on."""
    count = int.from_bytes(stream.read(8), "little") * item_size
    if count > size - stream.tell():
        raise FormatError(f"storage {quoted(key)} has {count} bytes, which reach beyond the end of the file")
    return stream.read(count)


def _is_tensor(value: object) -> TypeGuard[RecordedCall]:
    return isinstance(value, RecordedCall) and value.name in (*TENSORS, PARAMETER)


def _is_network(call: RecordedCall) -> bool:
    """Return whether a call makes an object of a class of torch.nn, whose state has parameters."""
    return any(isinstance(state, dict) and "_parameters" in state for state in call.contents)


@dataclass
class Contents:
    """The tensors and objects in a pickle.

    tensors_by_path   tensors of each dictionary and list, by the path of names of this dictionary
    call_counts       how many tensors each recorded class or function holds: all of a network, and none of others
    """

    tensors_by_path: dict[str, dict[str, RecordedCall]] = field(default_factory=dict[str, dict[str, RecordedCall]])
    call_counts: Counter[str] = field(default_factory=Counter[str])


class PendingValue(NamedTuple):
    """A value that is visited later.

    path      path of names of the value; None for values inside of objects and under other keys
    network   name of the class of the network that contains the value; None if there is none
    """

    path: str | None
    value: object
    network: str | None


class ContentsReader:
    """Finds the tensors of each dictionary and list in a value, and the calls that make its objects.

    A dictionary with several paths has the first. Entries of a dictionary with numbers as names, as in the state of an
    optimizer, are left out.

        {"epoch": 3, "model": {"w": tensor, "b": tensor}}    →    {"model": {"w": …, "b": …}}

    Values with a path are visited first, in the order of the file, because a dictionary has the first of its paths.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._contents = Contents()
        self._with_path: list[PendingValue] = []  # a stack: the last one is the next
        self._without_path = deque[PendingValue]()  # a queue: the first one is the next

    def read(self, value: object) -> Contents:
        """Return the contents of a value."""
        visited: dict[int, object] = {}  # by identity
        self._with_path.append(PendingValue("", value, None))
        while self._with_path or self._without_path:
            pending = self._with_path.pop() if self._with_path else self._without_path.popleft()
            node = pending.value
            if id(node) in visited:
                continue
            visited[id(node)] = node
            if _is_tensor(node):
                if pending.network is not None:
                    self._contents.call_counts[pending.network] += 1
            elif isinstance(node, RecordedCall):
                self._visit_call(node, pending.network)
            elif isinstance(node, dict | list | tuple):
                entries = cast("dict[object, object] | Sequence[object]", node)
                self._visit_entries(_children(entries, self._budget), pending)
        return self._contents

    def _visit_call(self, call: RecordedCall, network: str | None) -> None:
        """Count a call, and visit its arguments and contents later."""
        self._contents.call_counts[call.name] += 0
        if network is None and _is_network(call):
            network = call.name
        self._without_path.append(PendingValue(None, call.arguments, network))
        self._without_path.append(PendingValue(None, call.contents, network))

    def _visit_entries(self, entries: dict[object, object], container: PendingValue) -> None:
        """Record the tensors of a dictionary or list, and visit its entries later."""
        tensors: dict[str, RecordedCall] = {}
        for key, child in reversed(entries.items()):
            if container.path is None or not isinstance(key, str):
                self._without_path.append(PendingValue(None, child, container.network))
                continue
            if _is_tensor(child):
                tensors[key] = child
            if isinstance(child, RecordedCall):
                self._without_path.append(PendingValue(None, child, container.network))
            else:
                self._budget.visit(len(container.path) + len(key), "the names of its nested dictionaries")
                path = f"{container.path}.{key}".removeprefix(".")
                self._with_path.append(PendingValue(path, child, container.network))
        if container.path is not None and tensors:
            self._contents.tensors_by_path[container.path] = dict(reversed(tensors.items()))


def _children(container: dict[object, object] | Sequence[object], budget: Budget) -> dict[object, object]:
    """Return the entries of a dictionary, or those of a list under the names [0], [1], …"""
    budget.visit(2 * len(container), "its nested values")
    if isinstance(container, dict):
        return container
    return {f"[{number}]": child for number, child in enumerate(container)}


def _state_dict(value: object, budget: Budget) -> dict[str, RecordedCall]:
    """Return the dictionary with the most tensors in a value; scalars, such as a loss, do not count.

    Of several such dictionaries, as for averaged weights, the one with a name in `TRAINED` is returned.

    Errors   FormatError if there is none, or several, or if a network saved as an object has more tensors
    """
    contents = ContentsReader(budget).read(value)
    states = contents.tensors_by_path
    most_tensors = max(map(len, states.values()), default=-1)
    for name, count in contents.call_counts.most_common(1):
        if count > most_tensors:
            raise FormatError(
                f"it holds {quoted(name)}, whose code would have to run; expected a state dictionary: in PyTorch, "
                "torch.save(model.state_dict(), FILE)"
            )
    if not states:
        raise FormatError("it holds no such dictionary; expected one dictionary of tensors, model.state_dict()")
    counts: dict[str, int] = {}
    for path, tensors in states.items():
        counts[path] = len(tensors) - sum(map(_is_scalar, tensors.values()))
    largest = [path for path, count in counts.items() if count == max(counts.values())]
    trained = [path for path in largest if path.rpartition(".")[2] in TRAINED]
    candidates = trained or largest
    if len(candidates) != 1:
        raise FormatError(
            f"it holds several dictionaries of tensors, {', '.join(map(quoted, candidates))}; expected one dictionary "
            "of tensors, model.state_dict()"
        )
    return states[candidates[0]]


def _is_scalar(tensor: RecordedCall) -> bool:
    """Return whether a tensor has no axes: the arguments are storage, offset, shape and strides."""
    return tensor.arguments[2:3] == ((),)


class Storages:
    """The storages in a file. A storage is an array, and tensors are views of it. Each storage is read once.

    content   function that returns the bytes of a storage from its key
    budget    budget of the file
    """

    def __init__(self, content: Callable[[str], bytes], budget: Budget) -> None:
        self._content = content
        self._budget = budget
        self._arrays: dict[tuple[str, str], Array] = {}

    def tensors(self, value: object) -> dict[str, Array]:
        """Return the floating-point tensors of a state dictionary by name."""
        tensors: dict[str, Array] = {}
        for name, call in _state_dict(value, self._budget).items():
            tensor = self.tensor(call, name)
            if tensor.dtype.kind == "f":
                tensors[name] = tensor
        return tensors

    def tensor(self, value: RecordedCall, name: str) -> Array:
        """Return a tensor as a view of its storage. bfloat16 is converted to float32. `name` is used in errors."""
        arguments = value.arguments
        if value.name == PARAMETER and arguments and isinstance(arguments[0], RecordedCall):
            arguments = arguments[0].arguments  # the first argument of a parameter is a tensor
        if len(arguments) < 4:
            raise FormatError(f"{quoted(name)} is not a tensor")
        reference, offset, shape, strides = arguments[:4]
        storage = _storage_of(reference)
        if storage is None:
            raise FormatError(f"{quoted(name)} has no storage of its own, or one of an unknown type")
        array = self._array(storage, name)
        # Offset, shape and strides are checked, because `as_strided` would read memory outside the storage.
        if not _is_size(offset) or not _are_sizes(shape) or not _are_sizes(strides):
            raise FormatError(f"{quoted(name)} has no valid offset, shape and strides")
        if len(shape) != len(strides) or len(shape) > MAX_AXES:
            raise FormatError(f"{quoted(name)} has no valid offset, shape and strides")
        count = math.prod(shape)
        last_index = offset
        steps: list[int] = []  # in bytes
        for size, step in zip(shape, strides, strict=True):
            last_index += (size - 1) * step
            steps.append(step * array.itemsize)
        if count > len(array) or (count and last_index >= len(array)):
            raise FormatError(f"{quoted(name)} of shape {quoted(shape)} reaches beyond its {len(array)} numbers")
        self._budget.write(count * array.itemsize, quoted(name))

        view = np.lib.stride_tricks.as_strided(array[min(offset, len(array)) :], shape, steps, writeable=False)
        if storage.kind == "torch.BFloat16Storage":
            return from_bfloat16(view)
        return view

    def _array(self, storage: Storage, name: str) -> Array:
        """Return the elements of a storage. `name` is used in errors."""
        if (storage.kind, storage.key) not in self._arrays:
            content = self._content(storage.key)
            self._arrays[storage.kind, storage.key] = np.frombuffer(content, STORAGES[storage.kind])
        array = self._arrays[storage.kind, storage.key]
        if len(array) != storage.size:
            raise FormatError(f"{quoted(name)} has {len(array)} stored numbers; expected {quoted(storage.size)}")
        return array


class Storage(NamedTuple):
    """The type, the key and the number of elements of a storage that a pickle refers to."""

    kind: str
    key: str
    size: int


def _storage_of(reference: object) -> Storage | None:
    """Return the storage that a value of a pickle refers to; None if it is no valid reference.

    The reference contains (label, type, key, device, number of elements) and, in legacy files, a view, which must be
    None.
    """
    if not isinstance(reference, StorageReference):
        return None
    match reference.key:
        case (_, GlobalName(name=kind), str(key), _, int(size)) if kind in STORAGES:
            return Storage(kind, key, size)
        case (_, GlobalName(name=kind), str(key), _, int(size), None) if kind in STORAGES:
            return Storage(kind, key, size)
        case _:
            return None


def _are_sizes(value: object) -> TypeGuard[tuple[int, ...]]:
    """Return whether a value is a tuple of non-negative integers."""
    return isinstance(value, tuple) and all(map(_is_size, cast("tuple[object, ...]", value)))


def _is_size(value: object) -> TypeGuard[int]:
    """Return whether a value is a non-negative integer, of which products with others are no risk."""
    return type(value) is int and 0 <= value < MAX_SIZE
