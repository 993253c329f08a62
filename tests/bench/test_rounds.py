"""Rounds of measurements: the order rotates; the least time and the median are those of the measured seconds."""

from numerical import assert_close

from benchmarks import rounds
from benchmarks.processes import WorkerError
from benchmarks.rounds import timed
from chainrule.models.profiling import Timing


class Scripted:
    """A process that answers with seconds from a list."""

    def __init__(self, name, seconds, log):
        self.name, self.seconds, self.log = name, list(seconds), log

    def ask(self, what, **words):
        assert what == "run"
        if words["repetitions"] < 7:
            return {"seconds": rounds.TURN_SECONDS / 7}
        assert words["repetitions"] == 7
        if not self.seconds:
            raise WorkerError("no more")
        self.log.append(self.name)
        return {"seconds": self.seconds.pop(0)}


def test_turns():
    log = []
    processes = {name: Scripted(name, [1.0, 1.02, 9.0, 4.0], log) for name in "abc"}
    actual, lost = timed(processes, 4, settle=0)
    assert "".join(log) == "abc" + "bca" + "cab" + "abc"
    assert actual["b"] == Timing((1.0, 1.02, 9.0, 4.0))
    assert actual["b"].least == 1.0
    assert_close(actual["b"].excess, 1.51)  # of the median
    assert lost == {}


def test_further_rounds_until_the_fastest_is_repeated():
    quiet, disturbed = [1.0] * 9, [5.0, 3.0, 2.0, 2.05, 1.0, 1.0, 1.0, 1.0, 1.0]
    actual, _ = timed({"a": Scripted("a", quiet, []), "b": Scripted("b", disturbed, [])}, 2, settle=0)
    assert actual["a"].seconds == (1.0,) * 4  # all have as many rounds
    assert actual["b"].seconds == (5.0, 3.0, 2.0, 2.05)
    never = [2.0**-number for number in range(20)]
    actual, _ = timed({"a": Scripted("a", never, [])}, 2, settle=0)
    assert len(actual["a"].seconds) == rounds.MAX_EXTENSION * 2


def test_who_gives_up_is_named():
    log = []
    actual, lost = timed({"a": Scripted("a", [1.0], log), "b": Scripted("b", [2.0, 2.0, 4.0], log)}, 3, settle=0)
    assert lost == {"a": "no more"}
    assert actual == {"b": Timing((2.0, 2.0, 4.0))}
    assert log == ["a", "b", "b", "b"]
