"""Exported networks for tests: checked by the package onnx, and run by ONNX Runtime."""

import copy
from typing import Any

import numpy as np
import onnx
from formats.onnx_models import theirs
from networks.comparing import Rounding
from numpy.typing import NDArray

from chainrule.data.normalisation import Normalisation
from chainrule.export.onnx_model import message_of
from chainrule.formats.onnx_messages import serialize
from chainrule.network import Network

Array = NDArray[Any]
SENSITIVE = 10  # allowed difference relative to that of perturbed outputs: sums of thousands of values round more
TOLERANCE = 1e-6  # of float32: Euclidean norm of the difference, relative to that of the outputs of a batch


def exported(network: Network, normalisation: Normalisation | None = None, opset: int | None = None) -> bytes:
    """Return an exported network, of which the package onnx says that it is valid and encoded as it encodes it."""
    content = serialize(message_of(network, normalisation, opset))
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
    one, other = found.astype(np.float64), expected.astype(np.float64)
    return float(np.linalg.norm(one - other) / (np.linalg.norm(other) or 1.0))


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
    """Compare the outputs of ONNX Runtime with ours, or with how far rounding moves these, where that is more."""
    off = difference(theirs(exported(network, opset=opset), x), network.apply(x))
    assert off <= TOLERANCE or off <= SENSITIVE * rounding(network, x), off
