"""Pickled dictionaries of tensors as PyTorch writes them, read by a machine that can build them and nothing else.

The opcodes of a pickle are a program for a stack machine. Here a table holds the few that a state dictionary needs;
the names that it may call are four (`torch_zip`), and calling one makes a plain record. Nothing is imported or run.

Errors   FormatError for another opcode or another name
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from chainrule.errors import FormatError, quoted

MAX_STEPS = 5_000_000  # opcodes; a state dictionary of a thousand tensors has 50,000
NOTHING = object()


@dataclass(frozen=True)
class Global:
    """The name of a function or class in a pickle."""

    name: str


@dataclass(frozen=True)
class Stored:
    """What stands in another member of the archive."""

    key: Any


@dataclass
class Called:
    """A name applied to arguments."""

    name: str
    arguments: tuple[Any, ...]


class Machine:
    """Builds the value of a pickle from its opcodes.

    allowed   names that may be called; None for a storage's name means any that `allowed` accepts
    """

    def __init__(self, allowed: Callable[[str], bool]) -> None:
        self._allowed = allowed
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        """Return the value of a pickle."""
        for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if step > MAX_STEPS:
                raise FormatError(f"more than {MAX_STEPS:,} opcodes")
            if opcode.name == "STOP":
                return self._pop()
            if opcode.name in PLAIN:
                self._stack.append(argument)
            elif opcode.name in OPCODES:
                OPCODES[opcode.name](self, argument)
            elif opcode.name not in IGNORED:
                raise FormatError(f"opcode {opcode.name}, which no state dictionary has")
        raise FormatError("it has no end")

    def _pop(self) -> Any:
        if not self._stack or (self._marks and len(self._stack) <= self._marks[-1]):
            raise FormatError("its stack is empty")
        return self._stack.pop()

    def _top(self, kind: type[Any]) -> Any:
        if not self._stack or not isinstance(self._stack[-1], kind):
            raise FormatError(f"its stack has no {kind.__name__} on top")
        return self._stack[-1]

    def _since_mark(self) -> list[Any]:
        if not self._marks:
            raise FormatError("it has no mark")
        start = self._marks.pop()
        found = self._stack[start:]
        del self._stack[start:]
        return found

    def mark(self, argument: Any) -> None:
        """Note where the stack ends."""
        self._marks.append(len(self._stack))

    def tuple_of(self, count: int | None) -> None:
        """Replace the last values, or those since the mark, by a tuple."""
        found = self._since_mark() if count is None else [self._pop() for _ in range(count)][::-1]
        self._stack.append(tuple(found))

    def remember(self, number: int | None) -> None:
        """Keep the last value under a number, by default the next."""
        value = self._pop()
        self._stack.append(value)
        self._memo[len(self._memo) if number is None else number] = value

    def recall(self, number: int) -> None:
        """Put a kept value on the stack."""
        found = self._memo.get(number, NOTHING)
        if found is NOTHING:
            raise FormatError(f"it recalls value {number}, which was not kept")
        self._stack.append(found)

    def name(self, argument: Any) -> None:
        """Put the name of a function on the stack; FormatError if it may not be called."""
        module, name = (self._pop(), self._pop())[::-1] if argument is None else str(argument).split(" ", 1)
        full = f"{module}.{name}"
        if not self._allowed(full):
            raise FormatError(
                f"it holds {quoted(full)}, whose code would have to run; expected a state dictionary: in PyTorch, "
                "torch.save(model.state_dict(), FILE)"
            )
        self._stack.append(Global(full))

    def call(self, argument: Any) -> None:
        """Record a call; an ordered dictionary is a plain one."""
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise FormatError("it calls something that is no function")
        given = cast("tuple[Any, ...]", arguments)
        self._stack.append({} if function.name == "collections.OrderedDict" else Called(function.name, given))

    def refer(self, argument: Any) -> None:
        """Record a reference to another member of the archive."""
        self._stack.append(Stored(self._pop()))

    def set_items(self, several: bool) -> None:
        """Enter keys and values into a dictionary."""
        found = self._since_mark() if several else [self._pop(), self._pop()][::-1]
        target = self._top(dict)
        if len(found) % 2:
            raise FormatError("it has a key without a value")
        for key, value in zip(found[::2], found[1::2], strict=True):
            if not isinstance(key, str | int | float | bool | None):
                raise FormatError("it has a key that is neither a text nor a number")
            target[key] = value

    def append(self, several: bool) -> None:
        """Append values to a list."""
        found = self._since_mark() if several else [self._pop()]
        self._top(list).extend(found)

    def put(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def drop(self, argument: Any) -> None:
        """Forget the state that an object would be given, such as the versions of a state dictionary."""
        self._pop()


PLAIN = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINUNICODE8"),
}
IGNORED = {"PROTO", "FRAME"}
OPCODES: dict[str, Callable[[Machine, Any], None]] = {
    "NONE": lambda machine, _: machine.put(None),
    "NEWTRUE": lambda machine, _: machine.put(True),
    "NEWFALSE": lambda machine, _: machine.put(False),
    "EMPTY_DICT": lambda machine, _: machine.put({}),
    "EMPTY_LIST": lambda machine, _: machine.put([]),
    "EMPTY_TUPLE": lambda machine, _: machine.put(()),
    "MARK": Machine.mark,
    "TUPLE": lambda machine, _: machine.tuple_of(None),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "BINPUT": Machine.remember,
    "LONG_BINPUT": Machine.remember,
    "MEMOIZE": lambda machine, _: machine.remember(None),
    "BINGET": Machine.recall,
    "LONG_BINGET": Machine.recall,
    "GLOBAL": Machine.name,
    "STACK_GLOBAL": lambda machine, _: machine.name(None),
    "REDUCE": Machine.call,
    "BINPERSID": Machine.refer,
    "SETITEM": lambda machine, _: machine.set_items(False),
    "SETITEMS": lambda machine, _: machine.set_items(True),
    "APPEND": lambda machine, _: machine.append(False),
    "APPENDS": lambda machine, _: machine.append(True),
    "BUILD": Machine.drop,
}
