"""The four networks of the MLPerf Tiny benchmark, with random weights, as TensorFlow Lite graphs."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from interop.tflite_files import Writer

RELU = 1  # ActivationFunctionType


class TfliteBuilder:
    """Adds operators to a TensorFlow Lite graph. Batch normalization is part of the convolutions."""

    def __init__(self, writer: Writer, shape: tuple[int, ...]) -> None:
        self._writer, self._random = writer, np.random.default_rng(7)
        self._shapes: dict[int, tuple[int, ...]] = {0: shape}
        self.x = 0

    def _add(self, code: str, inputs: list[int], shape: tuple[int, ...], **values: Any) -> int:
        result = self._writer.add(code, inputs, (1, *shape), **values)
        self._shapes[result] = shape
        return result

    def _weights(self, shape: tuple[int, ...], products: int, outputs: int) -> list[int]:
        w = self._random.standard_normal(shape) * math.sqrt(2 / products)
        return [self._writer.constant(w), self._writer.constant(self._random.standard_normal(outputs) / 5)]

    def _window(self, x: int, stride: int, channels: int) -> tuple[tuple[int, ...], dict[str, int]]:
        steps = {"Padding": 0, "StrideH": stride, "StrideW": stride, "DilationHFactor": 1, "DilationWFactor": 1}
        return (*(math.ceil(side / stride) for side in self._shapes[x][:2]), channels), steps

    def conv(self, x: int, filters: int, size: tuple[int, int], stride: int = 1, relu: bool = True) -> int:
        channels = self._shapes[x][-1]
        shape, options = self._window(x, stride, filters)
        weights = self._weights((filters, *size, channels), math.prod(size) * channels, filters)
        return self._add("CONV_2D", [x, *weights], shape, FusedActivationFunction=relu, **options)

    def depthwise(self, x: int, stride: int = 1) -> int:
        channels = self._shapes[x][-1]
        shape, options = self._window(x, stride, channels)
        options |= {"FusedActivationFunction": RELU, "DepthMultiplier": 1}
        weights = self._weights((1, 3, 3, channels), 9, channels)
        return self._add("DEPTHWISE_CONV_2D", [x, *weights], shape, **options)

    def dense(self, x: int, units: int, relu: bool) -> int:
        inputs = [x, *self._weights((units, self._shapes[x][0]), self._shapes[x][0], units)]
        return self._add("FULLY_CONNECTED", inputs, (units,), FusedActivationFunction=relu)

    def add(self, x: int, y: int) -> int:
        return self._add("ADD", [x, y], self._shapes[x], FusedActivationFunction=RELU)

    def mean(self, x: int, size: tuple[int, int]) -> int:
        height, width, channels = self._shapes[x]
        options = {"FilterHeight": size[0], "FilterWidth": size[1], "StrideH": size[0], "StrideW": size[1]}
        shape = (height // size[0], width // size[1], channels)
        y = self._add("AVERAGE_POOL_2D", [x], shape, Padding=1, **options)
        flat = self._writer.constant([1, math.prod(shape)])
        return self._add("RESHAPE", [y, flat], (math.prod(shape),))

    def softmax(self, x: int) -> int:
        return self._add("SOFTMAX", [x], self._shapes[x], Beta=1.0)


def keyword_spotting(net: Any) -> Any:
    """Return the depthwise separable network for spectrograms of 49×10."""
    x = net.conv(net.x, 64, (10, 4), 2)
    for _ in range(4):
        x = net.conv(net.depthwise(x), 64, (1, 1))
    return net.softmax(net.dense(net.mean(x, (25, 5)), 12, relu=False))


def visual_wake_words(net: Any) -> Any:
    """Return MobileNetV1 with a quarter of the channels, for images of 96×96."""
    x = net.conv(net.x, 8, (3, 3), 2)
    for filters, stride in zip(
        (16, 32, 32, 64, 64, *[128] * 6, 256, 256), (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1), strict=True
    ):
        x = net.conv(net.depthwise(x, stride), filters, (1, 1))
    return net.softmax(net.dense(net.mean(x, (3, 3)), 2, relu=False))


def image_classification(net: Any) -> Any:
    """Return ResNet-8 for CIFAR-10."""
    x = net.conv(net.x, 16, (3, 3))
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = net.conv(net.conv(x, filters, (3, 3), stride), filters, (3, 3), relu=False)
        x = net.add(x if stride == 1 else net.conv(x, filters, (1, 1), stride, relu=False), y)
    return net.softmax(net.dense(net.mean(x, (8, 8)), 10, relu=False))


def anomaly_detection(net: Any) -> Any:
    """Return the autoencoder of dense layers for spectrograms of 640 values."""
    x = net.x
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = net.dense(x, units, relu=True)
    return net.dense(x, 640, relu=False)


NETWORKS: dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]] = {
    "keyword spotting": ((49, 10, 1), keyword_spotting),
    "visual wake words": ((96, 96, 3), visual_wake_words),
    "image classification": ((32, 32, 3), image_classification),
    "anomaly detection": ((640,), anomaly_detection),
}
