"""Import of PyTorch state dictionaries (.pt, .pth): archives with a pickle and the bytes of the tensors.

A pickle is a program for a stack machine. `PickleMachine` supports only the opcodes of state dictionaries. It records
calls of the names in `ALLOWED` without running them, and refuses all others; nothing is imported. All sizes are
compared with the archive before data are read, and a tensor cannot read beyond its own storage.

Errors   FormatError for unsupported opcodes, names that are not allowed, or a damaged file
"""

from __future__ import annotations

import math
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule._io.reading import reading
from chainrule.errors import FormatError, quoted

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
MAX_PICKLE = 64 << 20  # bytes
MAX_MEMBERS = 200_000  # files in the archive
MAX_NESTING = 4  # nested dictionaries around the tensors
LEGACY_FORMAT = "it is in PyTorch's format from before 1.6; save it again with torch.save in a newer PyTorch"


def read_state(path: Path) -> dict[str, Array]:
    """Return the floating-point tensors of a state dictionary by name, in its order; FormatError for other files."""
    with reading(path, "PyTorch file", FormatError) as stream:
        start = stream.read(4)
        if start[:2] == b"\x80\x02" and start[:4] != b"PK\x03\x04":
            raise FormatError(f"{path}: {LEGACY_FORMAT}")
        stream.seek(0)
        with zipfile.ZipFile(stream) as archive:
            try:
                return _tensors(archive, stream.seek(0, 2))
            except FormatError as error:
                raise FormatError(f"{path}: {error}") from None


def _tensors(archive: zipfile.ZipFile, size: int) -> dict[str, Array]:
    """Return the tensors in an archive. `size` is the size of the file in bytes."""
    names = [name for name in archive.namelist()[:MAX_MEMBERS] if name.split("/")[1:] == ["data.pkl"]]
    if len(names) != 1:
        raise FormatError(f"{len(names)} members data.pkl; expected one, as torch.save writes it")
    storages = Storages(archive, names[0].removesuffix("data.pkl"), size)
    content = storages.member("data.pkl", MAX_PICKLE)
    state = _state_dict(PickleMachine(ALLOWED.__contains__).run(content), 0)
    if state is None:
        raise FormatError("it holds no dictionary of tensors; expected model.state_dict()")
    tensors = {name: storages.tensor(value, name) for name, value in state.items() if isinstance(value, RecordedCall)}
    return {name: tensor for name, tensor in tensors.items() if tensor.dtype.kind == "f"}


def _state_dict(value: Any, depth: int) -> dict[str, Any] | None:
    """Return the value if it is a dictionary of tensors, or the only such dictionary nested in it; None otherwise."""
    if not isinstance(value, dict) or depth > MAX_NESTING:
        return None
    entries = cast("dict[Any, Any]", value)
    if any(isinstance(entry, RecordedCall) for entry in entries.values()):
        return {str(name): entry for name, entry in entries.items()}
    inner = [state for entry in entries.values() if (state := _state_dict(entry, depth + 1)) is not None]
    return inner[0] if len(inner) == 1 else None


