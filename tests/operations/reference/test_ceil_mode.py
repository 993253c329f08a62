"""Pooling layers in ceil_mode: worked by hand, and by ONNX Runtime."""

from typing import Any

import numpy as np
import pytest

from chainrule import layers
from chainrule.network.network import Network

FOUR = np.array([[[1.0, 2, 3, 4]]])
LAYERS = {"MaxPool": layers.MaxPool2D, "AveragePool": layers.AveragePool2D}


def applied(layer: layers.Layer, x: np.ndarray, engine: str = "reference") -> np.ndarray:
    return Network([layer], x.shape[1:], dtype=str(x.dtype), engine=engine).apply(x)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.MaxPool1D(3, ceil_mode=True), [3, 4]),
        (layers.MaxPool1D(2, stride=3, ceil_mode=True), [2, 4]),
        (layers.AveragePool1D(3, stride=2, padding=1, ceil_mode=True), [1.5, 3, 4]),
        (layers.AveragePool1D(3, stride=2, padding=1, ceil_mode=True, count_padding=True), [1, 3, 2]),
        (layers.SumPool1D(3, stride=2, padding=1, ceil_mode=True), [3, 9, 4]),
    ],
    ids=lambda value: value.describe() if isinstance(value, layers.Layer) else None,
)
def test_four_cells(layer: layers.Layer, expected: list[float]) -> None:
    np.testing.assert_array_equal(applied(layer, FOUR)[0, 0], expected)


@pytest.mark.parametrize("number", range(60))
@pytest.mark.parametrize("operator", LAYERS)
def test_rounded_up_as_by_onnx_runtime(operator: str, number: int, onnx: Any) -> None:
    draw = np.random.default_rng(number)
    window, stride = (tuple(int(each) for each in draw.integers(1, 5, 2)) for _ in range(2))
    padding = tuple((int(draw.integers(0, size)), int(draw.integers(0, size))) for size in window)
    x = draw.normal(size=(2, 3, *draw.integers(4, 9, 2))).astype(np.float32)
    counted = {"count_padding": bool(draw.integers(2))} if operator == "AveragePool" else {}
    layer = LAYERS[operator](window, stride=stride, padding=padding, ceil_mode=True, **counted)
    options = {"count_include_pad": int(counted["count_padding"])} if counted else {}
    pads = [before for before, _ in padding] + [after for _, after in padding]
    expected = onnx(operator, x, kernel_shape=window, strides=stride, pads=pads, ceil_mode=1, **options)
    np.testing.assert_allclose(applied(layer, x), expected, rtol=1e-5, atol=1e-6)
