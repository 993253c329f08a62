"""Contenders: a class per engine or peer and kind of work, run in a separate process."""

import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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

    @property
    def clock(self) -> Callable[[], float]:
        """The clock; for one thread, its processor time, which other load on the machine hardly increases."""
        return time.process_time if self.threads == 1 else time.perf_counter


class Contender(ABC):
    """A contender, created for a task."""

    @abstractmethod
    def difference(self) -> float:
        """Return the relative difference from the NumPy engine's results."""

    @abstractmethod
    def run(self, repetitions: int, warm_ups: int) -> float:
        """Return the time of the repetitions in seconds, excluding the warm-ups."""


class Repeated(Contender):
    """A contender that repeats a step, or a call."""

    _task: Task

    @abstractmethod
    def repeat(self, count: int) -> None:
        """Take a number of steps, or repeat the call."""

    def run(self, repetitions: int, warm_ups: int) -> float:
        """Return the time of the repetitions in seconds, excluding the warm-ups."""
        self.repeat(warm_ups)
        start = self._task.clock()
        self.repeat(repetitions)
        return self._task.clock() - start


def make(config: Mapping[str, Any]) -> Contender:
    """Import and create the contender for a task, from the result of `dataclasses.asdict`."""
    fields: dict[str, Any] = {**config, "subject": Subject(**config["subject"])}
    task = Task(**fields)
    module = "chainrule_steps" if task.who in OURS else getattr(PEERS[task.who], task.work, "")
    if task.work not in CLASSES or not module:
        raise unknown_name("contender", f"{task.work} {task.who}", [f"{work} {task.who}" for work in CLASSES])
    return getattr(importlib.import_module(f"benchmarks.contenders.{module}"), CLASSES[task.work])(task)
