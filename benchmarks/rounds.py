"""Rounds of measurements in turn, so that other load on the machine affects all contenders alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.processes import Process, WorkerError
from chainrule.training.callbacks import REFRESH_INTERVAL

TURN = REFRESH_INTERVAL  # seconds: the interval of the progress bar, so that each turn of ours includes one redraw
SETTLE = 0.06  # seconds of pause before a turn: idle threads of ONNX Runtime keep a core busy for 40 ms
ALIKE = 0.05  # relative difference of a contender's two fastest rounds from which on the machine was disturbed
MORE = 3  # times as many rounds at most, while it is


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


def _disturbed(seconds: Sequence[float]) -> bool:
    """Return whether no other round took about as long as the fastest."""
    least, *others = sorted(seconds)
    return bool(others) and others[0] > least * (1 + ALIKE)


def timed(
    processes: Mapping[str, Process], rounds: int, turned: Callable[[], None] = lambda: None, turn: float = TURN
) -> tuple[dict[str, Timing], dict[str, str]]:
    """Time loaded contenders in rounds, each starting with another; return timings, and reasons of failures.

    While the fastest round of one of them has not been repeated, all have further rounds, up to `MORE` times as many.
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
    for number in range(MORE * rounds):
        if number >= rounds and not any(_disturbed(found[name]) for name in processes if name not in lost):
            break
        for name in in_turn(list(processes), number):
            time.sleep(SETTLE)
            if answer := ask(name, "run", repetitions=repetitions.get(name)):
                found[name].append(answer["seconds"])
            turned()
    return {name: Timing(tuple(seconds)) for name, seconds in found.items() if name not in lost}, lost


def in_turn(names: Sequence[str], number: int) -> list[str]:
    """Return the names as they come in a round, which starts with another than the one before."""
    first = number % max(len(names), 1)
    return [*names[first:], *names[:first]]
