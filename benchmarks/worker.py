"""The process of a contender: reads one JSON request a line, answers with one, and sleeps on the pipe in between."""

import json
import os
import sys
from typing import Any, TextIO

from benchmarks import machine
from benchmarks import peak_memory as memory
from benchmarks.contenders import Contender, Task, make

WARM_UPS = 3


def main() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints must not be taken for an answer
    serve(sys.stdin, answers)


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer every request with its result, or with {"error": why not}."""
    worker = Worker()
    for line in requests:
        request: dict[str, Any] = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": _line(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Worker:
    """What can be asked of a contender."""

    def __init__(self) -> None:
        self._contender: Any = None

    def load(self, task: dict[str, Any]) -> dict[str, Any]:
        """Make the contender for a task, in place of the one before."""
        self._contender = None
        self._contender = make(Task.from_config(task))
        return {}

    def difference(self) -> dict[str, Any]:
        """How far what it computes is from what is expected, as a share."""
        return {"difference": self._ready().difference()}

    def calibrate(self, seconds: float) -> dict[str, Any]:
        """How many repetitions last so long."""
        contender: Contender = self._ready()
        contender.run(1, WARM_UPS)
        count, took = 1, contender.run(1, 0)
        while took < seconds / 4:
            count *= 2 if took > seconds / 64 else 8
            took = contender.run(count, 0)
        return {"repetitions": max(round(count * seconds / took), 1)}

    def run(self, repetitions: int) -> dict[str, Any]:
        """The seconds that a repetition took, on average of so many."""
        contender: Contender = self._ready()
        return {"seconds": contender.run(repetitions, min(WARM_UPS, repetitions)) / repetitions}

    def epoch(self, seed: int) -> dict[str, Any]:
        """The seconds that an epoch took, and the test accuracy after it."""
        seconds, accuracy = self._ready().epoch(seed)
        return {"seconds": seconds, "accuracy": accuracy}

    def memory(self) -> dict[str, Any]:
        """The most memory that this process had at once, in bytes."""
        return {"bytes": memory.peak()}

    def machine(self, threads: int) -> dict[str, Any]:
        """What the processor can do at best, in GFLOP/s."""
        return machine.measured(threads)

    def _ready(self) -> Any:
        if self._contender is None:
            raise RuntimeError("no task was loaded")
        return self._contender


def _line(error: BaseException) -> str:
    """The first line of an error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


if __name__ == "__main__":
    main()
