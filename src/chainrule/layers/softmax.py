"""Softmax over classes or channels, and its logarithm."""

from dataclasses import dataclass
from typing import ClassVar

from chainrule.layers.base import Activation, example
from chainrule.layers.peers import Peer, Peers

__all__ = ["LogSoftmax", "Softmax"]


@dataclass(frozen=True)
class Softmax(Activation):
    """Softmax over the classes of each sample, or over the channels at each position.

    y_k = e^{x_k} / Σ_j e^{x_j},  dx_k = y_k (dy_k − Σ_j dy_j y_j)

    In training, a final softmax layer is joined with the categorical cross-entropy loss: the gradient is ŷ − t.

    Shapes   (K,) → (K,), (C, H, W) → (C, H, W)
    Source   numpy-cnn eq. 33–34; reference/softmax.py
    """

    kind: ClassVar[str] = "softmax"
    keeps: ClassVar[str] = "y"
    peers = Peers(onnx=Peer("Softmax", fixed={"axis": 1}), torch=Peer("Softmax", fixed={"dim": 1}))
    examples = (example((6,)), example())


@dataclass(frozen=True)
class LogSoftmax(Activation):
    """Logarithm of softmax over the classes of each sample, or over the channels at each position.

    y_k = x_k − log Σ_j e^{x_j},  dx_k = dy_k − e^{y_k} Σ_j dy_j

    The softmax of y is the softmax of x. A network that ends with this layer therefore trains with
    softmax_cross_entropy, which computes the negative log-likelihood.

    Shapes   (K,) → (K,), (C, H, W) → (C, H, W)
    Source   reference/softmax.py
    """

    kind: ClassVar[str] = "log_softmax"
    keeps: ClassVar[str] = "y"
    peers = Peers(onnx=Peer("LogSoftmax", fixed={"axis": 1}), torch=Peer("LogSoftmax", fixed={"dim": 1}))
    examples = (example((6,)), example())
