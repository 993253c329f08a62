"""Explore every interleaving of threads that run functions written in LLVM code.

Each instruction of `chainrule.engines.compiled.compiler.pool_code` becomes a statement of Python about the values of a
call and the shared `memory`: integer arithmetic, atomic accesses to 64-bit words, calls of CPython's lock functions.
Memory is sequentially consistent. Between two accesses to shared memory a thread runs alone, since nobody can observe
it there.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, NamedTuple

OPERATORS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "and": "&",
    "or": "|",
    "shl": "<<",
    "lshr": ">>",
    "sdiv": "//",
    "eq": "==",
    "ne": "!=",
    "slt": "<",
    "sge": ">=",  # operands of a division are not negative
}
VALUE, WORD = r"(v_\w+|-?\d+)", r"i64\* (v_\w+)"
STATEMENTS = (  # instruction, statement
    (rf"(.+) = (?:icmp )?({'|'.join(OPERATORS)}) +i\d+ {VALUE}, {VALUE}", "{0} = {2} {1} {3}"),
    (rf"(.+) = select +i1 {VALUE}, i64 {VALUE}, i64 {VALUE}", "{0} = {2} if {1} else {3}"),
    (rf"(.+) = (?:inttoptr|extractvalue) .*?{VALUE}(?: to|, 1)", "{0} = {1}"),
    (rf"(.+) = load atomic i64, {WORD}", "{0} = memory[{1} // 8]"),
    (rf"store atomic i64 {VALUE}, {WORD}", "memory[{1} // 8] = {0}"),
    (rf"(.+) = atomicrmw add {WORD}, i64 {VALUE}", "{0} = memory[{1} // 8]; memory[{1} // 8] += {2}"),
    (rf"(.+) = atomicrmw xchg {WORD}, i64 {VALUE}", "{0} = memory[{1} // 8]; memory[{1} // 8] = {2}"),
    (
        rf"(.+) = cmpxchg {WORD}, i64 {VALUE}, i64 {VALUE}",
        "{0} = memory[{1} // 8] == {2}; memory[{1} // 8] = {3} if {0} else memory[{1} // 8]",
    ),
    (rf'(?:.+ = )?call \w+ @"PyThread_(acquire|release)_lock"\(i8\* {VALUE}', "memory[{1}] = {0}(memory[{1}])"),
    (r'br label %"([^"]+)"', "target = {0!r}"),
    (rf'br i1 {VALUE}, label %"([^"]+)", label %"([^"]+)"', "target = {1!r} if {0} else {2!r}"),
    (r'call void @?"?(\w+)"?\((.*)\)', "called = {0!r}; arguments = ({1})"),
    ("ret void", "called = None"),
)
IGNORED = r'alloca|ptrtoint|store \[|call i64 @"chainrule_own"|call i32 @"chainrule_yield"'


class Blocked(Exception):
    """The lock that a thread acquires is held."""


def acquire(held: int) -> int:
    if held:
        raise Blocked
    return 1


def release(held: int) -> int:
    assert held, "a free lock is released"
    return 0


@dataclass
class Function:
    """A function: its parameters, its first block, and its statements.

    blocks  block → statements
    phis    (preceding block, block) → the statement that assigns the values of the block's phis
    live    (block, index) → names of the values that are used from there on
    """

    parameters: list[str]
    blocks: dict[str, list[str]] = field(default_factory=dict)
    phis: dict[tuple[str, str], str] = field(default_factory=dict)
    live: dict[tuple[str, int], list[str]] = field(default_factory=dict)


def parse(code: str) -> dict[str, Function]:
    """Return the functions defined in LLVM code, by name."""
    functions = dict[str, Function]()
    for name, parameters, body in re.findall(r'define void @"(\w+)"\((.*?)\)\n\{\n(.*?)\n\}', code, re.DOTALL):
        function = functions[name] = Function(re.findall(r"v_\w+", _named(parameters)))
        block = ""
        for line in body.splitlines():
            if not line.startswith(" "):
                block = line.rstrip(":")
                function.blocks[block] = []
            elif " = phi" in line:
                result = _named(line).split()[0]
                for value, before in re.findall(rf'\[{VALUE}, %"([^"]+)"\]', _named(line)):
                    names, values = function.phis.get((before, block), "=").split("=")
                    function.phis[before, block] = f"{result}, {names}= {value}, {values}"
            elif not re.match(IGNORED, line.strip().rpartition(" = ")[2]):
                function.blocks[block].append(_statement(_named(line.strip())))
        _find_live_values(function)
    return functions


def _named(text: str) -> str:
    """Return code with identifiers of Python for its values; labels stay as they are."""
    return re.sub(r'(?<!label )%"([.\d]+)"(?!\])', lambda match: "v_" + match[1].replace(".", "_"), text)


def _statement(text: str) -> str:
    for pattern, statement in STATEMENTS:
        if match := re.match(pattern, text):
            parts = [OPERATORS.get(part, part) for part in match.groups()]
            if statement.startswith("called = {"):
                parts[1] = "".join(f"{argument.split()[-1]}, " for argument in parts[1].split(", "))
            return statement.format(*parts)
    raise ValueError(f"unknown instruction: {text}")


def _find_live_values(function: Function) -> None:
    """Fill `live`, so that states which differ only in values that are never used again are equal."""
    live = {(block, n): set[str]() for block, body in function.blocks.items() for n in range(len(body) + 1)}
    changed = True
    while changed:
        before = sum(map(len, live.values()))
        for block, body in function.blocks.items():
            for target in (target for begin, target in _edges(function) if begin == block):
                live[block, len(body)] |= _before(function.phis.get((block, target), ""), live[target, 0])
            for n in reversed(range(len(body))):
                live[block, n] |= _before(body[n], live[block, n + 1])
        changed = sum(map(len, live.values())) != before
    function.live = {place: sorted(names) for place, names in live.items()}


def _edges(function: Function) -> list[tuple[str, str]]:
    """Return the pairs of a block and one that follows it."""
    return [(block, target) for block, body in function.blocks.items() for target in re.findall(r"'(.+?)'", body[-1])]


def _before(statement: str, after: set[str]) -> set[str]:
    """Return the names of the values that are used by a statement or after it."""
    results = set(re.findall(r"v_\w+", statement.partition(" = ")[0])) if statement[:8] != "memory[v" else set()
    text = statement.partition(" = ")[2] if results else statement
    return after - results | set(re.findall(r"v_\w+", text)) - results


class Frame(NamedTuple):
    """An active call: the function, the position of its next instruction, and its live values by order of name."""

    function: str
    block: str
    index: int
    values: tuple[int, ...]


Thread = tuple[Frame, ...]  # active calls, the innermost last; empty: the thread has finished


class State(NamedTuple):
    """A state of all threads.

    threads  the active calls of each thread
    memory   the shared words
    runs     (function, table, iteration) for every iteration that has run, sorted
    """

    threads: tuple[Thread, ...]
    memory: tuple[int, ...]
    runs: tuple[tuple[int, int, int], ...]


class Machine:
    """Runs functions step by step.

    words      offsets of the shared words
    constants  words that do not change while threads run, whose reads are not interleaved
    """

    def __init__(self, functions: dict[str, Function], words: list[int], constants: dict[int, int]) -> None:
        self.functions, self.words, self.constants = functions, words, constants
        self.place = {word: n for n, word in enumerate(words)}

    def start(self, name: str, *arguments: int) -> Thread:
        """Return a thread that is about to call a function."""
        return (self._frame(name, next(iter(self.functions[name].blocks)), 0, self._values(name, arguments)),)

    def next_states(self, state: State) -> Iterator[State]:
        """Yield the states after one access to shared memory by any thread that is not blocked."""
        for number, thread in enumerate(state.threads):
            memory, runs = {**self.constants, **dict(zip(self.words, state.memory, strict=True))}, list(state.runs)
            try:
                after = self._advance(thread, memory, runs)
            except Blocked:
                continue
            if thread:
                threads = (*state.threads[:number], after, *state.threads[number + 1 :])
                yield State(threads, tuple(memory[word] for word in self.words), tuple(sorted(runs)))

    def _values(self, name: str, arguments: Any) -> dict[str, int]:
        return dict(zip(self.functions[name].parameters, arguments, strict=True))

    def _frame(self, name: str, block: str, index: int, values: dict[str, Any]) -> Frame:
        return Frame(name, block, index, tuple(values[key] for key in self.functions[name].live[block, index]))

    def _advance(self, thread: Thread, memory: dict[int, int], runs: list[tuple[int, int, int]]) -> Thread:
        """Run a thread from an access to shared memory up to its next one."""
        frames, accessed = [*thread], False
        while frames:
            name, block, index, given = frames.pop()
            function = self.functions[name]
            values: dict[str, Any] = dict(zip(function.live[block, index], given, strict=True))
            while True:
                statement = function.blocks[block][index]
                if self._is_shared(statement, values):
                    if accessed:
                        return (*frames, self._frame(name, block, index, values))
                    accessed = True
                self._execute(statement, memory, values)
                index += 1
                if target := values.pop("target", ""):
                    self._execute(function.phis.get((block, target), ""), memory, values)
                    block, index = target, 0
                elif statement.startswith("called"):
                    break
            called = values.pop("called")
            if called is not None:
                frames.append(self._frame(name, block, index, values))
                if called in self.functions:
                    first = next(iter(self.functions[called].blocks))
                    frames.append(self._frame(called, first, 0, self._values(called, values["arguments"])))
                else:
                    number, table, _ = values["arguments"]
                    runs.append((values[called], table, number))
        return ()

    def _is_shared(self, statement: str, values: dict[str, Any]) -> bool:
        """Return whether a statement accesses a word that other threads change."""
        word = _word(statement)
        return word != "" and values.get(word, 0) // 8 not in self.constants

    def _execute(self, statement: str, memory: dict[int, int], values: dict[str, Any]) -> None:
        exec(_compiled(statement), {"memory": memory, "acquire": acquire, "release": release}, values)


@functools.cache
def _compiled(statement: str) -> CodeType:
    return compile(statement, "LLVM", "exec")


@functools.cache
def _word(statement: str) -> str:
    """Return the value that holds the address of the word that a statement accesses; "lock" for a lock, "" for none."""
    address = re.search(r"memory\[(v_\w+) // 8\]", statement)
    return address[1] if address else "lock" * ("memory" in statement)
