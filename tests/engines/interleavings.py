"""Explore every interleaving of threads that run functions written in LLVM code.

The interpreter knows the instructions of `chainrule.engines.compiled.compiler.pool_code`: integer arithmetic, branches,
atomic accesses to 64-bit words, calls of functions in the module, and of CPython's lock functions. Memory is
sequentially consistent. Between two accesses to shared memory a thread runs alone, since nobody can observe it there.
"""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

BINARY: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "sdiv": operator.floordiv,  # operands are not negative
    "and": operator.and_,
    "or": operator.or_,
    "shl": operator.lshift,
    "lshr": operator.rshift,
}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "slt": operator.lt,
    "sge": operator.ge,
}
VALUE = r'(%"[^"]+"|-?\d+)'
PATTERNS = {
    "binary": re.compile(rf"({'|'.join(BINARY)})  ?i\d+ {VALUE}, {VALUE}"),
    "compare": re.compile(rf"icmp (\w+)  ?i\d+ {VALUE}, {VALUE}"),
    "select": re.compile(rf"select +i1 {VALUE}, i64 {VALUE}, i64 {VALUE}"),
    "cast": re.compile(rf"(?:inttoptr|ptrtoint) .*?{VALUE} to "),
    "part": re.compile(rf"extractvalue .*?{VALUE}, (\d+)"),
    "load": re.compile(rf"load atomic i64, i64\* {VALUE}"),
    "store": re.compile(rf"store atomic i64 {VALUE}, i64\* {VALUE}"),
    "modify": re.compile(rf"atomicrmw (\w+) i64\* {VALUE}, i64 {VALUE}"),
    "exchange": re.compile(rf"cmpxchg i64\* {VALUE}, i64 {VALUE}, i64 {VALUE}"),
    "branch": re.compile(rf'br (?:label %"([^"]+)"|i1 {VALUE}, label %"([^"]+)", label %"([^"]+)")'),
    "call": re.compile(r"call \S+ (@?%?\"[^\"]+\")\((.*)\)"),
    "return": re.compile(r"ret void"),
}
SHARED = ("load", "store", "modify", "exchange")
ACQUIRE, RELEASE = '@"PyThread_acquire_lock"', '@"PyThread_release_lock"'


class Instruction(NamedTuple):
    """An instruction: its kind, the name of its result ("" if it has none) and its operands."""

    kind: str
    result: str
    operands: tuple[Any, ...]


@dataclass
class Function:
    """A function: its parameters, its first block, and the instructions and phis of each block.

    phis  block → (result, preceding block → value)
    live  position (block, index) → names of the values that are used from there on
    """

    parameters: tuple[str, ...]
    blocks: dict[str, list[Instruction]] = field(default_factory=dict)
    phis: dict[str, list[tuple[str, dict[str, str]]]] = field(default_factory=dict)
    live: dict[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)


def parse(code: str) -> dict[str, Function]:
    """Return the functions defined in LLVM code, by name."""
    functions = dict[str, Function]()
    for name, parameters, body in re.findall(r'define void @"(\w+)"\((.*?)\)\n\{\n(.*?)\n\}', code, re.DOTALL):
        function = functions[name] = Function(tuple(re.findall(r'%"[^"]+"', parameters)))
        for line in body.splitlines():
            if not line.startswith(" "):
                block = line.rstrip(":")
                function.blocks[block], function.phis[block] = [], []
                continue
            result, _, text = line.strip().rpartition(" = ") if " = " in line else ("", "", line.strip())
            if text.startswith("phi"):
                values = {before: value for value, before in re.findall(rf'\[{VALUE}, %"([^"]+)"\]', text)}
                function.phis[block].append((result, values))
            elif not re.match(r"alloca|store \[|call i64 @\"chainrule_own\"|call i32 @\"chainrule_yield\"", text):
                function.blocks[block].append(_instruction(result, text))
        _find_live_values(function)
    return functions


def _instruction(result: str, text: str) -> Instruction:
    for kind, pattern in PATTERNS.items():
        if match := pattern.match(text):
            return Instruction(kind, result, tuple(part for part in match.groups() if part is not None))
    raise ValueError(f"unknown instruction: {text}")


def _find_live_values(function: Function) -> None:
    """Fill `live`, so that states which differ only in values that are never used again are equal."""
    live = {(block, n): set[str]() for block, body in function.blocks.items() for n in range(len(body) + 1)}
    changed = True
    while changed:
        before = sum(map(len, live.values()))
        for block, body in function.blocks.items():
            last = body[-1]
            following = [part for part in last.operands if part in function.blocks] if last.kind == "branch" else []
            after = set[str]()
            for target in following:
                own = {result for result, _ in function.phis[target]}
                after |= live[target, 0] - own | {values[block] for _, values in function.phis[target]}
            live[block, len(body)] |= after
            for n in reversed(range(len(body))):
                used = re.findall(r'%"[^"]+"', " ".join(body[n].operands))
                live[block, n] |= live[block, n + 1] - {body[n].result} | set(used)
        changed = sum(map(len, live.values())) != before
    function.live = {place: tuple(sorted(names)) for place, names in live.items()}


