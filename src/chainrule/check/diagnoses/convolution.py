"""Classic mistakes in convolutional layers: in the output, and in the gradient with respect to the input."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.check.diagnoses import sliding
from chainrule.check.diagnoses.sliding import SlidingWindow
from chainrule.check.diagnoses.truth import Candidates, Catalogue, GroundTruth
from chainrule.engines.numpy.convolution import cross_correlate, cross_correlate_dx
from chainrule.engines.protocol import Array


def geometry_of(t: GroundTruth) -> SlidingWindow:
    """Return the geometry of the kernel's windows."""
    return SlidingWindow.of(t.attributes, t.x.shape[2:], t.values["w"].shape[2:])


def rotated(w: Array) -> Array:
    """Return a kernel rotated by 180°."""
    return w[:, :, ::-1, ::-1]


def is_convolution(t: GroundTruth) -> bool:
    """Return whether the layer is a true convolution."""
    return bool(t.attributes.get("flip"))


def sliding_kernel(t: GroundTruth) -> Array:
    """Return the kernel that slides over the image. It is rotated for a true convolution."""
    if is_convolution(t):
        return rotated(t.values["w"])
    return t.values["w"]


def exchanged_axes(w: Array) -> Iterator[Array]:
    """Yield w with rows and columns swapped, in its original shape: by a transpose and a reshape in either order."""
    C_out, C, KH, KW = w.shape
    yield w.swapaxes(2, 3).reshape(w.shape)
    yield np.ascontiguousarray(w).reshape(C_out, C, KW, KH).swapaxes(2, 3)


def output_with(t: GroundTruth, w: Array | None = None, **changes: Any) -> Array:
    """Return the output for another kernel (None: the layer's) or for other options.

    An untied bias is omitted if its shape does not match.
    """
    y = cross_correlate(t.x, t.values["w"] if w is None else w, **{**t.attributes, **changes})
    b = t.values.get("b", np.zeros((1, 1, 1)))
    if b.ndim == 1:
        return y + b[:, None, None]
    if b.shape in ((1, 1, 1), y.shape[1:]):
        return y + b
    return y


def is_depthwise(t: GroundTruth) -> bool:
    """Return whether each filter reads a channel of its own."""
    return t.values["w"].shape[1] == 1 < t.attributes["groups"]


def _without_groups(t: GroundTruth) -> Array:
    w = np.repeat(t.values["w"], t.x.shape[1], axis=1)
    return output_with(t, w, groups=1)


OUTPUTS = Catalogue("convolution")


@OUTPUTS.mistake(
    "correlation-convolution-mixed-up",
    "has the kernel rotated by 180°: a true convolution rotates it first, a cross-correlation does not",
    "y",
)
def _correlation_convolution_mixed_up(t: GroundTruth) -> Candidates:
    yield output_with(t, rotated(t.values["w"]))


@OUTPUTS.mistake(
    "bias-not-added", "equals the output without the bias: add b[o] to every element of output channel o", "y"
)
def _bias_not_added(t: GroundTruth) -> Candidates:
    if "b" in t.values:
        yield cross_correlate(t.x, t.values["w"], **t.attributes)


@OUTPUTS.mistake(
    "bias-added-repeatedly", "contains the bias several times: add it once, after the sums over c, u and v", "y"
)
def _repeated_bias(t: GroundTruth) -> Candidates:
    if "b" in t.values and t.values["b"].ndim == 1:
        channels, rows, columns = t.values["w"].shape[1:]
        for count in (channels, rows * columns, channels * rows * columns):
            yield t.y + (count - 1) * t.values["b"][:, None, None]


@OUTPUTS.mistake(
    "channel-sum-missing", "includes one input channel only: sum over all channels that a filter reads", "y"
)
def _one_channel(t: GroundTruth) -> Candidates:
    if t.attributes["groups"] == 1:
        for c in (t.x.shape[1] - 1, 0):
            for w in (t.values["w"][:, c : c + 1], t.values["w"].sum(axis=1, keepdims=True)):
                yield cross_correlate(t.x[:, c : c + 1], w, t.values.get("b"), **t.attributes)


