"""Everyone in turn, several times, so that what else the machine does meanwhile falls on all alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chainrule.bench.processes import Process
from chainrule.training.progress import REFRESH

TURN = REFRESH  # seconds: how often the progress bar is drawn, so that a turn of ours has its share of that
SETTLE = 0.01  # seconds before a turn: threads of the one before that wait for more work give up by then


@dataclass(frozen=True)
class Timing:
    """Seconds a repetition took in each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half of the middle half, as a share of the median."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / 2 / self.median


def timed(
    processes: Mapping[str, Process], rounds: int, turned: Callable[[], None] = lambda: None, turn: float = TURN
) -> dict[str, Timing]:
    """Time loaded contenders for some rounds, each beginning with another; `turned` is called after each turn."""
    repetitions = {name: process.ask("calibrate", seconds=turn)["repetitions"] for name, process in processes.items()}
    found: dict[str, list[float]] = {name: [] for name in processes}
    order = list(processes)
    for number in range(rounds):
        first = number % len(order)
        for name in order[first:] + order[:first]:
            time.sleep(SETTLE)
            found[name].append(processes[name].ask("run", repetitions=repetitions[name])["seconds"])
            turned()
    return {name: Timing(tuple(seconds)) for name, seconds in found.items()}
