"""A format, inputs generated for it, and their results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from fuzz.judge import Verdict, judge
from fuzz.mutators import changed, mutated


@dataclass(frozen=True)
class Format:
    """A file format, or the words of a command.

    file    name of the file of an input, in a folder of the format
    open    reads that file; exceptions are judged
    trees   JSON values that describe valid files
    build   makes the file of a tree, with right lengths and checksums; any exception: there is no such file
    words   tokens with a meaning in this format
    found   inputs that once failed otherwise than with an error of ours, by failure
    heavy   inputs at the resource limits, tried only by `make fuzz`
    craft   draws inputs that changes of trees would not find; None: trees are changed
    """

    name: str
    file: str
    open: Callable[[Path], object]
    trees: Callable[[], Sequence[Any]]
    build: Callable[[Any], bytes]
    words: tuple[bytes, ...] = ()
    found: Callable[[], dict[str, bytes]] = dict
    heavy: Callable[[], dict[str, bytes]] = dict
    craft: Callable[[Random], bytes] | None = None

    def read(self, folder: Path, content: bytes) -> None:
        """Write an input to its file in a writable folder, and read it."""
        path = folder / self.file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        self.open(path)


@dataclass
class Tally:
    """Results for the inputs of a format: counts, maxima, and every failure with its input."""

    name: str
    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    bytes: int = 0
    faults: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])

    def add(self, verdict: Verdict, content: bytes) -> None:
        """Count an input."""
        self.inputs += 1
        self.refused += verdict.refused
        self.seconds = max(self.seconds, verdict.seconds)
        self.bytes = max(self.bytes, verdict.bytes)
        if verdict.fault is not None:
            self.faults.append((verdict.fault, content))

    def join(self, other: "Tally") -> None:
        """Merge another tally."""
        self.inputs += other.inputs
        self.refused += other.refused
        self.seconds, self.bytes = max(self.seconds, other.seconds), max(self.bytes, other.bytes)
        self.faults += other.faults


class Inputs:
    """The inputs of a format by number, determined by a seed in every process."""

    def __init__(self, kind: Format, seed: int) -> None:
        self._kind = kind
        self._seed = seed
        self._trees = list(kind.trees())
        self.seeds = [*map(kind.build, self._trees)]

    def __getitem__(self, number: int) -> bytes:
        kind, random = self._kind, Random(f"{self._seed} {self._kind.name} {number}")
        if kind.craft is not None and random.random() < 0.5:
            return kind.craft(random)
        if random.random() < 0.5:
            try:
                return kind.build(changed(random.choice(self._trees), random, kind.words))
            except Exception:  # of any class: no file has such values
                pass
        return mutated(random.choice(self.seeds), self.seeds, kind.words, random)


def campaign(kind: Format, count: int, folder: Path, seed: int = 0, *, heavy: bool = False) -> Tally:
    """Read the inputs that once failed, and then `count` inputs in order."""
    tally, inputs = Tally(kind.name), Inputs(kind, seed)
    known = [*kind.found().values(), *(kind.heavy().values() if heavy else ())]
    if all(judge(partial(kind.read, folder, content)).refused for content in inputs.seeds):
        raise ValueError(f"{kind.name}: no whole file is read, so nothing would be tried")
    for content in (*known, *(inputs[number] for number in range(count))):
        tally.add(judge(partial(kind.read, folder, content)), content)
    return tally
