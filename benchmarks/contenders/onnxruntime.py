"""ONNX Runtime with default options, except for the number of threads."""

from benchmarks.contenders import Task
from benchmarks.contenders.expected import Predictions
from benchmarks.peers import onnxruntime as peer
from chainrule.engines.protocol import Array


class Inference(Predictions):
    """Timed calls of `session.run`."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._session = peer.session(self._network, task.threads)
        self._feed = {"x": self._x}

    def outputs(self) -> Array:
        """Return the outputs for the batch."""
        return self._session.run(None, self._feed)[0]