@OUTPUTS.mistake(
    "groups-added-up", "adds up the input channels: in a depthwise convolution, a filter reads its own channel", "y"
)
def _groups_added_up(t: GroundTruth) -> Candidates:
    if is_depthwise(t):
        yield _without_groups(t)


@OUTPUTS.mistake(
    "samples-added-up",
    "adds up the samples of the batch: each sample has its own output, so sum over c, u and v only",
    "y",
)
def _samples_added_up(t: GroundTruth) -> Candidates:
    without_bias = cross_correlate(t.x, t.values["w"], **t.attributes)
    b = t.values.get("b", np.zeros(1))
    yield np.broadcast_to(without_bias.sum(axis=0), without_bias.shape) + (b[:, None, None] if b.ndim == 1 else b)


@OUTPUTS.mistake(
    "stride-forgotten", "equals the output for stride 1: move the window by s from one output to the next", "y"
)
def _stride_forgotten(t: GroundTruth) -> Candidates:
    yield output_with(t, stride=(1, 1))


@OUTPUTS.mistake("padding-ignored", "equals the output without padding: pad x with zeros first", "y")
def _padding_ignored(t: GroundTruth) -> Candidates:
    yield output_with(t, padding=((0, 0), (0, 0)))


@OUTPUTS.mistake(
    "padding-at-wrong-end",
    "equals the output with the padding before and after x swapped: it is ((top, bottom), (left, right))",
    "y",
)
def _exchanged_padding(t: GroundTruth) -> Candidates:
    (top, bottom), (left, right) = geometry_of(t).padding
    yield output_with(t, padding=((bottom, top), (right, left)))


def dx_with(t: GroundTruth, w: Array | None = None, **changes: Any) -> Array:
    """Return dx for another kernel (rotated for a true convolution; None: the layer's) or for other options."""
    options: dict[str, Any] = {**t.attributes, "size": t.x.shape[2:], "flip": False, **changes}
    return cross_correlate_dx(t.dy, sliding_kernel(t) if w is None else w, **options)


def _padded_dx(t: GroundTruth, **changes: Any) -> Array:
    """Return the gradient with respect to the padded image. ``changes`` replace options."""
    return dx_with(t, size=geometry_of(t).padded_size, padding=((0, 0), (0, 0)), **changes)


def _full(t: GroundTruth) -> Array:
    """Return the full correlation of dy with the rotated kernels, for stride and dilation 1."""
    size = tuple(outputs + taps - 1 for outputs, taps in zip(t.dy.shape[2:], geometry_of(t).window, strict=True))
    return dx_with(t, size=size, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1))


