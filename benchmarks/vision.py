"""Well-known networks for 224×224 images, built from this library's layers, as subjects of inference."""

from collections.abc import Callable

from chainrule.layers import (
    Add,
    BatchNorm2D,
    Clip,
    Concatenate,
    Conv2D,
    Dense,
    GlobalAveragePool2D,
    Input,
    MaxPool2D,
    Node,
    ReLU,
    Softmax,
)
from chainrule.models.model import Graph

SHAPE, CLASSES = (3, 224, 224), 1000


def _squeezenet(x: Node) -> Node:
    """Return the logits of SqueezeNet 1.1 (Iandola et al. 2016)."""

    def fire(x: Node, squeezed: int, expanded: int) -> Node:
        x = ReLU()(Conv2D(squeezed, 1)(x))
        return Concatenate()(ReLU()(Conv2D(expanded, 1)(x)), ReLU()(Conv2D(expanded, 3, padding="same")(x)))

    y = ReLU()(Conv2D(64, 3, stride=2)(x))
    for sizes in (((16, 64), (16, 64)), ((32, 128), (32, 128)), ((48, 192), (48, 192), (64, 256), (64, 256))):
        y = MaxPool2D(3, stride=2, ceil_mode=True)(y)
        for size in sizes:
            y = fire(y, *size)
    return GlobalAveragePool2D()(ReLU()(Conv2D(CLASSES, 1)(y)))


def _resnet_18(x: Node) -> Node:
    """Return the logits of ResNet-18 (He et al. 2015)."""

    def unit(x: Node, filters: int, kernel: int, stride: int = 1) -> Node:
        return BatchNorm2D()(Conv2D(filters, kernel, stride=stride, padding=kernel // 2, bias=False)(x))

    def block(x: Node, filters: int, stride: int) -> Node:
        y = unit(ReLU()(unit(x, filters, 3, stride)), filters, 3)
        return ReLU()(Add()(y, x if x.shape == y.shape else unit(x, filters, 1, stride)))

    y = MaxPool2D(3, stride=2, padding=1)(ReLU()(unit(x, 64, 7, 2)))
    for filters in (64, 128, 256, 512):
        y = block(block(y, filters, 1 if filters == 64 else 2), filters, 1)
    return Dense(CLASSES)(GlobalAveragePool2D()(y))


def _mobilenet_v2(x: Node) -> Node:
    """Return the logits of MobileNetV2 (Sandler et al. 2018)."""

    def unit(x: Node, filters: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> Node:
        padding = kernel // 2
        return BatchNorm2D()(Conv2D(filters, kernel, stride=stride, padding=padding, groups=groups, bias=False)(x))

    def block(x: Node, wider: int, filters: int, stride: int) -> Node:
        channels = wider * x.shape[0]
        y = x if wider == 1 else Clip(0, 6)(unit(x, channels))
        y = unit(Clip(0, 6)(unit(y, channels, 3, stride, channels)), filters)
        return Add()(y, x) if x.shape == y.shape else y

    y = Clip(0, 6)(unit(x, 32, 3, 2))
    stages = (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)
    for wider, filters, count, stride in stages:
        for number in range(count):
            y = block(y, wider, filters, stride if number == 0 else 1)
    return Dense(CLASSES)(GlobalAveragePool2D()(Clip(0, 6)(unit(y, 1280))))


NETWORKS: dict[str, Callable[[Node], Node]] = {
    "squeezenet": _squeezenet,
    "resnet-18": _resnet_18,
    "mobilenet-v2": _mobilenet_v2,
}


def build(name: str) -> Graph:
    """Return a network of `NETWORKS` with random weights."""
    x = Input(SHAPE)
    return Graph(x, Softmax()(NETWORKS[name](x)), name=name, engine="numpy")
