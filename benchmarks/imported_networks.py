"""Well-known networks that users import, with random weights and images of a size for processors.

MobileNetV2 (Sandler et al. 2018), MobileNetV3-small (Howard et al. 2019), EfficientNet-B0 (Tan and Le 2019), SqueezeNet
1.1 (Iandola et al. 2016), ResNet-18 (He et al. 2015), DS-CNN (Zhang et al. 2017), ShuffleNetV2 (Ma et al. 2018) and
U-Net (Ronneberger et al. 2015).
"""

from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.random_graphs import Style, residual, unit
from chainrule.layers import (
    Add,
    Clip,
    Concatenate,
    Conv2D,
    Dense,
    GlobalAveragePool2D,
    HardSigmoid,
    HardSwish,
    Input,
    Layer,
    MaxPool2D,
    Multiply,
    Node,
    Permute,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Slice,
    Softmax,
    UpSample2D,
)
from chainrule.models.model import Graph

CLASSES = 100
Activation = Callable[[], Layer]
RELU6: Activation = partial(Clip, 0.0, 6.0)


def separable(x: Node, filters: int, stride: int = 1) -> Node:
    """Apply a depthwise and a 1×1 convolution, each with batch normalization and ReLU."""
    return ReLU()(unit(ReLU()(unit(x, x.shape[0], 3, stride, x.shape[0])), filters))


def classified(x: Node, classes: int = CLASSES) -> Node:
    """Apply global average pooling, a dense layer and softmax."""
    return Softmax()(Dense(classes)(GlobalAveragePool2D()(x)))


def _gated(x: Node, squeezed: int, activation: Activation, gate: Activation) -> Node:
    """Scale the channels by a function of their means."""
    channels = x.shape[0]
    means = Reshape((channels, 1, 1))(GlobalAveragePool2D()(x))
    return Multiply()(x, gate()(Conv2D(channels, 1)(activation()(Conv2D(squeezed, 1)(means)))))


def _inverted(
    x: Node, wide: int, filters: int, kernel: int, stride: int, activation: Activation, squeezed: int, gate: Activation
) -> Node:
    """Apply an inverted residual with `wide` channels; `squeezed`: channels of its gate, 0 for none."""
    y = x if wide == x.shape[0] else activation()(unit(x, wide))
    y = activation()(unit(y, wide, kernel, stride, wide))
    if squeezed:
        y = _gated(y, squeezed, SiLU if activation is SiLU else ReLU, gate)
    y = unit(y, filters)
    return Add()(x, y) if x.shape == y.shape else y


def _inverted_stages(x: Node, activation: Activation, table: Sequence[Sequence[int]], squeezing: float) -> Node:
    """Apply stages of inverted residuals: rows (factor of the channels, filters, count, stride, kernel).

    squeezing  channels of a gate as a fraction of those of the stage; 0 without gates
    """
    y = activation()(unit(x, 32, 3, 2))
    for factor, filters, count, stride, kernel in table:
        for number in range(count):
            wide = factor * y.shape[0]
            squeezed = int(squeezing * y.shape[0])
            y = _inverted(y, wide, filters, kernel, 1 if number else stride, activation, squeezed, Sigmoid)
    return classified(activation()(unit(y, 1280)))


def _mobilenet_v2(x: Node) -> Node:
    table = (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)
    return _inverted_stages(x, RELU6, [(*row, 3) for row in table], 0)


def _efficientnet(x: Node) -> Node:
    table = (
        *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5)),
        *((6, 192, 4, 2, 5), (6, 320, 1, 1, 3)),
    )
    return _inverted_stages(x, SiLU, table, 0.25)


def _mobilenet_v3(x: Node) -> Node:
    y = HardSwish()(unit(x, 16, 3, 2))
    for wide, filters, kernel, stride, squeezed in (
        *((16, 16, 3, 2, 8), (72, 24, 3, 2, 0), (88, 24, 3, 1, 0), (96, 40, 5, 2, 24), (240, 40, 5, 1, 64)),
        *((240, 40, 5, 1, 64), (120, 48, 5, 1, 32), (144, 48, 5, 1, 40), (288, 96, 5, 2, 72), (576, 96, 5, 1, 144)),
        (576, 96, 5, 1, 144),
    ):
        activation: Activation = ReLU if kernel == 3 else HardSwish
        y = _inverted(y, wide, filters, kernel, stride, activation, squeezed, HardSigmoid)
    y = GlobalAveragePool2D()(HardSwish()(unit(y, 576)))
    return Softmax()(Dense(CLASSES)(HardSwish()(Dense(1024)(y))))