class Storages:
    """The storages in an archive. A storage is an array, and tensors are views of it. Each storage is read once."""

    def __init__(self, archive: zipfile.ZipFile, root: str, size: int) -> None:
        self._archive, self._root, self._size = archive, root, size
        self._arrays: dict[tuple[str, str], Array] = {}
        if f"{root}byteorder" in archive.NameToInfo and self.member("byteorder", 16) != b"little":
            raise FormatError("its numbers are big-endian; expected little-endian")

    def member(self, name: str, max_bytes: int) -> bytes:
        """Return a member's bytes; FormatError if it is missing, compressed, or larger than `max_bytes` or the file."""
        info = self._archive.NameToInfo.get(self._root + name)
        if info is None:
            raise FormatError(f"it has no member {quoted(name)}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > min(self._size, max_bytes):
            raise FormatError(
                f"member {quoted(name)} has {info.file_size} bytes; expected at most {max_bytes}, not compressed"
            )
        return self._archive.read(info)

    def tensor(self, value: RecordedCall, name: str) -> Array:
        """Return a tensor as a view of its storage. bfloat16 is converted to float32. `name` is used in errors."""
        if value.name == PARAMETER and value.arguments and isinstance(value.arguments[0], RecordedCall):
            value = value.arguments[0]
        if value.name != TENSOR or len(value.arguments) < 4:
            raise FormatError(f"{quoted(name)} is not a tensor")
        stored, offset, shape, strides = value.arguments[:4]
        storage = self._storage(stored, name)
        numbers = _sizes((offset,)), _sizes(shape), _sizes(strides)
        if any(number is None for number in numbers) or len(shape) != len(strides) or len(shape) > 16:
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
        """Return a storage as an array. `stored` refers to (label, type, member, device, number of elements)."""
        key: Any = stored.key if isinstance(stored, StorageReference) else None
        parts = cast("tuple[Any, ...]", key) if isinstance(key, tuple) else ()
        if len(parts) != 5:
            raise FormatError(f"{quoted(name)} has no storage")
        _, kind, member, _, count = parts
        if not isinstance(kind, GlobalName) or kind.name not in STORAGES or not isinstance(member, str):
            raise FormatError(f"{quoted(name)} has a storage of an unknown type")
        key_in_archive = (kind.name, member)
        if key_in_archive not in self._arrays:
            self._arrays[key_in_archive] = np.frombuffer(self.member(f"data/{member}", self._size), STORAGES[kind.name])
        if len(self._arrays[key_in_archive]) != count:
            raise FormatError(
                f"{quoted(name)} has {len(self._arrays[key_in_archive])} stored numbers; expected {quoted(count)}"
            )
        return self._arrays[key_in_archive]


def _sizes(value: Any) -> tuple[int, ...] | None:
    """Return a tuple of non-negative integers; None for any other value."""
    values = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (None,)
    whole = [number for number in values if type(number) is int and 0 <= number < 2**48]
    return tuple(whole) if len(whole) == len(values) else None


MAX_STEPS = 5_000_000  # opcodes; a state dictionary with a thousand tensors has 50,000
MISSING = object()  # marks a memo number without a value


@dataclass(frozen=True)
class GlobalName:
    """The name of a function or class in a pickle."""

    name: str


@dataclass(frozen=True)
class StorageReference:
    """A reference to another member of the archive."""

    key: Any


@dataclass
class RecordedCall:
    """A recorded call of a named function. It is never run."""

    name: str
    arguments: tuple[Any, ...]


class PickleMachine:
    """A stack machine that runs the opcodes of a pickle to build its value.

    allowed   function that returns whether a name may be called
    """

    def __init__(self, allowed: Callable[[str], bool]) -> None:
        self._allowed = allowed
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        """Run a pickle and return its value."""
        for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if step > MAX_STEPS:
                raise FormatError(f"more than {MAX_STEPS:,} opcodes")
            if opcode.name == "STOP":
                return self._pop()
            if opcode.name in PUSH_ARGUMENT:
                self._stack.append(argument)
            elif opcode.name in OPCODES:
                OPCODES[opcode.name](self, argument)
            elif opcode.name not in IGNORED:
                raise FormatError(f"opcode {opcode.name} in the pickle; a state dictionary does not need it")
        raise FormatError("the pickle has no STOP opcode")

    def _pop(self) -> Any:
        if not self._stack or (self._marks and len(self._stack) <= self._marks[-1]):
            raise FormatError("the pickle reads an empty stack")
        return self._stack.pop()

    def _top(self, kind: type[Any]) -> Any:
        if not self._stack or not isinstance(self._stack[-1], kind):
            raise FormatError(f"the pickle has no {kind.__name__} on top of its stack")
        return self._stack[-1]

    def _since_mark(self) -> list[Any]:
        if not self._marks:
            raise FormatError("the pickle has no mark on its stack")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def mark(self, argument: Any) -> None:
        """Mark the top of the stack."""
        self._marks.append(len(self._stack))

    def tuple_of(self, count: int | None) -> None:
        """Replace the last `count` values by a tuple; None for all values since the mark."""
        values = self._since_mark() if count is None else [self._pop() for _ in range(count)][::-1]
        self._stack.append(tuple(values))

    def remember(self, number: int | None) -> None:
        """Store the last value in the memo under a number; None for the next number."""
        value = self._pop()
        self._stack.append(value)
        self._memo[len(self._memo) if number is None else number] = value

    def recall(self, number: int) -> None:
        """Push a value from the memo."""
        value = self._memo.get(number, MISSING)
        if value is MISSING:
            raise FormatError(f"the pickle reads value {number} of its memo, which was not stored")
        self._stack.append(value)

    def name(self, argument: Any) -> None:
        """Push the name of a function or class; FormatError if calling it is not allowed."""
        module, name = (self._pop(), self._pop())[::-1] if argument is None else str(argument).split(" ", 1)
        full = f"{module}.{name}"
        if not self._allowed(full):
            raise FormatError(
                f"it holds {quoted(full)}, whose code would have to run; expected a state dictionary: in PyTorch, "
                "torch.save(model.state_dict(), FILE)"
            )
        self._stack.append(GlobalName(full))

    def call(self, argument: Any) -> None:
        """Record a call. An ordered dictionary becomes a plain dictionary."""
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, GlobalName) or not isinstance(arguments, tuple):
            raise FormatError("the pickle calls something that is not a function")
        argument_tuple = cast("tuple[Any, ...]", arguments)
        self._stack.append(
            {} if function.name == "collections.OrderedDict" else RecordedCall(function.name, argument_tuple)
        )

    def refer(self, argument: Any) -> None:
        """Record a reference to another member of the archive."""
        self._stack.append(StorageReference(self._pop()))

    def set_items(self, is_marked: bool) -> None:
        """Add keys and values to a dictionary: all values since the mark if ``is_marked``, otherwise a single pair."""
        values = self._since_mark() if is_marked else [self._pop(), self._pop()][::-1]
        target = self._top(dict)
        if len(values) % 2:
            raise FormatError("the pickle has a key without a value")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, str | int | float | bool | None):
                raise FormatError("the pickle has a key that is neither a string nor a number")
            target[key] = value

    def append(self, is_marked: bool) -> None:
        """Append values to a list: all values since the mark if ``is_marked``, otherwise a single value."""
        values = self._since_mark() if is_marked else [self._pop()]
        self._top(list).extend(values)

    def put(self, value: Any) -> None:
        """Push a value."""
        self._stack.append(value)

    def drop(self, argument: Any) -> None:
        """Discard an object's state, such as the version numbers in a state dictionary."""
        self._pop()


