"""Who is timed: a class for an engine or peer and a kind of work. Each lives in a process of its own.

A contender is made from a `Task` and then has

    difference()                how far what it computes is from the NumPy engine, as a share
    run(repetitions, warm_ups)  the seconds that so many repetitions took, after some that do not count

or, for whole epochs,

    epoch(seed)                 the seconds that an epoch took, and the test accuracy after it
"""

import importlib
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.subjects import Subject
from chainrule.errors import one_of

OURS = ("numba", "numpy")
TORCH = ("torch", "torch-channels-last", "torch-compile")

PLACES = {
    ("train", "ours"): "ours:Training",
    ("train", "torch"): "torch:Training",
    ("infer", "ours"): "ours:Inference",
    ("infer", "torch"): "torch:Inference",
    ("infer", "onnxruntime"): "onnxruntime:Inference",
    ("epoch", "ours"): "our_epochs:Epochs",
    ("epoch", "torch"): "torch_epochs:Epochs",
}


@dataclass(frozen=True)
class Task:
    """One contender's work.

    work     train, infer or epoch
    who      an engine of ours (numba, numpy), or a peer
    subject  the network; the images of train and infer are made up, those of epoch are MNIST's
    batch    samples a step or call
    samples  images of an epoch; 0: all
    """

    work: str
    who: str
    subject: Subject
    batch: int
    threads: int
    samples: int = 0

    @staticmethod
    def from_config(config: dict[str, Any]) -> "Task":
        """The task that `dataclasses.asdict` wrote."""
        words: dict[str, Any] = {**config, "subject": Subject(**config["subject"])}
        return Task(**words)


class Contender(Protocol):
    """Steps or calls; see above."""

    def difference(self) -> float: ...

    def run(self, repetitions: int, warm_ups: int) -> float: ...


class Epochs(Protocol):
    """Epochs; see above."""

    def epoch(self, seed: int) -> tuple[float, float]: ...


def make(task: Task) -> Any:
    """The contender for a task; what it needs is imported here."""
    family = "ours" if task.who in OURS else "torch" if task.who in TORCH else task.who
    if (task.work, family) not in PLACES:
        raise one_of("contender", f"{task.work} {task.who}", [" ".join(pair) for pair in PLACES])
    module, _, name = PLACES[task.work, family].partition(":")
    return getattr(importlib.import_module(f"benchmarks.contenders.{module}"), name)(task)
