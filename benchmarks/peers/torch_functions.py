"""PyTorch's functions for operations that have no module with the same options."""

from collections.abc import Callable
from typing import Any

from benchmarks.peers.torch_modules import Merged, torch

Compute = Callable[..., Any]


def _heaviside(x: Any) -> Any:
    return (x > 0).to(x.dtype) + 0 * x


def _fake_quantize(x: Any, scale: float, zero: float, low: float, high: float) -> Any:
    return scale * ((torch.round(x / scale) + zero).clamp(low, high) - zero)


def _rescaling(x: Any, scale: float, shift: float) -> Any:
    return scale * x + shift


def _thresholded_relu(x: Any, threshold: float) -> Any:
    return torch.where(x <= threshold, 0 * x, x)


def _shrink(x: Any, threshold: float, bias: float) -> Any:
    return torch.where(x > threshold, x - bias, torch.where(x < -threshold, x + bias, 0 * x))


def _selu(x: Any, alpha: float, gamma: float) -> Any:
    return gamma * torch.where(x > 0, x, alpha * torch.expm1(x))


FUNCTIONS: dict[str, Compute] = {
    "fake_quantize": _fake_quantize,
    "heaviside": _heaviside,
    "rescaling": _rescaling,
    "selu": _selu,
    "shrink": _shrink,
    "thresholded_relu": _thresholded_relu,
}


def apply(name: str, weights: dict[str, Any], options: dict[str, Any]) -> Any:
    """Return a module that applies a function in `FUNCTIONS` to one tensor and the module's weights."""

    def compute(x: Any) -> Any:
        return FUNCTIONS[name](x, **weights, **options)

    module = Merged(compute)
    module.weights = torch.nn.ParameterDict(weights)
    return module


def resampled(outputs: tuple[int, int], mode: str, lines: Any) -> Any:
    """Return a module that reads an image (N, C, H, W) at positions (a·i + b)/c along both axes."""

    def compute(x: Any) -> Any:
        for axis, count, (a, b, c) in zip((2, 3), outputs, lines, strict=True):
            last = x.shape[axis] - 1
            positions = [min(max((a * i + b) / c, 0), last) for i in range(count)]
            below = torch.tensor([int(position) for position in positions])
            share = torch.tensor(positions, dtype=x.dtype) - below
            share = (share if mode == "bilinear" else 0 * share).reshape(-1, *[1] * (3 - axis))
            lower, upper = (x.index_select(axis, index) for index in (below, (below + 1).clamp(max=last)))
            x = lower * (1 - share) + upper * share
        return x

    return Merged(compute)
