"""The default networks of the benchmarks."""

import pytest

from benchmarks import imported_networks, steps
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


@pytest.mark.parametrize(
    ("name", "parameters", "features"),
    [
        ("mobilenet-v2", 3_504_872, 1280),
        ("mobilenet-v3-small", 2_542_856, 1024),
        ("efficientnet-b0", 5_288_548, 1280),
        ("squeezenet", 1_235_496, 512),
        ("resnet-18", 11_689_512, 512),
        ("shufflenet-v2", 2_278_604, 1024),
    ],
)
def test_imported_networks_have_the_size_of_those_in_torchvision(name: str, parameters: int, features: int) -> None:
    """torchvision lists the numbers of parameters for 1000 classes."""
    fewer = 1000 - imported_networks.CLASSES
    assert imported_networks.build(name).parameters.size == parameters - fewer * (features + 1)
