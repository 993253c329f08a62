"""Networks drawn for benchmarks: reproducible, bounded, varied; and the statistics of their rows."""

import math

import pytest

from benchmarks import random_networks
from benchmarks.steps import Row
from chainrule.layers import Conv2D
from chainrule.models.profiling import Timing


@pytest.mark.thorough
def test_networks_are_those_of_their_seed_keep_to_their_bounds_and_differ():
    drawn, kinds = random_networks.networks(60), set[str]()
    assert [subject.to_config() for subject in random_networks.networks(3)[:3]] == [
        subject.to_config() for subject in drawn[:3]
    ]
    for subject in drawn:
        model = subject.build("numpy", 1)
        assert model.parameters.size <= random_networks.MAX_PARAMETERS
        for layer in model.layers:
            kinds.add(type(layer).__name__)
            if isinstance(layer, Conv2D):
                kinds |= {f"stride {layer.stride}", f"groups {min(layer.groups, 3)}", f"dilation {layer.dilation}"}
    assert len({str(subject.to_config()) for subject in drawn}) == len(drawn) == 80
    assert kinds >= {"BatchNorm2D", "Dropout", "GELU", "Tanh", "LeakyReLU", "GlobalAveragePool2D", "Flatten"}
    assert kinds >= {"Add", "Concatenate", "Multiply", "SiLU", "stride 2", "groups 2", "groups 3", "dilation 2"}


def row(model, batch, peer, ratio, kind="train"):
    return Row(kind, model, batch, peer, Timing((1.0,)), Timing((ratio,)))


def test_means_are_against_the_quickest_form_of_a_library():
    rows = [
        row("a", 1, "torch", 4.0),
        row("a", 1, "torch-channels-last", 2.0),
        row("b", 1, "torch", 0.5),
        row("b", 1, "torch-channels-last", 3.0),
        row("a", 1, "onnxruntime", 0.25, "infer"),
    ]
    worst = random_networks.ratios_to_fastest(rows)
    assert [(case.model, case.peer, case.ratio) for case in worst] == [
        ("a", "onnxruntime", 0.25),
        ("b", "torch", 0.5),
        ("a", "torch-channels-last", 2.0),
    ]
    lines = random_networks.geometric_means(rows)
    assert f"{math.sqrt(0.5 * 2.0):.2f}×" in lines[1]
    assert "below 1×: 1" in lines[1]
    assert "ONNX Runtime" in lines[0]
