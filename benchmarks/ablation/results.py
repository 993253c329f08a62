"""Measurements of ablations: their order, their file, and the table of gains.

The file has a line of JSON for each network, kind of work, batch size, number of threads and instruction set. A later
run skips what the file contains.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks import random_networks
from benchmarks.processes import started
from benchmarks.subjects import Subject
from chainrule.engines.compiled.compiler import processor

INSTRUCTIONS = {"AVX-512": "512", "AVX2": "256", "SSE": "128"}  # instruction set → CHAINRULE_VECTOR
KINDS = ("train", "infer")
STRIDE = 31  # between networks that are measured one after the other, so that a part of them has all structures
SEQUENTIAL, ALL = 60, 80  # random networks: without branches, and all

Key = tuple[str, str, str, int, int]  # instruction set, network, kind, batch, threads


@dataclass(frozen=True)
class Selection:
    """What to measure.

    names     ablations → whether they are about threads
    threads   number of threads for ablations about threads; one thread is used for others
    seconds   time budget per ablation and work
    """

    names: dict[str, bool]
    networks: Sequence[Subject]
    batches: Sequence[int]
    instructions: Sequence[str]
    threads: int
    seconds: float

    def works(self, considered: dict[Key, set[str]], instructions: str, network: str) -> list[Any]:
        """Return (kind, batch, threads, names of the ablations) of what has not been considered for a network."""
        works: list[Any] = []
        for batch in self.batches:
            for kind in KINDS:
                for threaded, threads in ((False, 1), (True, self.threads)):
                    done = considered.get((instructions, network, kind, batch, threads), set())
                    names = [name for name, about in self.names.items() if about is threaded and name not in done]
                    works += [(kind, batch, threads, names)] if names else []
        return works


def available() -> list[str]:
    """Return the instruction sets that this processor has, the widest first."""
    widest = processor.vector_bits(None, processor._FEATURES)  # pyright: ignore[reportPrivateUsage]
    return [name for name, bits in INSTRUCTIONS.items() if int(bits) <= widest]


def networks(count: int) -> list[Subject]:
    """Return some of the random networks, or all 80. Any number of them has sequential and branching ones."""
    drawn = random_networks.networks(SEQUENTIAL)
    return [drawn[STRIDE * k % ALL] for k in range(count)]


def read(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, or [] if it does not exist. An incomplete last line is omitted."""
    rows: list[dict[str, Any]] = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def run(selection: Selection, file: Path, end: float, watch: Callable[[str, float], None]) -> None:
    """Measure what the file does not contain yet, and append it, until the time `end` (of `time.monotonic`)."""
    considered: dict[Key, set[str]] = {}
    for row in read(file):
        key = (row["instructions"], row["network"], row["kind"], row["batch"], row["threads"])
        considered.setdefault(key, set()).update(row["considered"])
    tasks = [(name, subject) for name in selection.instructions for subject in selection.networks]
    for number, (instructions, subject) in enumerate(tasks):
        works = selection.works(considered, instructions, subject.name)
        watch(f"{subject.name}, {instructions}", number / len(tasks))
        for row in _rows(subject, works, instructions, selection, end) if works else ():
            with file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"instructions": instructions, **row}) + "\n")
        if time.monotonic() >= end:
            return


def _rows(
    subject: Subject, works: Sequence[Any], instructions: str, selection: Selection, end: float
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a network, measured in a process of its own.

    Errors   WorkerError if the process fails
    """
    request = {"subject": subject.to_config(), "seconds": selection.seconds}
    vectors = {"CHAINRULE_VECTOR": INSTRUCTIONS[instructions]}
    with patch.dict(os.environ, vectors), started([subject.name], selection.threads) as processes:
        for work in works:
            yield processes[subject.name].ask("ablate", work=work, **request)
            if time.monotonic() >= end:
                return


def cells(rows: Iterable[dict[str, Any]], names: Iterable[str]) -> list[list[str]]:
    """Return the heading and the rows of the table of some ablations for one instruction set.

    A gain is the time that is added if an optimization is disabled, as a fraction of the time with it. Means are
    geometric, over all measured networks; those with the same program gain 0. Later rows replace earlier ones.
    """
    ratios: dict[str, dict[tuple[int, str, str], float]] = {}  # ablation → (batch, kind, network) → ratio of the times
    for row in rows:
        for name in row["considered"]:
            if name not in row["failed"]:
                base, ablated = row["seconds"].get(name, (1.0, 1.0))
                ratios.setdefault(name, {})[row["batch"], row["kind"], row["network"]] = ablated / base
    measured = {name: ratios[name] for name in names if name in ratios}
    works = sorted({key[:2] for by_key in measured.values() for key in by_key})
    table = [["disabled", "networks", *(f"{kind} {batch}" for batch, kind in works), "largest", "network"]]
    for name, by_key in measured.items():
        gains = [[ratio for key, ratio in by_key.items() if key[:2] == work] for work in works]
        means = [f"{100 * (statistics.geometric_mean(gain) - 1):.1f} %" if gain else "–" for gain in gains]
        affected = {network for (*_, network), ratio in by_key.items() if ratio != 1}
        batch, kind, network = largest = max(by_key, key=lambda key: by_key[key])
        counts = f"{len(affected)} of {len({network for *_, network in by_key})}"
        where = f"{network}, {kind} {batch}" if affected else ""
        table.append([name, counts, *means, f"{100 * (by_key[largest] - 1):.0f} %", where])
    return table
