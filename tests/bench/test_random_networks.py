"""Networks drawn for benchmarks: reproducible, bounded, varied; and the statistics of their rows."""

import math

import pytest

from benchmarks import random_networks
from benchmarks.steps import Row
from chainrule.layers import Conv2D


def test_a_seed_draws_the_same_networks_whatever_the_count():
    few, many = random_networks.networks(3, 4), random_networks.networks(5, 4)
    assert [one.to_config() for one in few[:3]] == [one.to_config() for one in many[:3]]
    assert few[3].to_config() == many[5].to_config()  # the first that branches
    assert few[0].about != random_networks.networks(1, 5)[0].about


@pytest.mark.thorough
def test_networks_keep_to_their_bounds_and_differ():
    met, texts = set(), set()
    found = random_networks.networks(60)
    for subject in found:
        model = subject.build("numpy", 1)
        assert model.parameters.size <= random_networks.MAX_PARAMETERS
        met |= {type(layer).__name__ for layer in model.layers}
        for layer in model.layers:
            if isinstance(layer, Conv2D):
                met |= {f"stride {layer.stride}", f"groups {min(layer.groups, 3)}", f"dilation {layer.dilation}"}
        texts.add(random_networks.describe(model.layers, model.input_shape))
    assert len(texts) == len(found) == 80
    assert sum(not subject.build("numpy", 1).wiring.is_chain for subject in found) == 20
    assert met >= {"BatchNorm2D", "Dropout", "GELU", "Tanh", "LeakyReLU", "GlobalAveragePool2D", "Flatten"}
    assert met >= {"Add", "Concatenate", "Multiply", "SiLU"}
    assert met >= {"stride 2", "groups 2", "groups 3", "dilation 2"}


def row(model, batch, peer, ratio, kind="train"):
    return Row("drawn", model, batch, peer, 1.0, ratio, None, {"kind": kind, "network": "", "threads": 1})


def test_means_are_against_the_quickest_form_of_a_library():
    rows = [
        row("a", 1, "torch", 4.0),
        row("a", 1, "torch-channels-last", 2.0),
        row("b", 1, "torch", 0.5),
        row("b", 1, "torch-channels-last", 3.0),
        row("a", 1, "onnxruntime", 0.25, "infer"),
    ]
    worst = random_networks.ratios_to_fastest(rows)
    assert [(one.model, one.peer, one.ratio) for one in worst] == [
        ("a", "onnxruntime", 0.25),
        ("b", "torch", 0.5),
        ("a", "torch-channels-last", 2.0),
    ]
    lines = random_networks.geometric_means(rows)
    assert f"{math.sqrt(0.5 * 2.0):.2f}×" in lines[1]
    assert "below 1×: 1" in lines[1]
    assert "ONNX Runtime" in lines[0]
