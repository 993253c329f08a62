"""ONNX Runtime with default options, except for the number of threads."""

import time

from benchmarks.contenders import Task
from benchmarks.contenders.expected import output_difference, prepare
from benchmarks.peers import onnxruntime as peer


class Inference:
    """Timed calls of `session.run`."""

    def __init__(self, task: Task) -> None:
        self._task, self._given = task, prepare(task)
        network = task.subject.build("numpy", 1)
        self._session = peer.session(network, task.threads)
        self._feed = {"x": self._given.x[: task.batch].copy()}

    def difference(self) -> float:
        """Return the relative difference of the outputs from the expected outputs."""
        return output_difference(self._task, self._given, self._session.run(None, self._feed)[0])

    def run(self, repetitions: int, warm_ups: int) -> float:
        """Run the session; return the time of the repetitions in seconds, excluding the warm-ups."""
        call, feed = self._session.run, self._feed
        for _ in range(warm_ups):
            call(None, feed)
        start = time.perf_counter()
        for _ in range(repetitions):
            call(None, feed)
        return time.perf_counter() - start
