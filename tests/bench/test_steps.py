"""Rows of training steps: a peer with different results is not timed, and a note says so."""

from benchmarks import steps, subjects
from benchmarks.processes import WorkerError
from benchmarks.steps import Setting

SUBJECT = subjects.find("mlp")


class Asked:
    """A process with given answers."""

    def __init__(self, difference=0.0, error=None):
        self.difference, self.error = difference, error

    def ask(self, what, **words):
        if self.error:
            raise WorkerError(self.error)
        return {"difference": self.difference}


def test_only_those_who_compute_the_same():
    processes = {"a": Asked(), "b": Asked(0.3), "c": Asked(error="no compiler"), "d": Asked(float("nan"))}
    actual, reasons = steps.ready("train", SUBJECT, 2, processes, Setting(1))
    assert list(actual) == ["a"]
    assert reasons["b"] == "results differ: relative difference 0.3"
    assert reasons["c"] == "no compiler"
    assert "nan" in reasons["d"]
