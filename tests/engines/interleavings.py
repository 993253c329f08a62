"""Explore every interleaving of threads that run functions written in LLVM code.

The interpreter knows the instructions of `chainrule.engines.compiled.compiler.pool_code`: integer arithmetic, branches,
atomic accesses to 64-bit words, calls of functions in the module, and of CPython's lock functions. Memory is
sequentially consistent. Between two accesses to shared memory a thread runs alone, since nobody can observe it there.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator
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
    "cast": re.compile(rf"inttoptr .*?{VALUE} to "),
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
            elif not re.match(
                r"alloca|ptrtoint|store \[|call i64 @\"chainrule_own\"|call i32 @\"chainrule_yield\"", text
            ):
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
                after |= live[target, 0] - own | {
                    values[block] for _, values in function.phis[target] if values[block][0] == "%"
                }
            live[block, len(body)] |= after
            for n in reversed(range(len(body))):
                used = re.findall(r'%"[^"]+"', " ".join(body[n].operands))
                live[block, n] |= live[block, n + 1] - {body[n].result} | set(used)
        changed = sum(map(len, live.values())) != before
    function.live = {place: tuple(sorted(names)) for place, names in live.items()}


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
        self.functions, self.constants = functions, constants
        self.place = {word: n for n, word in enumerate(words)}

    def start(self, name: str, *arguments: int) -> Thread:
        """Return a thread that is about to call a function."""
        return (_Call.start(self.functions, name, arguments).frame(),)

    def next_states(self, state: State) -> Iterator[State]:
        """Yield the states after one access to shared memory by any thread that is not blocked."""
        for number, thread in enumerate(state.threads):
            run = _Run(self, thread, list(state.memory), list(state.runs))
            if thread and run.advance():
                threads = (*state.threads[:number], run.thread(), *state.threads[number + 1 :])
                yield State(threads, tuple(run.memory), tuple(sorted(run.runs)))


class _Call:
    """An active call with the values of all names."""

    def __init__(self, functions: dict[str, Function], name: str, block: str, index: int, values: dict[str, int]):
        self.name, self.function = name, functions[name]
        self.block, self.index, self.values = block, index, values

    @staticmethod
    def start(functions: dict[str, Function], name: str, arguments: Iterable[int]) -> "_Call":
        function = functions[name]
        values = dict(zip(function.parameters, arguments, strict=True))
        return _Call(functions, name, next(iter(function.blocks)), 0, values)

    @staticmethod
    def resume(functions: dict[str, Function], frame: Frame) -> "_Call":
        names = functions[frame.function].live[frame.block, frame.index]
        return _Call(functions, frame.function, frame.block, frame.index, dict(zip(names, frame.values, strict=True)))

    def frame(self) -> Frame:
        names = self.function.live[self.block, self.index]
        return Frame(self.name, self.block, self.index, tuple(self.values[name] for name in names))

    def get(self, operand: str) -> int:
        return self.values[operand] if operand[0] == "%" else int(operand)

    def jump(self, target: str) -> None:
        """Continue with a block."""
        phis = self.function.phis[target]
        self.values |= {result: self.get(sources[self.block]) for result, sources in phis}
        self.block, self.index = target, 0


class _Run:
    """One thread, from an access to shared memory up to its next one."""

    def __init__(self, machine: Machine, thread: Thread, memory: list[int], runs: list[tuple[int, int, int]]) -> None:
        self.machine, self.memory, self.runs = machine, memory, runs
        self.calls = [_Call.resume(machine.functions, frame) for frame in thread]

    def thread(self) -> Thread:
        return tuple(call.frame() for call in self.calls)

    def advance(self) -> bool:
        """Run the thread; return False if it is blocked."""
        accessed = False
        while self.calls:
            call = self.calls[-1]
            instruction = call.function.blocks[call.block][call.index]
            if self._is_shared(call, instruction):
                if accessed:
                    return True
                accessed = True
                if not self._access(call, instruction):
                    return False
                call.index += 1
            else:
                self._local(call, instruction)
        return True

    def _is_shared(self, call: _Call, instruction: Instruction) -> bool:
        kind, _, operands = instruction
        if kind == "load":
            return call.get(operands[0]) // 8 not in self.machine.constants
        return kind in SHARED or (kind == "call" and operands[0] in (ACQUIRE, RELEASE))

    def _access(self, call: _Call, instruction: Instruction) -> bool:
        """Access shared memory; return False if the thread is blocked."""
        kind, result, operands = instruction
        if kind == "call":
            lock = self.machine.place[call.get(_arguments(operands[1])[0])]
            acquires = operands[0] == ACQUIRE
            if acquires and self.memory[lock]:
                return False
            assert acquires or self.memory[lock], "a free lock is released"
            self.memory[lock] = int(acquires)
            return True
        at = self.machine.place[call.get(operands[1 if kind in ("store", "modify") else 0]) // 8]
        before = self.memory[at]
        if kind == "store":
            self.memory[at] = call.get(operands[0])
        elif kind == "modify":
            self.memory[at] = call.get(operands[2]) + (before if operands[0] == "add" else 0)
        elif kind == "exchange" and before == call.get(operands[1]):
            self.memory[at] = call.get(operands[2])
        call.values[result] = int(before == call.get(operands[1])) if kind == "exchange" else before
        return True

    def _local(self, call: _Call, instruction: Instruction) -> None:
        """Execute an instruction that no other thread observes."""
        kind, result, operands = instruction
        if kind == "branch":
            call.jump(operands[0] if len(operands) == 1 else operands[1 if call.get(operands[0]) else 2])
            return
        call.index += 1
        if kind == "return":
            self.calls.pop()
        elif kind == "call":
            arguments = [call.get(argument) for argument in _arguments(operands[1])]
            if operands[0][0] == "%":
                self.runs.append((call.get(operands[0]), arguments[1], arguments[0]))
            else:
                self.calls.append(_Call.start(self.machine.functions, operands[0][2:-1], arguments))
        elif kind == "load":
            call.values[result] = self.machine.constants[call.get(operands[0]) // 8]
        else:
            call.values[result] = _result(kind, operands, call.get)


def _arguments(text: str) -> list[str]:
    """Return the values in a list of arguments: i64 %"x", i32 1."""
    return [argument.split()[-1] for argument in text.split(", ")]


def _result(kind: str, operands: tuple[str, ...], get: Callable[[str], int]) -> int:
    """Return the result of an instruction that only computes."""
    match kind:
        case "binary":
            return BINARY[operands[0]](get(operands[1]), get(operands[2]))
        case "compare":
            return int(COMPARISONS[operands[0]](get(operands[1]), get(operands[2])))
        case "select":
            return get(operands[1] if get(operands[0]) else operands[2])
        case _:  # a cast, or the only part of a cmpxchg's result that is read
            return get(operands[0])
