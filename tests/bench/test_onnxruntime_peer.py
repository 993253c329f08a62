"""Sessions of ONNX Runtime: they compute the same results."""

import numpy as np
import pytest
from training.networks import NETWORKS, batch, build

from benchmarks.peers import onnxruntime as peer


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer(name: str) -> None:
    network = build(name, "reference", dtype="float32")
    x, _ = batch(name, 3, "float32")
    session = peer.session(network, 1)
    assert session.get_session_options().intra_op_num_threads == 1
    np.testing.assert_allclose(session.run(None, {"x": x})[0], network.apply(x), rtol=2e-5, atol=2e-6)
