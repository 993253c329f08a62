"""Timing in rounds, in turn, so that other load on the machine affects all contenders equally."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from benchmarks.processes import Process, WorkerError
from chainrule.models.profiling import Timing
from chainrule.training.callbacks import REFRESH_INTERVAL

TURN_SECONDS = REFRESH_INTERVAL  # the interval of the progress bar, so that each of our turns includes one redraw
SETTLE_SECONDS = 0.06  # pause before a turn: idle threads of ONNX Runtime keep a core busy for 40 ms
MAX_SPREAD = 0.05  # relative difference of a contender's two fastest rounds; if larger, the machine was disturbed
MAX_EXTENSION = 3  # largest increase of the number of rounds on a disturbed machine, as a factor

Run = Callable[[int], float]  # repeats a call, and returns the seconds per repetition
SecondsOf = dict[str, list[float]]  # contender → seconds per repetition in each round


def in_rounds(runs: Mapping[str, Run], turn: float, continues: Callable[[int, SecondsOf], bool]) -> SecondsOf:
    """Time functions in rounds, each starting with a different one.

    turn       duration of a turn in seconds, which repeats the call; short turns are more likely to be undisturbed
    continues  function of the number of rounds and their results, which decides whether another round follows
    """
    repetitions = {name: _repetitions(run, turn) for name, run in runs.items()}
    seconds_of: SecondsOf = {}
    for name in runs:
        seconds_of[name] = []
    number = 0
    while continues(number, seconds_of):
        for name in in_turn(list(runs), number):
            seconds_of[name].append(runs[name](repetitions[name]))
        number += 1
    return seconds_of


def in_turn(names: Sequence[str], number: int) -> list[str]:
    """Return the names in the order of a round; each round starts with the next name."""
    first = number % max(len(names), 1)
    return [*names[first:], *names[:first]]


def _repetitions(run: Run, turn: float) -> int:
    """Return the number of repetitions that take about `turn` seconds."""
    count = 1
    while count * (seconds := run(count)) < turn / 4:
        count *= 2 if count * seconds > turn / 64 else 8
    return max(round(turn / seconds), 1)


def timed(
    processes: Mapping[str, Process],
    rounds: int,
    turn: float = TURN_SECONDS,
    settle: float = SETTLE_SECONDS,
) -> tuple[dict[str, Timing], dict[str, str]]:
    """Time loaded contenders in rounds; return timings and failures.

    More rounds follow until each contender has repeated its fastest time, at most `MAX_EXTENSION`·`rounds` in total.

    turn     duration of a turn in seconds
    settle   pause before a turn in seconds
    """
    failures: dict[str, str] = {}

    def run(name: str, count: int) -> float:
        if name in failures:
            return math.inf
        time.sleep(settle)
        try:
            return processes[name].ask("run", repetitions=count)["seconds"]
        except WorkerError as error:
            failures[name] = str(error)
            return math.inf

    def continues(number: int, seconds_of: SecondsOf) -> bool:
        if number < rounds:
            return True
        running = processes.keys() - failures.keys()
        return number < MAX_EXTENSION * rounds and any(_disturbed(seconds_of[name]) for name in running)

    seconds_of = in_rounds({name: partial(run, name) for name in processes}, turn, continues)
    timings = dict[str, Timing]()
    for name, seconds in seconds_of.items():
        if name not in failures:
            timings[name] = Timing(tuple(seconds))
    return timings, failures


def _disturbed(seconds: Sequence[float]) -> bool:
    """Return whether the two fastest rounds differ by more than `MAX_SPREAD`."""
    least, *others = sorted(seconds)
    return bool(others) and others[0] > least * (1 + MAX_SPREAD)
