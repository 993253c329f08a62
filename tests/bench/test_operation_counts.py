"""Multiply-adds, counted by hand."""

from benchmarks import operation_counts
from chainrule import layers, zoo
from chainrule.network.network import Network


def test_numpy_cnn() -> None:
    network = zoo.find("numpy-cnn").build(engine="numpy")
    conv1, conv2 = 8 * 24 * 24 * 25, 8 * 20 * 20 * 8 * 25
    dense = 800 * 128 + 128 * 10
    assert operation_counts.of_plan(network.plan()) == conv1 + conv2 + dense
    # backward: of the images no gradient is needed, of everything else two products a layer
    assert operation_counts.of_plan(network.plan("categorical_cross_entropy")) == 2 * conv1 + 3 * (conv2 + dense)


def test_transposed_and_grouped() -> None:
    parts = [layers.ConvTranspose2D(6, 3, stride=2, groups=2), layers.Conv2D(4, (2, 3), groups=2)]
    network = Network(parts, (4, 5, 7), engine="numpy")
    spread = 4 * 5 * 7 * 3 * 9  # every input cell meets 6/2 kernels of 9 taps
    conv = 4 * 10 * 13 * 3 * 6  # an 11×15 picture; every output cell has 6/2 channels of 6 taps
    assert network.shapes == [(6, 11, 15), (4, 10, 13)]
    assert operation_counts.of_plan(network.plan()) == spread + conv