def _squeezenet(x: Node) -> Node:
    y = ReLU()(Conv2D(64, 3, stride=2)(x))
    for squeezed, pooled in ((16, 1), (16, 0), (32, 1), (32, 0), (48, 1), (48, 0), (64, 0), (64, 0)):
        y = ReLU()(Conv2D(squeezed, 1)(MaxPool2D(3, stride=2)(y) if pooled else y))
        wide = (ReLU()(Conv2D(4 * squeezed, kernel, padding="same")(y)) for kernel in (1, 3))
        y = Concatenate()(*wide)
    return Softmax()(GlobalAveragePool2D()(ReLU()(Conv2D(CLASSES, 1)(y))))


def _resnet(x: Node) -> Node:
    style = Style(3, ReLU, normalized=True)
    y = MaxPool2D(3, stride=2, padding=1)(style.active(x, 64, 7, 2))
    for filters in (64, 128, 256, 512):
        for number in range(2):
            y = residual(style, y, filters, 2 if filters > 64 and not number else 1)
    return classified(y)


def ds_cnn(x: Node) -> Node:
    """Return the probabilities of 12 keywords for the features of a second of speech."""
    y = ReLU()(unit(x, 64, (10, 4), 2))
    for _ in range(4):
        y = separable(y, 64)
    return classified(y, 12)


def _shuffled(*parts: Node) -> Node:
    """Concatenate two nodes, and interleave their channels."""
    y = Concatenate()(*parts)
    channels, height, width = y.shape
    y = Reshape((2, channels // 2, height * width))(y)
    return Reshape((channels, height, width))(Permute((1, 0, 2))(y))


def _shufflenet(x: Node) -> Node:
    y = MaxPool2D(3, stride=2, padding=1)(ReLU()(unit(x, 24, 3, 2)))
    for filters, count in ((116, 4), (232, 8), (464, 4)):
        half = filters // 2
        for number in range(count):
            stride, channels = (1, half) if number else (2, y.shape[0])
            left, right = (Slice(0, 0, half)(y), Slice(0, half)(y)) if number else (y, y)
            if not number:
                left = ReLU()(unit(unit(left, channels, 3, 2, channels), half))
            right = unit(ReLU()(unit(right, half)), half, 3, stride, half)
            y = _shuffled(left, ReLU()(unit(right, half)))
    return classified(ReLU()(unit(y, 1024)))


def _u_net(x: Node) -> Node:
    def twice(y: Node, filters: int) -> Node:
        return ReLU()(unit(ReLU()(unit(y, filters, 3)), filters, 3))

    levels = [twice(x, 16)]
    for filters in (32, 64, 128):
        levels.append(twice(MaxPool2D(2)(levels[-1]), filters))
    y = levels.pop()
    for level in reversed(levels):
        y = twice(Concatenate()(UpSample2D(2)(y), level), level.shape[0])
    return Sigmoid()(Conv2D(1, 1)(y))


NETWORKS: dict[str, tuple[Callable[[Node], Node], tuple[int, int, int]]] = {
    "mobilenet-v2": (_mobilenet_v2, (3, 96, 96)),
    "mobilenet-v3-small": (_mobilenet_v3, (3, 96, 96)),
    "efficientnet-b0": (_efficientnet, (3, 64, 64)),
    "squeezenet": (_squeezenet, (3, 64, 64)),
    "resnet-18": (_resnet, (3, 64, 64)),
    "ds-cnn": (ds_cnn, (1, 49, 10)),
    "shufflenet-v2": (_shufflenet, (3, 64, 64)),
    "u-net": (_u_net, (3, 64, 64)),
}


def build(name: str) -> Graph:
    """Return a network of `NETWORKS` with initial weights."""
    function, shape = NETWORKS[name]
    x = Input(shape)
    return Graph(x, function(x), name=name, engine="numpy")
