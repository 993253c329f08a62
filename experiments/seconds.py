"""Seconds from the start of a process until it prints its test accuracy on MNIST."""

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
NETWORKS = (("fast-mnist", 0.99), ("mnist-995", 0.995), ("mnist-997", 0.997))  # networks and their target accuracies


@dataclass(frozen=True)
class Race:
    """A network trained with several seeds, each in a separate process.

    must        target test accuracy, from 0 to 1
    accuracies  test accuracies, averaged over views if the recipe has views
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
        """Median time in seconds, unaffected if the first process compiles programs."""
        return statistics.median(self.seconds)


def races(seeds: int, options: Sequence[str] = ()) -> Iterator[Race]:
    """Train the networks with seeds 0, 1, …; `options` are additional options of `chainrule train`.

    Errors   RunError with the output of a training that fails
    """
    for network, target in NETWORKS:
        results = [_train(("--model", network, "--seed", str(seed), *options)) for seed in range(seeds)]
        accuracies, seconds = zip(*results, strict=True)
        yield Race(network, target, accuracies, seconds)


def _train(options: Sequence[str]) -> tuple[float, float]:
    """Return the test accuracy of `chainrule train`, and the time until it was printed, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "chainrule", "train", *options, "--out", str(Path(folder, "run")), "--quiet"]
        start, lines, results = perf_counter(), list[str](), dict[str, tuple[float, float]]()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            for line in process.stdout or ():
                lines.append(line)
                if match := ACCURACY.match(line):
                    results[match[1]] = float(match[2]) / 100, perf_counter() - start
    if process.returncode or not results:
        raise RunError(f"chainrule train {' '.join(options)} failed: {''.join(lines).strip()}")
    return results.get("accuracy over views") or results["test accuracy"]
