"""The four networks of the MLPerf Tiny benchmark, with random weights, as TensorFlow Lite graphs.

Batch normalization is part of the convolutions.
"""

from collections.abc import Callable
from itertools import pairwise

from interop.tflite_files import Writer

RELU = {"FusedActivationFunction": 1}
Build = Callable[[Writer], int]


def _conv(
    net: Writer, x: int, sizes: tuple[int, ...], stride: int = 1, code: str = "CONV_2D", relu: bool = True
) -> int:
    """Add a convolution with a kernel of these sizes, (filters, height, width, channels) or (1, …) if depthwise."""
    biases = net.weights(sizes[0] * sizes[-1] if code[0] == "D" else sizes[0]) / 5
    options = {"StrideH": stride, "StrideW": stride, **(RELU if relu else {})} | (
        {"DepthMultiplier": 1} if code[0] == "D" else {}
    )
    return net.add(code, x, net.weights(*sizes), biases, **options)


def _separable(net: Writer, x: int, channels: int, filters: int, stride: int = 1) -> int:
    y = _conv(net, x, (1, 3, 3, channels), stride, "DEPTHWISE_CONV_2D")
    return _conv(net, y, (filters, 1, 1, channels))


def _head(net: Writer, x: int, size: tuple[int, int], channels: int, classes: int) -> int:
    """Add the mean of every channel, a dense layer and a softmax."""
    windows = {"FilterHeight": size[0], "FilterWidth": size[1], "StrideH": size[0], "StrideW": size[1]}
    y = net.add("RESHAPE", net.add("AVERAGE_POOL_2D", x, Padding=1, **windows), [1, channels])
    y = net.add("FULLY_CONNECTED", y, net.weights(classes, channels), net.weights(classes))
    return net.add("SOFTMAX", y, Beta=1.0)


def keyword_spotting(net: Writer) -> int:
    """Return the depthwise separable network for spectrograms of 49×10."""
    x = _conv(net, 0, (64, 10, 4, 1), 2)
    for _ in range(4):
        x = _separable(net, x, 64, 64)
    return _head(net, x, (25, 5), 64, 12)


def visual_wake_words(net: Writer) -> int:
    """Return MobileNetV1 with a quarter of the channels, for images of 96×96."""
    x, channels = _conv(net, 0, (8, 3, 3, 3), 2), (8, 16, 32, 32, 64, 64, *[128] * 6, 256, 256)
    for stride, pair in zip((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1), pairwise(channels), strict=True):
        x = _separable(net, x, *pair, stride)
    return _head(net, x, (3, 3), 256, 2)


def image_classification(net: Writer) -> int:
    """Return ResNet-8 for CIFAR-10."""
    x, channels = _conv(net, 0, (16, 3, 3, 3)), 16
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = _conv(net, x, (filters, 3, 3, channels), stride)
        y = _conv(net, y, (filters, 3, 3, filters), relu=False)
        x = x if stride == 1 else _conv(net, x, (filters, 1, 1, channels), stride, relu=False)
        x, channels = net.add("ADD", x, y, **RELU), filters
    return _head(net, x, (8, 8), 64, 10)


def anomaly_detection(net: Writer) -> int:
    """Return the autoencoder of dense layers for spectrograms of 640 values."""
    x, units = 0, (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    for number, (before, after) in enumerate(pairwise(units)):
        options = RELU if number < 9 else {}
        x = net.add("FULLY_CONNECTED", x, net.weights(after, before), net.weights(after) / 5, **options)
    return x


NETWORKS: dict[tuple[int, ...], Build] = {
    (49, 10, 1): keyword_spotting,
    (96, 96, 3): visual_wake_words,
    (32, 32, 3): image_classification,
    (640,): anomaly_detection,
}
