"""The default networks of the benchmarks."""

import pytest

from benchmarks import steps
from benchmarks.setting import Setting
from benchmarks.suite import BENCHMARKS
from chainrule import zoo


def test_predictions_are_timed_for_a_network_of_every_tutorial(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list = []
    monkeypatch.setattr(steps, "rows", lambda kind, networks, *rest: timed.append((kind, networks, *rest)) or [])
    assert list(BENCHMARKS["infer"].rows((), (), ("torch",), Setting(2))) == []
    ((kind, networks, batches, names, _),) = timed
    assert (kind, batches, names) == ("infer", (1, 128), ("torch",))
    sources = {zoo.find(network.name).source.split(" (")[0] for network in networks}
    assert sources > {"The Independent Code", "VanillaCNN", "Introduction to a NumPy CNN", "Zayan", "Venchislaw"}
