"""What a sweep adds to its trials, in seconds of processor time, which other load on the machine hardly changes.

The same training is done by `Model.fit`, in a run folder, and as a trial of `chainrule sweep`; one thread each.
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
    """Seconds of processor time for a training, and of the start of a sweep's processes."""

    fit: float
    run: float
    trial: float
    start: float

    def share(self, trials: int, alone: float) -> float:
        """Return what a sweep of so many trials adds to training otherwise, in so many seconds each, relative to it."""
        return (self.trial + self.start / trials) / alone - 1


def measured(words: Sequence[str], trials: int, rounds: int) -> SweepCost:
    """Return the least times of some rounds; `words` are the options of all trials."""
    found: dict[str, list[float]] = {"fit": [], "run": [], "few": [], "many": []}
    for _ in range(rounds):
        for kind in ("fit", "run"):
            found[kind].append(json.loads(_output([sys.executable, "-m", __name__, kind, str(trials), *words])))
        for kind, count in (("few", trials), ("many", 3 * trials)):
            found[kind].append(_sweep_seconds(words, count))
    least = {kind: min(seconds) for kind, seconds in found.items()}
    trial = (least["many"] - least["few"]) / (2 * trials)
    return SweepCost(least["fit"], least["run"], trial, max(least["few"] - trials * trial, 0.0))


def _sweep_seconds(words: Sequence[str], count: int) -> float:
    """Return the processor time of a sweep and of the processes that it starts."""
    with tempfile.TemporaryDirectory() as folder:
        before = _of_children()
        command = ["sweep", *words, "--grid", GRID, "--seeds", str(count), "--quiet", "--out", f"{folder}/sweep"]
        _output([sys.executable, "-m", "chainrule", *command])
        return _of_children() - before


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise WorkerError(done.stderr.strip()[-300:])
    return done.stdout


def _alone(kind: str, trials: int, words: Sequence[str]) -> float:
    """Return the processor time of a training in this process, without the first, which compiles."""
    from chainrule.cli.sweep import sweep
    from chainrule.cli.sweep_trials import CommandTrial
    from chainrule.runs import running
    from chainrule.runs.sweep_grid import SweepTrial

    given = sweep.make_context("sweep", [*words, "--grid", GRID, "--quiet"]).params
    train = CommandTrial({**given, "threads": 1}, ())
    requests = [train.request(SweepTrial((("augment", "none"),), seed)) for seed in range(trials + 1)]
    training, test = requests[0].load()
    begun = 0.0
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
                begun = time.process_time()
    return (time.process_time() - begun) / trials


if __name__ == "__main__":
    print(_alone(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
