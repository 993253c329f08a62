"""Our networks as ONNX graphs: ONNX Runtime computes the same results."""

import numpy as np
import pytest
from training.networks import NETWORKS, batch, build

from benchmarks.peers import onnxruntime as peer
from chainrule import layers, zoo
from chainrule.errors import OptionError
from chainrule.network import Network


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer(name: str) -> None:
    network = build(name, "reference", dtype="float32")
    x, _ = batch(name, 3, "float32")
    (y,) = peer.session(network, network.plan(), 1).run(None, {"x": x})
    np.testing.assert_allclose(y, network.apply(x), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", zoo.NAMED)
def test_networks_of_the_zoo(name: str) -> None:
    network = zoo.find(name).build(engine="numpy", seed=3)
    x = np.random.default_rng(4).normal(size=(2, *network.input_shape)).astype(np.float32)
    (y,) = peer.session(network, network.plan(), 1).run(None, {"x": x})
    np.testing.assert_allclose(y, network.apply(x), rtol=1e-4, atol=1e-6)


def test_a_graph_has_the_dtype_and_the_names_of_its_network() -> None:
    network = Network([layers.Flatten(), layers.Dense(2)], (1, 2, 3), dtype="float64", engine="numpy")
    graph = peer.model(network, network.plan()).graph
    assert {array.name: array.data_type for array in graph.initializer if "dense" in array.name} == {
        "dense1.w": peer.onnx.TensorProto.DOUBLE,
        "dense1.b": peer.onnx.TensorProto.DOUBLE,
    }


def test_training_plans_are_refused() -> None:
    network = zoo.find("mlp").build(engine="numpy")
    with pytest.raises(OptionError, match="'softmax_cross_entropy' has no translation for ONNX"):
        peer.model(network, network.plan("categorical_cross_entropy"))
