"""Classic mistakes in the gradients of kernels, and in transposed convolutions."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.check.diagnoses.convolution import (
    dx_with,
    exchanged_axes,
    geometry_of,
    is_convolution,
    is_depthwise,
    output_with,
    rotated,
    sliding_kernel,
)
from chainrule.check.diagnoses.truth import ByTensor, Candidates, Catalogue, GroundTruth
from chainrule.engines.numpy.convolution import cross_correlate_dw, cross_correlate_dx
from chainrule.engines.protocol import Array


def _dw(t: GroundTruth, x: Array | None = None, dy: Array | None = None, **changes: Any) -> Array:
    """Return dw for another x or dy (None: the layer's), or for other options."""
    options: dict[str, Any] = {**t.attributes, "kernel": geometry_of(t).window, **changes}
    return cross_correlate_dw(t.x if x is None else x, t.dy if dy is None else dy, **options)


def _at_one_position(t: GroundTruth) -> Iterator[Array]:
    """Yield dy set to zero except at the last or first position, for all samples, then for the last sample only."""
    for n in (slice(None), slice(-1, None)):
        for index in (-1, 0):
            dy = np.zeros_like(t.dy)
            dy[n, :, index, index] = t.dy[n, :, index, index]
            yield dy


KERNELS = Catalogue("convolution")


@KERNELS.mistake(
    "kernel-gradient-rotated",
    "is rotated by 180°: the kernel gradient of a cross-correlation is the cross-correlation of x and dy, without "
    "any rotation",
    "w",
)
def _kernel_gradient_rotated(t: GroundTruth) -> Candidates:
    if not is_convolution(t):
        yield rotated(t.gradients["w"])


@KERNELS.mistake(
    "kernel-gradient-not-rotated",
    "is not rotated: forward is a true convolution, so rotate the correlation of x and dy by 180°",
    "w",
)
def _kernel_gradient_not_rotated(t: GroundTruth) -> Candidates:
    if is_convolution(t):
        yield rotated(t.gradients["w"])


@KERNELS.mistake("stride-forgotten", "reads x with stride 1: window (i, j) starts at row s·i and column s·j", "w")
def _stride_forgotten(t: GroundTruth) -> Candidates:
    yield _dw(t, stride=(1, 1))


@KERNELS.mistake("padding-ignored", "reads x without its padding: pad x with zeros as in forward", "w")
def _padding_ignored(t: GroundTruth) -> Candidates:
    yield _dw(
        t, np.pad(t.x, [(0, 0), (0, 0), *((0, sum(ends)) for ends in geometry_of(t).padding)]), padding=((0, 0), (0, 0))
    )


@KERNELS.mistake(
    "dilation-ignored", "is computed with dilation 1: kernel element (u, v) lies at offset (d·u, d·v)", "y", "x", "w"
)
def _dilation_ignored(t: GroundTruth) -> ByTensor:
    yield {"y": output_with(t, dilation=(1, 1)), "x": dx_with(t, dilation=(1, 1)), "w": _dw(t, dilation=(1, 1))}


@KERNELS.mistake("channels-transposed", "has filters and channels swapped: dw has the shape (C_out, C_in, KH, KW)", "w")
def _exchanged_channels(t: GroundTruth) -> list[Array]:
    """Return dw with filters and channels swapped, in the resulting shape and in its original shape."""
    other = t.gradients["w"].transpose(1, 0, 2, 3)
    return [other, other.reshape(t.gradients["w"].shape)]


@KERNELS.mistake(
    "groups-added-up", "adds up the input channels: in a depthwise convolution, a filter reads its own channel", "w"
)
def _groups_added_up(t: GroundTruth) -> Candidates:
    if is_depthwise(t):
        yield _dw(t, np.repeat(t.x.sum(axis=1, keepdims=True), t.x.shape[1], axis=1))


@KERNELS.mistake(
    "last-taps-left-out",
    "leaves out the last row and the last column of the kernel: u runs to KH − 1, and v to KW − 1, inclusive",
    "y",
    "x",
    "w",
)
def _last_taps(t: GroundTruth) -> ByTensor:
    """Yield the results without the last row and the last column of the kernel, if there are several."""
    KH, KW = geometry_of(t).window
    kept = (np.arange(KH) < KH - 1)[:, None] & (np.arange(KW) < KW - 1)
    if kept.any():
        y = output_with(t, t.values["w"] * kept)
        dx = dx_with(t, sliding_kernel(t) * kept)
        yield {"y": y, "x": dx, "w": t.gradients["w"] * kept}


@KERNELS.mistake("kernel-axes-transposed", "has rows and columns swapped: dw[u, v], not dw[v, u]", "w")
def _kernel_axes_transposed(t: GroundTruth) -> Candidates:
    yield t.gradients["w"].swapaxes(2, 3)
    yield from exchanged_axes(t.gradients["w"])


@KERNELS.mistake("positions-not-summed", "includes one output position only: sum over all positions (i, j)", "w")
def _positions_not_summed(t: GroundTruth) -> Candidates:
    for dy in _at_one_position(t):
        yield _dw(t, dy=dy)


def _transposed_output(t: GroundTruth, w: Array, bias: bool = True) -> Array:
    return cross_correlate_dx(t.x, w, **t.attributes) + (t.values["b"][:, None, None] if bias else 0.0)


TRANSPOSED = Catalogue("convolution")


@TRANSPOSED.mistake(
    "kernel-rotated", "uses the kernel rotated by 180°: x[i, j] adds x[i, j]·K[u, v] at (s·i + u, s·j + v)", "y"
)
def _transposed_kernel_rotated(t: GroundTruth) -> Candidates:
    yield _transposed_output(t, rotated(t.values["w"]))


@TRANSPOSED.mistake(
    "bias-not-added", "equals the output without the bias: add b[o] to every element of output channel o", "y"
)
def _transposed_bias_not_added(t: GroundTruth) -> Candidates:
    yield _transposed_output(t, t.values["w"], bias=False)


@TRANSPOSED.mistake(
    "kernel-rotated",
    "equals the right answer for a kernel rotated by 180°: the input gradient of a transposed convolution is the "
    "cross-correlation of dy with the unrotated kernel",
    "x",
)
def _transposed_kernel_rotated_in_dx(t: GroundTruth) -> Candidates:
    yield t.compute({**t.values, "w": rotated(t.values["w"])}, t.dy)["x"]


@TRANSPOSED.mistake("kernel-gradient-rotated", "is rotated by 180°: correlate dy with x, without any rotation", "w")
def _transposed_kernel_gradient_rotated(t: GroundTruth) -> Candidates:
    yield rotated(t.gradients["w"])


@TRANSPOSED.mistake(
    "channels-transposed", "has filters and channels swapped: dw has the shape (C_in, C_out, KH, KW)", "w"
)
def _channels_transposed(t: GroundTruth) -> Candidates:
    return _exchanged_channels(t)
