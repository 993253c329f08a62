"""Rounds of measurements in turn, so that other load on the machine affects all contenders alike."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.processes import Process, WorkerError
from chainrule.training.progress import REFRESH

TURN = REFRESH  # seconds: the interval of the progress bar, so that each turn of ours includes one redraw
SETTLE = 0.06  # seconds of pause before a turn: idle threads of ONNX Runtime keep a core busy for 40 ms


@dataclass(frozen=True)
class Timing:
    """Seconds per repetition in each round."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        """Least over the rounds: whatever else a machine does only adds to it."""
        return min(self.seconds)

    @property
    def excess(self) -> float:
        """How much longer the median round took, relative to the least."""
        return statistics.median(self.seconds) / self.least - 1


def timed(
    processes: Mapping[str, Process], rounds: int, turned: Callable[[], None] = lambda: None, turn: float = TURN
) -> tuple[dict[str, Timing], dict[str, str]]:
    """Time loaded contenders in rounds, each starting with another; return timings, and reasons of failures.

    `turned` is called after each turn.
    """
    found: dict[str, list[float]] = {name: [] for name in processes}
    lost: dict[str, str] = {}
    repetitions: dict[str, int] = {}

    def ask(name: str, what: str, **words: Any) -> dict[str, Any] | None:
        try:
            return None if name in lost else processes[name].ask(what, **words)
        except WorkerError as error:
            lost[name] = str(error)

    for name in processes:
        time.sleep(SETTLE)
        if answer := ask(name, "calibrate", seconds=turn):
            repetitions[name] = answer["repetitions"]
    for name in turns(list(processes), rounds):
        time.sleep(SETTLE)
        if answer := ask(name, "run", repetitions=repetitions.get(name)):
            found[name].append(answer["seconds"])
        turned()
    return {name: Timing(tuple(seconds)) for name, seconds in found.items() if name not in lost}, lost


def turns(names: Sequence[str], rounds: int) -> Iterator[str]:
    """Yield the names in turn: all in every round, each round starting with another."""
    for number in range(rounds):
        first = number % max(len(names), 1)
        yield from [*names[first:], *names[:first]]