def _embedded(inner: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield a result that is too small: unchanged, and placed in the corner and in the middle of an array of zeros."""
    yield inner
    margins = list[int]()
    for whole, part in zip(shape[2:], inner.shape[2:], strict=True):
        margins.append(whole - part)
    if min(margins) < 0:
        return
    for first in ((0, 0), tuple(cells // 2 for cells in margins)):
        out = np.zeros(shape)
        out[:, :, first[0] : first[0] + inner.shape[2], first[1] : first[1] + inner.shape[3]] = inner
        yield out


def _single_filters(t: GroundTruth) -> Iterator[Array]:
    """Yield the kernel with all filters set to zero except the last or the first of each group."""
    w = sliding_kernel(t)
    groups = t.attributes["groups"]
    for index in (-1, 0):
        kept = np.zeros_like(w).reshape(groups, -1, *w.shape[1:])
        kept[:, index] = w.reshape(kept.shape)[:, index]
        yield kept.reshape(w.shape)


INPUTS = Catalogue("convolution")


@INPUTS.mistake(
    "kernel-not-rotated",
    "equals the right answer for an unrotated kernel: rotate K by 180° before the full correlation, which gathers; "
    "code that scatters, dx[window] += dy · w, needs it unrotated",
    "x",
)
def _kernel_not_rotated(t: GroundTruth) -> Candidates:
    if not is_convolution(t):
        yield dx_with(t, rotated(sliding_kernel(t)))


@INPUTS.mistake(
    "kernel-rotated",
    "equals the right answer for a kernel rotated by 180°: forward is a true convolution, which rotates K already, "
    "so use K unrotated in the full correlation",
    "x",
)
def _kernel_rotated(t: GroundTruth) -> Candidates:
    if is_convolution(t):
        yield dx_with(t, rotated(sliding_kernel(t)))


@INPUTS.mistake(
    "valid-for-full",
    "is the valid correlation of dy and the rotated kernel: compute the full one, with dy padded by K − 1 zeros",
    "x",
)
def _valid(t: GroundTruth) -> Candidates:
    KH, KW = geometry_of(t).window
    if t.dy.shape[2] >= KH and t.dy.shape[3] >= KW:
        yield from _embedded(_full(t)[:, :, KH - 1 : t.dy.shape[2], KW - 1 : t.dy.shape[3]], t.x.shape)


@INPUTS.mistake("same-for-full", "is the full correlation cropped to the size of dy: crop it to the size of x", "x")
def _same_size(t: GroundTruth) -> Candidates:
    first = list[int]()
    for taps in geometry_of(t).window:
        first.append((taps - 1) // 2)
    row, column = first
    height, width = t.dy.shape[2:]
    yield from _embedded(_full(t)[:, :, row : row + height, column : column + width], t.x.shape)


@INPUTS.mistake("stride-forgotten", "is scattered with stride 1: window (i, j) starts at row s·i and column s·j", "x")
def _scattered_densely(t: GroundTruth) -> Candidates:
    padded = _padded_dx(t, stride=(1, 1))
    yield geometry_of(t).crop(padded)
    yield padded[:, :, : t.x.shape[2], : t.x.shape[3]]


@INPUTS.mistake("padding-not-cropped", "still includes the padding: crop the rows and columns of the padding", "x")
def _padding_not_cropped(t: GroundTruth) -> Candidates:
    yield _padded_dx(t)


@INPUTS.mistake(
    "padding-cropped-at-end",
    "is cropped at the end only: crop the padding before x too, so start at row p_top and column p_left",
    "x",
)
def _padding_cropped_at_end(t: GroundTruth) -> Candidates:
    yield _padded_dx(t)[:, :, : t.x.shape[2], : t.x.shape[3]]


@INPUTS.mistake(
    "padding-cropped-at-start",
    "is cropped at the start only: crop the padding after x too, so start at row p_top and column p_left",
    "x",
)
def _padding_cropped_at_start(t: GroundTruth) -> Candidates:
    yield _padded_dx(t)[:, :, -t.x.shape[2] :, -t.x.shape[3] :]


@INPUTS.mistake(
    "channels-transposed",
    "swaps filters and channels of the kernel by a reshape: use a transpose, w.transpose(1, 0, 2, 3)",
    "x",
)
def _reshaped_channels(t: GroundTruth) -> Candidates:
    w = np.ascontiguousarray(sliding_kernel(t))
    if t.attributes["groups"] == 1:
        C_out, C, KH, KW = w.shape
        yield dx_with(t, w.reshape(C, C_out, KH, KW).transpose(1, 0, 2, 3))
        yield dx_with(t, w.transpose(1, 0, 2, 3).reshape(C_out, C, KH, KW))


@INPUTS.mistake("kernel-axes-transposed", "uses the kernel with rows and columns swapped: K[u, v], not K[v, u]", "x")
def _kernel_axes_transposed(t: GroundTruth) -> Candidates:
    for w in exchanged_axes(sliding_kernel(t)):
        yield dx_with(t, w)


@INPUTS.mistake("filter-sum-missing", "includes one filter only: sum over all filters that read the channel", "x")
def _filter_sum_missing(t: GroundTruth) -> Candidates:
    for w in _single_filters(t):
        yield dx_with(t, w)


@INPUTS.mistake(
    "overwritten-in-windows",
    "keeps only the last window that covers a cell: windows overlap, so accumulate with += (or np.add.at for indices)",
    "x",
)
def _overwritten(t: GroundTruth) -> Candidates:
    geometry = geometry_of(t)
    if all(s >= size for s, size in zip(geometry.stride, geometry.window, strict=True)):
        return  # windows do not overlap
    for w in (sliding_kernel(t), *_single_filters(t)):
        for mode in ("window", "tap"):
            yield geometry.crop(sliding.scatter(sliding.products(t.dy, w, t.attributes["groups"]), geometry, mode))
