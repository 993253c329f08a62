"""Pooling layers in ceil_mode against PyTorch's own: output and gradient of the input, in float64."""

from typing import Any

import numpy as np
import pytest
from parity.sweeping import EXAMPLES, generator

from chainrule import layers as cr
from chainrule.check.subjects import LayerSubject

torch = pytest.importorskip("torch", reason="PyTorch is not installed (make parity, or pip install torch)")


def drawn(number: int) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    """Draw an image and windows; PyTorch pads both ends of an axis alike, by at most half the window."""
    draw = generator("ceil_mode", number)
    window, stride = (tuple(int(each) for each in draw.integers(1, 5, 2)) for _ in range(2))
    padding = tuple(int(draw.integers(0, size // 2 + 1)) for size in window)
    return draw.normal(size=(2, 3, *draw.integers(4, 9, 2))), {"window": window, "stride": stride, "padding": padding}


@pytest.mark.parametrize("kind", ["max", "average", "average, padding counted"])
def test_ceil_mode(kind: str) -> None:
    counted = "counted" in kind
    for number in range(EXAMPLES):
        x, options = drawn(number)
        sliding = (options["window"], options["stride"], options["padding"])
        if kind == "max":
            layer, module = cr.MaxPool2D(**options, ceil_mode=True), torch.nn.MaxPool2d(*sliding, ceil_mode=True)
        else:
            layer = cr.AveragePool2D(**options, ceil_mode=True, count_padding=counted)
            module = torch.nn.AvgPool2d(*sliding, ceil_mode=True, count_include_pad=counted)
        subject, given = LayerSubject(layer, x.shape[1:], engine="compiled"), torch.from_numpy(x).requires_grad_()
        y = module(given)
        np.testing.assert_allclose(subject.output({"x": x}), y.detach().numpy(), rtol=0, atol=1e-12)
        dy = generator("upstream", number).normal(size=tuple(y.shape))
        (dx,) = torch.autograd.grad(y, given, torch.from_numpy(dy))
        found = subject.gradients({"x": x}, dy)["x"]
        np.testing.assert_allclose(found, dx.numpy(), rtol=0, atol=1e-12)
