"""Minimum times of functions of this process, which take turns."""

import math
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any


def least_times(
    runs: Mapping[str, Callable[[], Any]],
    *,
    rounds: int = 1,
    seconds: float = 0.0,
    turn: float = 0.0,
    clock: Callable[[], float] = perf_counter,
) -> dict[str, float]:
    """Return the minimum time per call of each function in seconds.

    rounds   minimum number of rounds; each function has one turn per round
    seconds  time budget: further rounds follow until it is used up
    turn     duration of a turn, which repeats the call; short turns are more likely to be undisturbed
    clock    function that returns a time; processor time excludes other load on the machine
    """
    least = dict.fromkeys(runs, math.inf)
    for run in runs.values():
        run()  # warm-up, which may compile
    counts = {name: max(1, math.ceil(turn / (_time(run, 1, clock) or turn or 1))) for name, run in runs.items()}
    end, done = perf_counter() + seconds, 0
    while done < rounds or perf_counter() < end:
        for name, run in runs.items():
            run()  # warm-up of the caches
            least[name] = min(least[name], _time(run, counts[name], clock))
        done += 1
    return least


def _time(run: Callable[[], Any], count: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(count):
        run()
    return (clock() - start) / count
