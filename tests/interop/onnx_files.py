"""Exported networks for tests: checked by the package onnx, and run by ONNX Runtime."""

import copy
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import onnx
from interop.onnx_models import theirs
from networks.comparing import Rounding
from numerical import exact
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from chainrule.data.normalization import Normalization
from chainrule.interop.onnx.exporter import message_of
from chainrule.interop.onnx.graph_writer import MIN_OPSET
from chainrule.interop.onnx.messages import MAX_OPSET, serialize
from chainrule.layers import Dense
from chainrule.network.network import Network

Array = NDArray[Any]
TOLERANCE = 1e-6  # of float32: Euclidean norm of the difference, relative to that of the outputs of a batch
SENSITIVE = 3  # allowed error relative to what rounding does to the outputs, where that is more


def exported(network: Network, normalization: Normalization | None = None, opset: int | None = None) -> bytes:
    """Return an exported network, of which the package onnx says that it is valid and encoded as it encodes it."""
    content = serialize(message_of(network, normalization, opset))
    check(content)
    return content


def check(content: bytes) -> Any:
    """Check a file and return its message."""
    message = onnx.ModelProto.FromString(content)
    assert message.SerializeToString() == content
    onnx.checker.check_model(message, full_check=True)
    return message


def difference(found: Array, expected: Array) -> float:
    """Return the Euclidean norm of the difference relative to that of what is expected, or 0 where both are 0."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    first, second = found.astype(np.float64), expected.astype(np.float64)
    return float(np.linalg.norm(first - second) / (np.linalg.norm(second) or 1.0))


def rounding(network: Network, x: Array) -> float:
    """Return how far outputs move when the last digits of the inputs, and of every operation's result, do."""
    expected, moved = network.apply(x), list[float]()
    for seed in (1, 2, 3):
        twin = copy.deepcopy(network)
        twin.engine = Rounding(seed)
        units = np.random.default_rng(seed).integers(-4, 5, x.shape)
        moved.append(difference(twin.apply(x * (1 + np.finfo(x.dtype).eps * units).astype(x.dtype)), expected))
    return max(moved)


def agree(network: Network, x: Array, opset: int | None = None) -> None:
    """Compare the outputs of ONNX Runtime, and ours, with those in float64.

    Both round to float32, so either may be the nearer. They are allowed 1e-6 or, where the network turns rounding of
    its operations' results into more, a small multiple of that.
    """
    expected = exact(network, x)
    for actual in (theirs(exported(network, opset=opset), x), network.apply(x)):
        assert actual.dtype == np.float32
        off = difference(actual.astype(np.float64), expected)
        assert off <= TOLERANCE or off <= SENSITIVE * rounding(network, x), off


@cache
def newest_opset() -> int:
    """Return the newest opset that ONNX Runtime runs."""
    network, x = Network([Dense(1)], (1,), engine="numpy", threads=1), np.ones((1, 1), np.float32)
    for opset in range(MAX_OPSET, MIN_OPSET, -1):
        with suppress(Fail):
            theirs(exported(network, opset=opset), x)
            return opset
    return MIN_OPSET
