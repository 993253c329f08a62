"""Modules missing in PyTorch, for the translation of our networks: asymmetric padding, rotated kernels, untied bias."""

import importlib
import math
from collections.abc import Callable
from typing import Any

from chainrule.core.plan import Operation

torch: Any = importlib.import_module("torch")
nn: Any = torch.nn
functional: Any = torch.nn.functional


class Bias(nn.Module):
    """A module that adds a bias per output position or per channel."""

    def __init__(self, b: Any) -> None:
        nn.Module.__init__(self)
        self.b = b

    def forward(self, x: Any) -> Any:
        """Return x + b."""
        return x + (self.b if self.b.dim() == x.dim() - 1 else self.b.reshape(-1, *(1,) * (x.dim() - 2)))


class TrueConvolution(nn.Conv2d):
    """True convolution: the kernel is rotated by 180°."""

    def forward(self, x: Any) -> Any:
        """Return the cross-correlation with the rotated kernel."""
        return self._conv_forward(x, self.weight.flip(2, 3), self.bias)


class Transposed(nn.Module):
    """Transposed convolution cropped to a size, possibly asymmetrically."""

    def __init__(self, w: Any, options: dict[str, Any], crop: Any, size: tuple[int, int]) -> None:
        nn.Module.__init__(self)
        self.w, self.options, self.crop, self.size = w, options, crop, size

    def forward(self, x: Any) -> Any:
        """Return (N, filters, *size) for x (N, C, H, W)."""
        y = functional.conv_transpose2d(x, self.w, **self.options)
        ends = [size - have + before for size, have, (before, _) in zip(self.size, y.shape[2:], self.crop, strict=True)]
        (top, _), (left, _) = self.crop
        return functional.pad(y, (-left, ends[1], -top, ends[0]))


class Framed(nn.Module):
    """A module that pads every axis of a sample with zeros, or crops it where the padding is negative."""

    def __init__(self, ends: Any, sign: int) -> None:
        nn.Module.__init__(self)
        self.ends = [sign * end for pair in reversed(ends) for end in pair]

    def forward(self, x: Any) -> Any:
        """Return the padded or cropped x."""
        return functional.pad(x, self.ends)


class Permuted(nn.Module):
    """A module that permutes the axes of each sample."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        nn.Module.__init__(self)
        self.axes = [0, *(axis + 1 for axis in axes)]

    def forward(self, x: Any) -> Any:
        """Return x with permuted axes, contiguous in memory."""
        return x.permute(self.axes).contiguous()


class PaddedMean(nn.Module):
    """Average pooling with asymmetric padding, or with wider padding than PyTorch supports."""

    def __init__(self, operation: Operation, size: tuple[int, int], dtype: Any) -> None:
        nn.Module.__init__(self)
        options = operation.attributes
        self.window, self.stride, self.edges = options["window"], options["stride"], edges(options["padding"])
        ones = self._sums(torch.ones(1, 1, *size, dtype=dtype))
        constant = {"one": 1, "window": math.prod(self.window)}.get(options["divisor"])
        self.register_buffer("divisor", ones if constant is None else torch.full_like(ones, constant))

    def _sums(self, x: Any) -> Any:
        padded = functional.pad(x, self.edges)
        return functional.avg_pool2d(padded, self.window, self.stride, divisor_override=1)

    def forward(self, x: Any) -> Any:
        """Return (N, C, H', W') for x (N, C, H, W)."""
        return self._sums(x) / self.divisor


class RowNorm(nn.Module):
    """Layer normalization of the rows of a flat sample."""

    def __init__(self, weight: Any, bias: Any, epsilon: float) -> None:
        nn.Module.__init__(self)
        self.weight, self.bias, self.epsilon = weight, bias, epsilon

    def forward(self, x: Any) -> Any:
        """Return x (N, rows · F) with each row normalized."""
        rows = x.reshape(len(x), -1, len(self.weight))
        return functional.layer_norm(rows, self.weight.shape, self.weight, self.bias, self.epsilon).reshape(x.shape)


class HardSigmoid(nn.Module):
    """Hard sigmoid: PyTorch's function in float32; in float64 its gradient rounds 1/6 to float32, an error of 3e-8."""

    def forward(self, x: Any) -> Any:
        """Return min(max(x + 3, 0), 6) / 6."""
        return nn.functional.hardsigmoid(x) if x.dtype == torch.float32 else nn.functional.relu6(x + 3) / 6


class Merged(nn.Module):
    """A function of several tensors."""

    def __init__(self, function: Callable[..., Any]) -> None:
        nn.Module.__init__(self)
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        """Return the function's result."""
        return self.function(*inputs)


def edges(padding: Any) -> tuple[int, int, int, int]:
    """Return padding in PyTorch's order: left, right, top, bottom."""
    (top, bottom), (left, right) = padding
    return left, right, top, bottom
