"""Random branching networks, drawn from a seed: stages of blocks with the same form."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from chainrule.layers import (
    Add,
    AveragePool2D,
    BatchNorm2D,
    Concatenate,
    Conv2D,
    Layer,
    MaxPool2D,
    Multiply,
    Node,
    ReLU,
    Sigmoid,
    SiLU,
)

WIDTHS = (8, 12, 16, 16, 24, 32, 32, 48, 64)
ACTIVATIONS = (ReLU, ReLU, ReLU, SiLU)
MIN_ROWS = 6  # smallest number of rows that another stage may halve


def unit(
    x: Node,
    filters: int,
    kernel: int | tuple[int, int] = 1,
    stride: int = 1,
    groups: int = 1,
    *,
    normalized: bool = True,
) -> Node:
    """Apply a convolution, and batch normalization if the network is normalized."""
    layer = Conv2D(filters, kernel, stride=stride, padding="same", groups=groups, bias=not normalized)
    return BatchNorm2D()(layer(x)) if normalized else layer(x)


@dataclass(frozen=True)
class Style:
    """Properties shared by all blocks of a network: kernel size, activation, and whether they are normalized."""

    kernel: int
    activation: type[Layer]
    normalized: bool

    def unit(self, x: Node, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> Node:
        """Apply `unit` in this style."""
        return unit(x, filters, kernel, stride, groups, normalized=self.normalized)

    def active(self, x: Node, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> Node:
        """Apply `unit` and the activation."""
        return self.activation()(self.unit(x, filters, kernel, stride, groups))


def residual(style: Style, x: Node, filters: int, stride: int, gate: Callable[[Node], Node] = lambda y: y) -> Node:
    """Add two convolutions to their input (ResNet, He et al. 2015)."""
    y = gate(style.unit(style.active(x, filters, style.kernel, stride), filters, style.kernel))
    return style.activation()(Add()(y, x if x.shape == y.shape else style.unit(x, filters, 1, stride)))


def _gate(y: Node) -> Node:
    """Scale the channels by a function of their means (squeeze and excitation, Hu et al. 2017)."""
    means = AveragePool2D(y.shape[1:])(y)
    filters = y.shape[0]
    return Multiply()(y, Sigmoid()(Conv2D(filters, 1)(ReLU()(Conv2D(max(filters // 4, 4), 1)(means)))))


def inverted(style: Style, x: Node, filters: int, stride: int) -> Node:
    """Expand the channels, apply a depthwise convolution, and project to fewer (MobileNetV2, Sandler et al. 2018)."""
    wide = 4 * x.shape[0]
    y = style.unit(style.active(style.active(x, wide, 1), wide, 3, stride, wide), filters, 1)
    return Add()(y, x) if x.shape == y.shape else y


def parallel(style: Style, x: Node, filters: int, stride: int) -> Node:
    """Concatenate kernels of two sizes (Inception, Szegedy et al. 2014; SqueezeNet, Iandola et al. 2016)."""
    x = style.active(MaxPool2D(2)(x) if stride == 2 else x, filters // 2, 1)
    return Concatenate()(style.active(x, filters // 2, 1), style.active(x, filters // 2, max(style.kernel, 3)))


def dense(style: Style, x: Node, filters: int, stride: int) -> Node:
    """Concatenate new channels with all previous ones (DenseNet, Huang et al. 2016)."""
    x = AveragePool2D(2)(style.active(x, filters, 1)) if stride == 2 else x
    return Concatenate()(x, style.active(x, filters // 2, 3))


Block = Callable[[Style, Node, int, int], Node]  # (style, x, filters, stride) → y
FORMS: tuple[Block, ...] = (residual, partial(residual, gate=_gate), inverted, parallel, dense)


def features(form: Block, generator: np.random.Generator, x: Node) -> Node:
    """Draw the feature maps: a convolution, then stages of one or two blocks, halving the size between stages."""
    style = Style(
        int(generator.choice((3, 3, 3, 5))), ACTIVATIONS[generator.integers(len(ACTIVATIONS))], generator.random() < 0.7
    )
    width = int(generator.choice(WIDTHS))
    stages = int(generator.integers(2, 5))
    y = style.active(x, width, 3, stride=2 if x.shape[1] >= 48 else 1)
    for stage in range(stages):
        if stage and y.shape[1] < MIN_ROWS:
            break
        for block in range(int(generator.integers(1, 3))):
            y = form(style, y, width, 2 if stage and not block else 1)
        width = min(2 * width, 256) if generator.random() < 0.7 else width
    return y
