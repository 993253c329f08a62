"""The subjects of a benchmark, by default and as given."""

import pytest

from benchmarks import epochs, steps, suite
from benchmarks.setting import Setting
from chainrule import zoo


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list:
    """Return the arguments that would have been timed."""
    found: list = []
    monkeypatch.setattr(
        epochs, "epochs", lambda pairs, *rest: found.append(([(s.name, b) for s, b in pairs], rest)) or []
    )
    monkeypatch.setattr(steps, "rows", lambda kind, names, *rest: found.append((kind, [s.name for s in names])) or [])
    return found


def run(work: str, **choice) -> None:
    list(suite.WORKS[work](suite.Choice(names=("torch", "torch-channels-last"), **choice), Setting(2)))


def test_predictions_are_timed_for_a_network_of_every_tutorial(asked: list) -> None:
    run("infer")
    ((kind, names),) = asked
    assert kind == "infer"
    sources = {zoo.find(name).source.split(" (")[0] for name in names}
    assert sources > {"The Independent Code", "VanillaCNN", "Introduction to a NumPy CNN", "Zayan", "Venchislaw"}


def test_epochs_are_those_of_two_tutorials_and_of_fast_mnist(asked: list) -> None:
    run("epoch", samples=500)
    (tutorials, (samples, *_)), (fast, (all_of_them, *_)) = asked
    assert tutorials == [(name, batch) for name in ("numpy-cnn", "vanilla-cnn") for batch in (1, 32)]
    assert (fast, samples, all_of_them) == ([("fast-mnist", 256)], 500, 0)
