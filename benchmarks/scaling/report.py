"""Measurements with one and two workers, converted to costs and tables."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.scaling.cost import SHARDS, Link, StepCost
from chainrule.errors import OptionError

MACHINES = (2, 8, 64)
EFFICIENT = 0.75  # speedup per machine that counts as efficient
NETWORK = Link(30e-6, 1.1e9)  # assumed network between machines, 10 Gbit/s


def measure(options: Sequence[str], launcher: str = "") -> dict[str, Any]:
    """Return the result of `benchmarks.scaling.worker`, started by a launcher or as a single process."""
    command = [*shlex.split(launcher), sys.executable, "-m", "benchmarks.scaling.worker", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OptionError(f"{shlex.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def require_launcher(launcher: str) -> None:
    """Raise OptionError if the launcher's command does not exist."""
    name = next(iter(shlex.split(launcher)), "")
    if not shutil.which(name):
        raise OptionError(f"--launcher: command {name!r} not found; install an MPI library, which contains mpiexec")


def cost_of(facts: Mapping[str, Any]) -> StepCost:
    """Return the cost of a network's steps, computed from the smallest and the largest batch in one process.

    facts  the network's entry in a result of `measure`
    """
    steps = {int(batch): seconds for batch, seconds in facts["steps"].items()}
    small, large = min(steps), max(steps)
    sample = max(steps[large]["1"] - steps[small]["1"], 0.0) / (large - small)
    shard = max(steps[small][str(SHARDS)] - steps[small]["1"], 0.0) / (SHARDS - 1)
    fixed = max(steps[small]["1"] - sample * small - shard, 0.0)
    return StepCost(sample, shard, fixed, facts["gradient"], facts["exchanges"])


def link_of(messages: Mapping[str, float]) -> Link:
    """Return the link between two workers of this machine."""
    small, large = sorted((int(size), seconds) for size, seconds in messages.items())
    return Link.fitted(small, large)


def measured_rows(alone: Mapping[str, Any], two: Mapping[str, Any]) -> list[list[str]]:
    """Return the table of measured steps in milliseconds, with the cost model's prediction for two workers.

    alone, two  results of `measure` with one process and with two workers
    """
    link = link_of(two["messages"])
    rows = [["network", "batch", "one process", f"{SHARDS} shards", "2 workers", "2 workers, model"]]
    for name, facts in alone["networks"].items():
        cost = cost_of(facts)
        for batch, steps in facts["steps"].items():
            two_workers = two["networks"][name]["steps"][batch][str(SHARDS)]
            seconds = [steps["1"], steps[str(SHARDS)], two_workers, cost.seconds(int(batch), 2, link)]
            rows.append([name, batch, *(f"{1e3 * value:.2f} ms" for value in seconds)])
    return rows


def model_rows(alone: Mapping[str, Any]) -> list[list[str]]:
    """Return a table of batch sizes by network and number of machines.

    Each cell contains the smallest batch size for which the machines are faster than one process, and the smallest one
    for which they are efficient (`EFFICIENT`).
    """
    rows = [["network", *(f"{machines} machines" for machines in MACHINES)]]
    for name, facts in alone["networks"].items():
        cost = cost_of(facts)
        rows.append([name, *(_shown(cost, machines) for machines in MACHINES)])
    return rows


def _shown(cost: StepCost, machines: int) -> str:
    gain = EFFICIENT * machines
    faster, efficient = (cost.pays_from(machines, NETWORK, least) for least in (1.0, gain))
    if faster is None:
        return "never"
    return f"from {faster}; {gain:g} × from {efficient}" if efficient else f"from {faster}"
