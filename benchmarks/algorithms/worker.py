"""A single-threaded process that measures the algorithms.

NumPy's matrix product reads the number of threads when it is loaded, so the number is set in the environment of a
separate process.
Requests and answers are JSON, one line per job.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, cast

from benchmarks.algorithms import transforms
from benchmarks.algorithms.layer import Layer
from benchmarks.algorithms.measure import Job, Measurement, measure
from benchmarks.processes import environment
from chainrule.errors import ChainruleError, RunError


class Worker:
    """A measuring process that runs within the context `with Worker() as worker`. It does not receive Ctrl-C."""

    def __enter__(self) -> "Worker":
        """Start the process."""
        command = [sys.executable, "-m", "benchmarks.algorithms.worker"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, env=environment(1), encoding="utf-8", start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, or kill it after an error."""
        if error is not None:
            self._process.kill()
        self._process.communicate()

    def measure(self, job: Job) -> list[Measurement]:
        """Run `measure.measure` in the process."""
        answer = self._ask(asdict(job))
        return [Measurement(**measurement) for measurement in answer]

    def _ask(self, question: dict[str, Any]) -> list[dict[str, Any]]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RunError("the measuring process has no pipes")
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RunError(f"the measuring process ended with exit code {self._process.wait()}; see above")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RunError(answer["error"])
        return answer["found"]


def job_of(question: dict[str, Any]) -> Job:
    """Return a job from JSON values, with lists converted to tuples."""
    layer = {name: _tuples(value) for name, value in question["layer"].items()}
    arguments: dict[str, Any] = {**question, "layer": Layer(**layer)}
    return Job(**arguments)


def _tuples(value: Any) -> Any:
    if not isinstance(value, Sequence):
        return value
    return tuple(_tuples(entry) for entry in cast(Sequence[Any], value))


def serve() -> None:
    """Answer jobs from stdin until the end of the input."""
    for line in sys.stdin:
        try:
            answer = {"found": [asdict(measurement) for measurement in measure(job_of(json.loads(line)))]}
        except (ChainruleError, MemoryError) as error:
            answer = {"error": str(error) or "out of memory"}
        print(json.dumps(answer), flush=True)


def described() -> str:
    """Describe the conditions of the measurement in one line."""
    return f"1 thread each, compiled engine, matrix products of numpy, transforms of {transforms.library()}"


if __name__ == "__main__":
    serve()