PUSH_ARGUMENT = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINUNICODE8"),
}
IGNORED = {"PROTO", "FRAME"}
OPCODES: dict[str, Callable[[PickleMachine, Any], None]] = {
    "NONE": lambda machine, _: machine.put(None),
    "NEWTRUE": lambda machine, _: machine.put(True),
    "NEWFALSE": lambda machine, _: machine.put(False),
    "EMPTY_DICT": lambda machine, _: machine.put({}),
    "EMPTY_LIST": lambda machine, _: machine.put([]),
    "EMPTY_TUPLE": lambda machine, _: machine.put(()),
    "MARK": PickleMachine.mark,
    "TUPLE": lambda machine, _: machine.tuple_of(None),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "BINPUT": PickleMachine.remember,
    "LONG_BINPUT": PickleMachine.remember,
    "MEMOIZE": lambda machine, _: machine.remember(None),
    "BINGET": PickleMachine.recall,
    "LONG_BINGET": PickleMachine.recall,
    "GLOBAL": PickleMachine.name,
    "STACK_GLOBAL": lambda machine, _: machine.name(None),
    "REDUCE": PickleMachine.call,
    "BINPERSID": PickleMachine.refer,
    "SETITEM": lambda machine, _: machine.set_items(False),
    "SETITEMS": lambda machine, _: machine.set_items(True),
    "APPEND": lambda machine, _: machine.append(False),
    "APPENDS": lambda machine, _: machine.append(True),
    "BUILD": PickleMachine.drop,
}