class Frame(NamedTuple):
    """An active call: the function, the position of its next instruction, and its live values in order of their names."""

    function: str
    block: str
    index: int
    values: tuple[int, ...]


Thread = tuple[Frame, ...]  # active calls, the innermost last; empty: the thread has finished
Memory = tuple[int, ...]


class State(NamedTuple):
    """A state of all threads: their calls, the shared words, and how often each iteration ran."""

    threads: tuple[Thread, ...]
    memory: Memory
    runs: tuple[tuple[int, int, int], ...]  # sorted (function, table, iteration), once for every run


class Machine:
    """Runs functions step by step.

    constants  words that do not change while threads run, whose reads are not interleaved
    words      offsets of the shared words in memory
    """

    def __init__(self, functions: dict[str, Function], words: list[int], constants: dict[int, int]) -> None:
        self.functions, self.constants = functions, constants
        self.place = {word: n for n, word in enumerate(words)}

    def start(self, name: str, *arguments: int) -> Thread:
        """Return a thread that is about to call a function."""
        function = self.functions[name]
        block = next(iter(function.blocks))
        return (self._frame(name, block, 0, dict(zip(function.parameters, arguments, strict=True))),)

    def next_states(self, state: State) -> Iterator[State]:
        """Yield the states after one access to shared memory by any thread that is not blocked."""
        for number, thread in enumerate(state.threads):
            if thread and (result := self._run(thread, list(state.memory), list(state.runs))):
                after, memory, runs = result
                threads = (*state.threads[:number], after, *state.threads[number + 1 :])
                yield State(threads, tuple(memory), tuple(sorted(runs)))

    def _run(self, thread: Thread, memory: list[int], runs: list[Any]) -> tuple[Thread, list[int], list[Any]] | None:
        """Run a thread up to its next access to shared memory after the first; None if it is blocked."""
        frames, accesses = list(thread), 0
        while frames:
            name, block, index, kept = frames[-1]
            function = self.functions[name]
            values = dict(zip(function.live[block, index], kept, strict=True))
            get = lambda text: values[text] if text[0] == "%" else int(text)  # noqa: B023, E731
            while True:
                kind, result, operands = function.blocks[block][index]
                if kind == "load" and get(operands[0]) // 8 in self.constants:
                    values[result] = self.constants[get(operands[0]) // 8]
                elif kind in SHARED or (kind == "call" and operands[0] in (ACQUIRE, RELEASE)):
                    if accesses:
                        frames[-1] = self._frame(name, block, index, values)
                        return tuple(frames), memory, runs
                    accesses = 1
                    if not self._access(kind, result, operands, get, values, memory):
                        return None
                elif kind == "branch":
                    target = operands[0] if len(operands) == 1 else operands[1 if get(operands[0]) else 2]
                    phis = function.phis[target]
                    values.update({into: get(sources[block]) for into, sources in phis})
                    block, index = target, 0
                    continue
                elif kind == "return":
                    frames.pop()
                    break
                elif kind == "call":
                    arguments = [get(part.split()[-1]) for part in operands[1].split(", ")]
                    if operands[0][0] == "%":
                        runs.append((get(operands[0]), arguments[1], arguments[0]))
                    else:
                        frames[-1] = self._frame(name, block, index + 1, values)
                        frames += self.start(operands[0][2:-1], *arguments)
                        break
                else:
                    values[result] = self._local(kind, operands, get, values)
                index += 1
        return (), memory, runs

    def _access(
        self,
        kind: str,
        result: str,
        operands: tuple[str, ...],
        get: Callable[[str], int],
        values: dict[str, Any],
        memory: list[int],
    ) -> bool:
        """Access shared memory; return whether the thread was not blocked."""
        if kind == "call":
            lock = self.place[get(operands[1].split(", ")[0].split()[-1])]
            if operands[0] == ACQUIRE and memory[lock]:
                return False
            assert memory[lock] or operands[0] == ACQUIRE, "a lock is released that nobody holds"
            memory[lock] = int(operands[0] == ACQUIRE)
            return True
        address = {"store": 1, "modify": 1}.get(kind, 0)
        at = self.place[get(operands[address]) // 8]
        before = memory[at]
        if kind == "store":
            memory[at] = get(operands[0])
        elif kind == "modify":
            memory[at] = get(operands[2]) if operands[0] == "xchg" else before + get(operands[2])
        elif kind == "exchange" and before == get(operands[1]):
            memory[at] = get(operands[2])
        if result:
            values[result] = int(before == get(operands[1])) if kind == "exchange" else before
        return True

    def _local(self, kind: str, operands: tuple[str, ...], get: Callable[[str], int], values: dict[str, Any]) -> int:
        if kind == "binary":
            return BINARY[operands[0]](get(operands[1]), get(operands[2]))
        if kind == "compare":
            return int(COMPARISONS[operands[0]](get(operands[1]), get(operands[2])))
        if kind == "select":
            return get(operands[1] if get(operands[0]) else operands[2])
        return get(operands[0])  # a cast, or the only part of a cmpxchg's result that is read

    def _frame(self, name: str, block: str, index: int, values: dict[str, Any]) -> Frame:
        return Frame(name, block, index, tuple(values[key] for key in self.functions[name].live[block, index]))
