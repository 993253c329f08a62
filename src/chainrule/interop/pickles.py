"""A restricted reader of pickles.

A pickle is a program for a stack machine. `PickleMachine` supports only the opcodes of checkpoints. It records names of
functions and classes, their calls, and the states of objects; nothing is imported or run.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from types import UnionType
from typing import BinaryIO, cast

from chainrule._io.budget import Budget
from chainrule.errors import FormatError, quoted
from chainrule.interop.names import NAMES

MISSING = object()  # marks a memo number without a value


@dataclass(frozen=True)
class GlobalName:
    """The name of a function or class in a pickle."""

    name: str


@dataclass(frozen=True)
class StorageReference:
    """A reference to another member of the archive: the entries of its key. A key that is no tuple is one entry."""

    key: tuple[object, ...]


@dataclass
class RecordedCall:
    """A recorded call of a named function or class. It is never run.

    contents   state, elements and pairs that the pickle gives the result
    """

    name: str
    arguments: tuple[object, ...]
    contents: list[object] = field(default_factory=list[object])


class PickleMachine:
    """A stack machine that runs the opcodes of a pickle to build its value.

    budget      budget of the file
    references  all references to storages
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}
        self.references: list[StorageReference] = []

    def run(self, content: bytes | BinaryIO) -> object:
        """Run a pickle and return its value. A stream is then at the end of the pickle."""
        for opcode, argument, _ in pickletools.genops(content):
            self._budget.visit(1, "the opcodes of its pickle")
            if opcode.name == "STOP":
                return self._pop()
            if opcode.name in PUSH_ARGUMENT:
                self._stack.append(argument)
            elif opcode.name in CONSTANTS:
                self._stack.append(CONSTANTS[opcode.name])
            elif opcode.name in CONTAINERS:
                self._stack.append(CONTAINERS[opcode.name]())
            elif opcode.name in NAMES.opcodes:
                method, *fixed = NAMES.opcodes[opcode.name]
                getattr(self, method)(*(fixed or [argument]))
            elif opcode.name not in IGNORED:
                raise FormatError(f"opcode {opcode.name} in the pickle; a state dictionary does not need it")
        raise FormatError("the pickle has no STOP opcode")

    def _pop(self) -> object:
        if not self._stack or (self._marks and len(self._stack) <= self._marks[-1]):
            raise FormatError("the pickle reads an empty stack")
        return self._stack.pop()

    def _top(self, kind: type | UnionType) -> object:
        if not self._stack or not isinstance(self._stack[-1], kind):
            raise FormatError(f"the pickle changes {quoted(self._stack[-1:])}; expected {kind}")
        return self._stack[-1]

    def _since_mark(self) -> list[object]:
        if not self._marks:
            raise FormatError("the pickle has no mark on its stack")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def mark(self, argument: object) -> None:
        """Mark the top of the stack."""
        self._marks.append(len(self._stack))

    def tuple_of(self, count: int | None) -> None:
        """Replace the last `count` values by a tuple; None for all values since the mark."""
        if count is None:
            values = self._since_mark()
        else:
            values = [self._pop() for _ in range(count)]
            values.reverse()
        self._stack.append(tuple(values))

    def remember(self, number: int | None) -> None:
        """Store the last value in the memo under a number; None for the next number."""
        value = self._pop()
        self._stack.append(value)
        if number is None:
            number = len(self._memo)
        self._memo[number] = value

    def recall(self, number: int) -> None:
        """Push a value from the memo."""
        value = self._memo.get(number, MISSING)
        if value is MISSING:
            raise FormatError(f"the pickle reads value {number} of its memo, which was not stored")
        self._stack.append(value)

    def name(self, argument: object) -> None:
        """Push the name of a function or class: that of the argument or, without one, of the last two values."""
        if argument is None:
            name = self._pop()
            module = self._pop()
        else:
            module, name = str(argument).split(" ", 1)
        if not isinstance(module, str) or not isinstance(name, str):
            raise FormatError("the pickle has a name that is not a text")
        self._stack.append(GlobalName(f"{module}.{name}"))

    def call(self, has_options: bool) -> None:
        """Record a call. An ordered dictionary becomes a plain dictionary. Options by name are ignored."""
        if has_options:
            self._pop()
        arguments = self._pop()
        function = self._pop()
        if not isinstance(function, GlobalName | RecordedCall) or not isinstance(arguments, tuple):
            raise FormatError("the pickle calls something that is not a function")
        if function.name == "collections.OrderedDict":
            self._stack.append({})
        else:
            self._stack.append(RecordedCall(function.name, cast("tuple[object, ...]", arguments)))

    def refer(self, argument: object) -> None:
        """Record a reference to another member of the archive."""
        key = self._pop()
        if not isinstance(key, tuple):
            key = (key,)
        self.references.append(StorageReference(cast("tuple[object, ...]", key)))
        self._stack.append(self.references[-1])

    def set_items(self, is_marked: bool) -> None:
        """Add keys and values to a dictionary: all values since the mark if ``is_marked``, otherwise a single pair."""
        if is_marked:
            values = self._since_mark()
        else:
            value = self._pop()
            values = [self._pop(), value]
        target = self._top(dict | RecordedCall)
        if len(values) % 2:
            raise FormatError("the pickle has a key without a value")
        if isinstance(target, RecordedCall):
            target.contents += values[1::2]
            return
        entries = cast("dict[object, object]", target)
        for key, value in zip(values[::2], values[1::2], strict=True):
            if isinstance(key, str | int | float | bool | None):
                entries[key] = value
            else:
                entries[object()] = value  # a key of its own, because others may not be hashable

    def append(self, is_marked: bool) -> None:
        """Append values to a list: all values since the mark if ``is_marked``, otherwise a single value."""
        if is_marked:
            values = self._since_mark()
        else:
            values = [self._pop()]
        target = self._top(list | RecordedCall)
        if isinstance(target, RecordedCall):
            target.contents += values
        else:
            cast("list[object]", target).extend(values)

    def build(self, argument: object) -> None:
        """Record an object's state. That of a dictionary, such as the versions of its layers, is discarded."""
        state = self._pop()
        target = self._top(object)
        if isinstance(target, RecordedCall):
            target.contents.append(state)

    def freeze(self, argument: object) -> None:
        """Replace the values since the mark by a list instead of a set."""
        self._stack.append(self._since_mark())


PUSH_ARGUMENT = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINUNICODE8", "BINBYTES8", "BYTEARRAY8", "LONG4"),
}
IGNORED = {"PROTO", "FRAME"}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
CONTAINERS: dict[str, Callable[[], object]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_SET": list}
