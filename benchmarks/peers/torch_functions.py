"""Operations as functions of PyTorch: of tensors, then parameters in the order of the operation, and its options.

PyTorch's own functions are used where possible.
"""

import importlib
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

torch: Any = importlib.import_module("torch")
functional: Any = torch.nn.functional

SOFTPLUS_THRESHOLD = 40  # for larger x, PyTorch returns x; with its default, 20, the error is 2e-9


class Applied(torch.nn.Module):
    """A function of the inputs and of the module's parameters, some of which may be None."""

    def __init__(self, function: Callable[..., Any], *parameters: Any) -> None:
        torch.nn.Module.__init__(self)
        self.function = function
        for number, parameter in enumerate(parameters):
            self.register_parameter(f"p{number}", parameter)

    def forward(self, *inputs: Any) -> Any:
        """Return the function's result."""
        return self.function(*inputs, *self._parameters.values())


def edges(padding: Sequence[tuple[int, int]]) -> list[int]:
    """Return the padding of all axes in PyTorch's order: left, right, top, bottom, …."""
    ends = list[int]()
    for pair in reversed(padding):
        ends += pair
    return ends


def _convolution(x: Any, w: Any, b: Any, *, flip: bool, padding: Any, **options: Any) -> Any:
    """Slide the kernels, for flip rotated by 180°; the bias is per channel or per output position."""
    around: Any = 0
    if all(before == after for before, after in padding):
        around = [before for before, _ in padding]
    else:
        x = functional.pad(x, edges(padding))
    if flip:
        w = w.flip(2, 3)
    if b is None or b.dim() == 1:
        return functional.conv2d(x, w, b, padding=around, **options)
    return functional.conv2d(x, w, padding=around, **options) + b


def _transposed(x: Any, w: Any, *, size: Any, padding: Any, flip: bool, **options: Any) -> Any:
    """Return the transposed convolution (N, filters, *size), possibly cropped asymmetrically."""
    y = functional.conv_transpose2d(x, w, **options)
    crops = list[tuple[int, int]]()
    for end, have, (before, _) in zip(size, y.shape[2:], padding, strict=True):
        crops.append((-before, end - have + before))
    return functional.pad(y, edges(crops))


def _add_bias(x: Any, b: Any) -> Any:
    """Add a bias per output position or per channel."""
    if b.dim() < x.dim() - 1:
        b = b.reshape(-1, *[1] * (x.dim() - 2))
    return x + b


def _group_norm(x: Any, gamma: Any, beta: Any, *, groups: int, shared: bool, epsilon: float) -> Any:
    """Normalize groups of channels, or with shared parameters the rows (N, rows · F) of a flat sample."""
    if not shared:
        return functional.group_norm(x, groups, gamma, beta, epsilon)
    rows = x.reshape(len(x), -1, len(gamma))
    return functional.layer_norm(rows, gamma.shape, gamma, beta, epsilon).reshape(x.shape)


def _pad(x: Any, *, before: Sequence[int], after: Sequence[int], sign: int = 1) -> Any:
    """Pad every axis of a sample with zeros, or crop it for the sign −1."""
    return functional.pad(x, [sign * end for end in edges([*zip(before, after, strict=True)])])


def _resample(x: Any, *, outputs: tuple[int, int], mode: str, lines: Any = ()) -> Any:
    """Resize images (N, C, H, W), or read them at positions (a·i + b)/c along both axes, given lines (a, b, c)."""
    if mode == "average":
        return functional.adaptive_avg_pool2d(x, outputs)
    if not lines and mode == "bilinear":
        return functional.interpolate(x, outputs, mode=mode, align_corners=False)
    if not lines:
        return functional.interpolate(x, outputs, mode=mode)
    for axis, count, (a, b, c) in zip((2, 3), outputs, lines, strict=True):
        last = x.shape[axis] - 1
        positions = torch.tensor([min(max((a * i + b) / c, 0), last) for i in range(count)], dtype=x.dtype)
        below = positions.long()
        share = 0 * positions
        if mode == "bilinear":
            share = positions - below
        share = share.reshape(-1, *[1] * (3 - axis))
        lower = x.index_select(axis, below)
        upper = x.index_select(axis, (below + 1).clamp(max=last))
        x = lower * (1 - share) + upper * share
    return x


def padded_mean(x: Any, *, window: Any, stride: Any, padding: Any, divisor: str) -> Any:
    """Average windows with asymmetric padding, or with wider padding than PyTorch supports."""
    options: Any = {"kernel_size": window, "stride": stride, "divisor_override": 1}
    ones = torch.ones_like(x[:1, :1])
    sums = functional.avg_pool2d(functional.pad(x, edges(padding)), **options)
    cells = functional.avg_pool2d(functional.pad(ones, edges(padding)), **options)
    return sums / {"one": 1, "window": math.prod(window)}.get(divisor, cells)


def _shrink(x: Any, *, threshold: float, bias: float) -> Any:
    return torch.where(x > threshold, x - bias, torch.where(x < -threshold, x + bias, 0 * x))


def _hard_sigmoid(x: Any) -> Any:
    """Return PyTorch's function in float32; in float64, its gradient rounds 1/6 to float32, an error of 3e-8."""
    if x.dtype == torch.float32:
        return functional.hardsigmoid(x)
    return functional.relu6(x + 3) / 6


def _concatenate(*parts: Any, axis: int) -> Any:
    return torch.cat(parts, axis + 1)


def _broadcast(x: Any, *, shape: Sequence[int]) -> Any:
    return x.expand(-1, *shape)


def _gather(x: Any, i: Any) -> Any:
    return x[:, torch.where((i > 0) & (i < x.shape[1]), i, 0).long()]


def _permute(x: Any, *, axes: Sequence[int]) -> Any:
    return x.permute(0, *(axis + 1 for axis in axes)).contiguous()


def _heaviside(x: Any) -> Any:
    return (x > 0).to(x.dtype) + 0 * x


def _fake_quantize(x: Any, *, scale: float, zero: float, low: float, high: float) -> Any:
    return scale * ((torch.round(x / scale) + zero).clamp(low, high) - zero)


def _rescaling(x: Any, *, scale: float, shift: float) -> Any:
    return scale * x + shift


def _thresholded_relu(x: Any, *, threshold: float) -> Any:
    return torch.where(x <= threshold, 0 * x, x)


def _selu(x: Any, *, alpha: float, gamma: float) -> Any:
    return gamma * torch.where(x > 0, x, alpha * torch.expm1(x))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add_bias": _add_bias,
    "broadcast": _broadcast,
    "concatenate": _concatenate,
    "crop": partial(_pad, sign=-1),
    "cross_correlate": _convolution,
    "cross_correlate_dx": _transposed,
    "dense": functional.linear,
    "fake_quantize": _fake_quantize,
    "gather": _gather,
    "group_norm": _group_norm,
    "hard_sigmoid": _hard_sigmoid,
    "heaviside": _heaviside,
    "local_response_norm": functional.local_response_norm,
    "pad": _pad,
    "permute": _permute,
    "rescaling": _rescaling,
    "resample": _resample,
    "selu": _selu,
    "shrink": _shrink,
    "softplus": partial(functional.softplus, threshold=SOFTPLUS_THRESHOLD),
    "thresholded_relu": _thresholded_relu,
}
