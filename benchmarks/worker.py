"""The program of a contender's process: reads JSON requests and writes JSON answers, one per line."""

import json
import os
import sys
from typing import Any, TextIO

from benchmarks.contenders import Contender, make
from benchmarks.processes import reason_of

WARM_UPS = 3


def main(worker: object) -> None:
    """Answer requests from stdin by the methods of `worker` until the end of the input."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # redirect other output to stderr
    serve(sys.stdin, answers, worker)


def serve(requests: TextIO, answers: TextIO, worker: object) -> None:
    """Answer every request with its result, or with {"error": reason}."""
    for line in requests:
        request: dict[str, Any] = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": reason_of(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Worker:
    """A contender's requests, with a method for each."""

    def __init__(self) -> None:
        self._loaded: Contender | None = None

    def load(self, task: dict[str, Any]) -> dict[str, Any]:
        """Create the contender for a task, replacing the previous one."""
        self._loaded = None
        self._loaded = make(task)
        return {}

    def difference(self) -> dict[str, Any]:
        """Return the relative difference between the contender's results and the expected ones."""
        return {"difference": self._contender.difference()}

    def run(self, repetitions: int) -> dict[str, Any]:
        """Return the mean seconds per repetition."""
        return {"seconds": self._contender.run(repetitions, min(WARM_UPS, repetitions)) / repetitions}

    @property
    def _contender(self) -> Contender:
        if self._loaded is None:
            raise RuntimeError("no task was loaded")
        return self._loaded


if __name__ == "__main__":
    main(Worker())
