"""Overhead of a sweep, measured in CPU time, which is hardly affected by other load on the machine.

The same training runs with `Model.fit`, in a run folder, and as a trial of `chainrule sweep`, each on one thread.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import WorkerError

GRID = "augment=none"  # one combination; the trials differ in their seeds


@dataclass(frozen=True)
class SweepCost:
    """CPU times in seconds.

    fit, run, trial  one training with `Model.fit`, in a run folder, and as a trial of a sweep
    start            start of a sweep and its processes
    """

    fit: float
    run: float
    trial: float
    start: float

    def share(self, trials: int, alone: float) -> float:
        """Return the relative overhead of a sweep of `trials` over separate trainings of `alone` seconds each."""
        return (self.trial + self.start / trials) / alone - 1


def measured(options: Sequence[str], trials: int, rounds: int) -> SweepCost:
    """Return the minimum times over all rounds.

    options  options of `chainrule sweep` for all trainings
    trials   number of trainings per round
    """
    times: dict[str, list[float]] = {"fit": [], "run": [], "few": [], "many": []}
    for _ in range(rounds):
        for kind in ("fit", "run"):
            times[kind].append(json.loads(_output([sys.executable, "-m", __name__, kind, str(trials), *options])))
        for kind, count in (("few", trials), ("many", 3 * trials)):
            times[kind].append(_sweep_seconds(options, count))
    least = {kind: min(seconds) for kind, seconds in times.items()}
    trial = (least["many"] - least["few"]) / (2 * trials)
    return SweepCost(least["fit"], least["run"], trial, max(least["few"] - trials * trial, 0.0))


def _sweep_seconds(options: Sequence[str], count: int) -> float:
    """Return the CPU time of a sweep, including the processes that it starts, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        before = _children_seconds()
        command = ["sweep", *options, "--grid", GRID, "--seeds", str(count), "--quiet", "--out", f"{folder}/sweep"]
        _output([sys.executable, "-m", "chainrule", *command])
        return _children_seconds() - before


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise WorkerError(done.stderr.strip()[-300:])
    return done.stdout


def _training_seconds(kind: str, trials: int, option_words: Sequence[str]) -> float:
    """Return the mean CPU time of a training in this process, after a warm-up run, in seconds."""
    from chainrule.cli.sweep import sweep
    from chainrule.cli.sweep_trials import CommandTrial
    from chainrule.runs import running
    from chainrule.runs.sweep_grid import SweepTrial

    parameters = sweep.make_context("sweep", [*option_words, "--grid", GRID, "--quiet"]).params
    train = CommandTrial({**parameters, "threads": 1}, ())
    requests = [train.request(SweepTrial((("augment", "none"),), seed)) for seed in range(trials + 1)]
    training, test = requests[0].load()
    start = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number, request in enumerate(requests):
            job, model = request.job(training, test, ())
            if kind == "run":
                running.start(Path(folder) / str(number), job, training, test, plots=False)
            else:
                recipe = job.recipe
                options: dict[str, Any] = {"optimizer": recipe.optimizer, "schedule": recipe.schedule}
                options |= {
                    "validation_split": recipe.validation,
                    "normalization": recipe.normalization,
                    "progress": False,
                }
                model.fit(training, epochs=recipe.epochs, batch_size=recipe.batch_size, **options)
                model.evaluate(test)
            if number == 0:
                start = time.process_time()
    return (time.process_time() - start) / trials


if __name__ == "__main__":
    print(_training_seconds(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
