"""Pooling, and resampling to another size."""

import math
from typing import Any

import numpy as np

from chainrule.core.plan import Operation
from chainrule.core.shapes import resampling_weights
from chainrule.interop.onnx.export_graph import GraphResult, GraphWriter, pads
from chainrule.interop.onnx.writers.windows import image, options, result_shape


def max_pool(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return MaxPool, or GlobalMaxPool for one window as large as the image."""
    return _pool(graph, operation, "MaxPool")


def average_pool(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return AveragePool or GlobalAveragePool, times the size of the window for sums."""
    window, divisor = operation.attributes["window"], operation.attributes["divisor"]
    y = _pool(graph, operation, "AveragePool", count_include_pad=int(divisor != "cells"))
    if divisor != "one":
        return y
    return graph.node("Mul", y, graph.constant(graph.number(math.prod(window)), f"{graph.layer}.cells"))


def _pool(graph: GraphWriter, operation: Operation, operator: str, **more: int) -> GraphResult:
    window, padding = operation.attributes["window"], operation.attributes["padding"]
    x = image(graph, operation)
    shape = result_shape(x, operation.writes[0])
    if tuple(window[3 - len(x.shape) :]) == x.shape[1:] and not any(map(sum, padding)):
        return graph.node(f"Global{operator}", x, shape=shape)
    given: dict[str, Any] = options(x, operation, window="kernel_shape", stride="strides")
    given["pads"] = pads(padding[3 - len(x.shape) :])
    graph.keep_pad(x)
    return graph.node(operator, x, shape=shape, **given, **more)


def resample(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Resize, or for means of windows of several sizes, which it lacks, a product for each axis."""
    x, outputs, mode = graph.view(operation.reads[0]), operation.attributes["outputs"], operation.attributes["mode"]
    if mode == "average":
        return _averaged(graph, x, outputs)
    scales = np.array([1, 1, *(many / cells for many, cells in zip(outputs, x.shape[1:], strict=True))], np.float32)
    rule = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    linear = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    name, shape = graph.constant(scales, f"{graph.layer}.scales"), operation.writes[0].shape
    return graph.node("Resize", x, "", name, shape=shape, **(rule if mode == "nearest" else linear))


def _averaged(graph: GraphWriter, x: GraphResult, outputs: tuple[int, ...]) -> GraphResult:
    """Multiply by the weights of the last axis, and exchange the axes: twice."""
    for many in reversed(outputs):
        channels, rows, cells = x.shape
        matrix = np.zeros((cells, many), graph.network.dtype)
        for i in range(many):
            for cell, weight in resampling_weights("average", cells, many, i):
                matrix[cell, i] = weight
        name = graph.constant(matrix, f"{graph.layer}.means")
        x = graph.node("MatMul", x, name, shape=(channels, rows, many))
        x = graph.node("Transpose", x, shape=(channels, many, rows), perm=(0, 1, 3, 2))
    return x


OPERATORS = {"max_pool": max_pool, "average_pool": average_pool, "resample": resample}
