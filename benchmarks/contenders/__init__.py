"""Contenders: a class per engine or peer and kind of work, run in a separate process.

A contender is created from a `Task` and has the methods

    difference()                relative difference from the NumPy engine's results
    run(repetitions, warm_ups)  time of the repetitions in seconds, excluding the warm-ups
"""

import importlib
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.peers import PEERS
from benchmarks.subjects import Subject
from chainrule.errors import unknown_name

OURS = ("compiled", "numpy", "jax")
CLASSES = {"train": "Training", "infer": "Inference"}


@dataclass(frozen=True)
class Task:
    """The work of one contender.

    work     train or infer
    who      one of our engines (compiled, numpy, jax), or a peer
    subject  network, run on synthetic images
    batch    samples per step or call
    """

    work: str
    who: str
    subject: Subject
    batch: int
    threads: int

    @staticmethod
    def from_config(config: dict[str, Any]) -> "Task":
        """Return the task from the result of `dataclasses.asdict`."""
        fields: dict[str, Any] = {**config, "subject": Subject(**config["subject"])}
        return Task(**fields)


class Contender(Protocol):
    """A contender; see the module docstring."""

    def difference(self) -> float: ...

    def run(self, repetitions: int, warm_ups: int) -> float: ...


def make(task: Task) -> Any:
    """Import and create the contender for a task."""
    module = "chainrule_steps" if task.who in OURS else getattr(PEERS[task.who], task.work, "")
    if task.work not in CLASSES or not module:
        raise unknown_name("contender", f"{task.work} {task.who}", [f"{work} {task.who}" for work in CLASSES])
    return getattr(importlib.import_module(f"benchmarks.contenders.{module}"), CLASSES[task.work])(task)
