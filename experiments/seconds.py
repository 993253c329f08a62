"""Seconds from the start of a process until it prints the accuracy that it reached on MNIST."""

import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from chainrule.errors import RunError

ACCURACY = re.compile(r"(test accuracy|accuracy over views) +([0-9.]+) %")  # a line of `chainrule train`
NETWORKS = (("fast-mnist", 0.99), ("mnist-995", 0.995), ("mnist-997", 0.997))  # with the accuracies to be reached


@dataclass(frozen=True)
class Race:
    """A network trained with several seeds, each in a process of its own.

    must        test accuracy to be reached, from 0 to 1
    accuracies  test accuracies; over the recipe's views, where it has views
    seconds     from the start of each process until it printed its accuracy
    """

    network: str
    must: float
    accuracies: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """Mean accuracy of the seeds."""
        return statistics.mean(self.accuracies)

    @property
    def typical(self) -> float:
        """Median of the seconds: the first process may have to compile its programs."""
        return statistics.median(self.seconds)


def races(seeds: int, words: Sequence[str] = ()) -> Iterator[Race]:
    """Train the networks with seeds from 0 on; `words` are further options of `chainrule train`.

    Errors   RunError when a training fails, with what it printed
    """
    for network, must in NETWORKS:
        results = [_trained(("--model", network, "--seed", str(seed), *words)) for seed in range(seeds)]
        accuracies, seconds = zip(*results, strict=True)
        yield Race(network, must, accuracies, seconds)


def _trained(words: Sequence[str]) -> tuple[float, float]:
    """Return the accuracy that `chainrule train` reaches, and the seconds until it prints it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "chainrule", "train", *words, "--out", str(Path(folder, "run")), "--quiet"]
        begun, lines, found = perf_counter(), list[str](), dict[str, tuple[float, float]]()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            for line in process.stdout or ():
                lines.append(line)
                if match := ACCURACY.match(line):
                    found[match[1]] = float(match[2]) / 100, perf_counter() - begun
    if process.returncode or not found:
        raise RunError(f"chainrule train {' '.join(words)} failed: {''.join(lines).strip()}")
    return found.get("accuracy over views") or found["test accuracy"]
