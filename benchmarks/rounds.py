"""Timing of contenders in rounds, in turn, so that other load on the machine affects all of them equally."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.processes import Process, WorkerError
from chainrule.training.callbacks import REFRESH_INTERVAL

TURN_SECONDS = REFRESH_INTERVAL  # the interval of the progress bar, so that each of our turns includes one redraw
SETTLE_SECONDS = 0.06  # pause before a turn: idle threads of ONNX Runtime keep a core busy for 40 ms
MAX_SPREAD = 0.05  # relative difference of a contender's two fastest rounds; if larger, the machine was disturbed
MAX_EXTENSION = 3  # largest factor by which the number of rounds is increased on a disturbed machine


@dataclass(frozen=True)
class Timing:
    """Seconds per repetition in each round."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        """Minimum over the rounds, since other load can only add to the time."""
        return min(self.seconds)

    @property
    def excess(self) -> float:
        """Excess of the median over the minimum, relative to the minimum."""
        return statistics.median(self.seconds) / self.least - 1


def _disturbed(seconds: Sequence[float]) -> bool:
    """Return whether the two fastest rounds differ by more than `MAX_SPREAD`."""
    least, *others = sorted(seconds)
    return bool(others) and others[0] > least * (1 + MAX_SPREAD)


def timed(
    processes: Mapping[str, Process], rounds: int, turned: Callable[[], None] = lambda: None, turn: float = TURN_SECONDS
) -> tuple[dict[str, Timing], dict[str, str]]:
    """Time loaded contenders in rounds, each starting with a different contender; return timings and failures.

    More rounds follow until each contender has repeated its fastest time, at most `MAX_EXTENSION`·`rounds` in total.

    turned   function called after each turn
    turn     duration of a turn in seconds
    """
    seconds_of: dict[str, list[float]] = {name: [] for name in processes}
    failures: dict[str, str] = {}
    repetitions: dict[str, int] = {}

    def ask(name: str, what: str, **words: Any) -> dict[str, Any] | None:
        try:
            return None if name in failures else processes[name].ask(what, **words)
        except WorkerError as error:
            failures[name] = str(error)

    for name in processes:
        time.sleep(SETTLE_SECONDS)
        if answer := ask(name, "calibrate", seconds=turn):
            repetitions[name] = answer["repetitions"]
    for number in range(MAX_EXTENSION * rounds):
        if number >= rounds and not any(_disturbed(seconds_of[name]) for name in processes if name not in failures):
            break
        for name in in_turn(list(processes), number):
            time.sleep(SETTLE_SECONDS)
            if answer := ask(name, "run", repetitions=repetitions.get(name)):
                seconds_of[name].append(answer["seconds"])
            turned()
    return {name: Timing(tuple(seconds)) for name, seconds in seconds_of.items() if name not in failures}, failures


def in_turn(names: Sequence[str], number: int) -> list[str]:
    """Return the names in the order of a round; each round starts with the next name."""
    first = number % max(len(names), 1)
    return [*names[first:], *names[:first]]
