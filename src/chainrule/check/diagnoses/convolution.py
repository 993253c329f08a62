"""Classic mistakes in convolutional layers: in the output, in both gradients, and in transposed convolutions."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.check.diagnoses import sliding
from chainrule.check.diagnoses.sliding import SlidingWindow
from chainrule.check.diagnoses.truth import ByTensor, Candidates, GroundTruth, catalogue
from chainrule.engines.numpy.convolution import cross_correlate, cross_correlate_dw, cross_correlate_dx
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


def _output_with(t: GroundTruth, w: Array | None = None, **changes: Any) -> Array:
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


def _repeated_bias(t: GroundTruth) -> Candidates:
    if "b" in t.values and t.values["b"].ndim == 1:
        channels, rows, columns = t.values["w"].shape[1:]
        for count in (channels, rows * columns, channels * rows * columns):
            yield t.y + (count - 1) * t.values["b"][:, None, None]


def _one_channel(t: GroundTruth) -> Candidates:
    if t.attributes["groups"] == 1:
        for c in (t.x.shape[1] - 1, 0):
            for w in (t.values["w"][:, c : c + 1], t.values["w"].sum(axis=1, keepdims=True)):
                yield cross_correlate(t.x[:, c : c + 1], w, t.values.get("b"), **t.attributes)


def _is_depthwise(t: GroundTruth) -> bool:
    return t.values["w"].shape[1] == 1 < t.attributes["groups"]


def _without_groups(t: GroundTruth) -> Array:
    w = np.repeat(t.values["w"], t.x.shape[1], axis=1)
    return _output_with(t, w, groups=1)


def _samples_added_up(t: GroundTruth) -> Candidates:
    without_bias = cross_correlate(t.x, t.values["w"], **t.attributes)
    b = t.values.get("b", np.zeros(1))
    yield np.broadcast_to(without_bias.sum(axis=0), without_bias.shape) + (b[:, None, None] if b.ndim == 1 else b)


def _exchanged_padding(t: GroundTruth) -> Candidates:
    (top, bottom), (left, right) = geometry_of(t).padding
    yield _output_with(t, padding=((bottom, top), (right, left)))


OUTPUTS = catalogue(
    "convolution",
    ("y", "correlation-convolution-mixed-up",
     "has the kernel rotated by 180°: a true convolution rotates it first, a cross-correlation does not",
     lambda t: [_output_with(t, rotated(t.values["w"]))]),
    ("y", "bias-not-added", "equals the output without the bias: add b[o] to every element of output channel o",
     lambda t: [cross_correlate(t.x, t.values["w"], **t.attributes)] if "b" in t.values else []),
    ("y", "bias-added-repeatedly", "contains the bias several times: add it once, after the sums over c, u and v",
     _repeated_bias),
    ("y", "channel-sum-missing", "includes one input channel only: sum over all channels that a filter reads",
     _one_channel),
    ("y", "groups-added-up", "adds up the input channels: in a depthwise convolution, a filter reads its own channel",
     lambda t: [_without_groups(t)] if _is_depthwise(t) else []),
    ("y", "samples-added-up",
     "adds up the samples of the batch: each sample has its own output, so sum over c, u and v only",
     _samples_added_up),
    ("y", "stride-forgotten", "equals the output for stride 1: move the window by s from one output to the next",
     lambda t: [_output_with(t, stride=(1, 1))]),
    ("y", "padding-ignored", "equals the output without padding: pad x with zeros first",
     lambda t: [_output_with(t, padding=((0, 0), (0, 0)))]),
    ("y", "padding-at-wrong-end",
     "equals the output with the padding before and after x swapped: it is ((top, bottom), (left, right))",
     _exchanged_padding),
)  # fmt: skip


def _dx(t: GroundTruth, w: Array | None = None, **changes: Any) -> Array:
    """Return dx for another kernel (rotated for a true convolution; None: the layer's) or for other options."""
    options: dict[str, Any] = {**t.attributes, "size": t.x.shape[2:], "flip": False, **changes}
    return cross_correlate_dx(t.dy, sliding_kernel(t) if w is None else w, **options)


def _padded_dx(t: GroundTruth, **changes: Any) -> Array:
    """Return the gradient with respect to the padded image. ``changes`` replace options."""
    return _dx(t, size=geometry_of(t).padded_size, padding=((0, 0), (0, 0)), **changes)


def _full(t: GroundTruth) -> Array:
    """Return the full correlation of dy with the rotated kernels, for stride and dilation 1."""
    size = tuple(outputs + taps - 1 for outputs, taps in zip(t.dy.shape[2:], geometry_of(t).window, strict=True))
    return _dx(t, size=size, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1))


def _valid(t: GroundTruth) -> Candidates:
    KH, KW = geometry_of(t).window
    if t.dy.shape[2] >= KH and t.dy.shape[3] >= KW:
        yield from _embedded(_full(t)[:, :, KH - 1 : t.dy.shape[2], KW - 1 : t.dy.shape[3]], t.x.shape)


def _same_size(t: GroundTruth) -> Candidates:
    first = list[int]()
    for taps in geometry_of(t).window:
        first.append((taps - 1) // 2)
    row, column = first
    height, width = t.dy.shape[2:]
    yield from _embedded(_full(t)[:, :, row : row + height, column : column + width], t.x.shape)


def _embedded(inner: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield a result that is too small: unchanged, and placed in the corner and in the middle of an array of zeros."""
    yield inner
    margins = list[Any]()
    for whole, part in zip(shape[2:], inner.shape[2:], strict=True):
        margins.append(whole - part)
    if min(margins) < 0:
        return
    for first in ((0, 0), tuple(cells // 2 for cells in margins)):
        out = np.zeros(shape)
        out[:, :, first[0] : first[0] + inner.shape[2], first[1] : first[1] + inner.shape[3]] = inner
        yield out


def _scattered_densely(t: GroundTruth) -> Candidates:
    padded = _padded_dx(t, stride=(1, 1))
    yield geometry_of(t).crop(padded)
    yield padded[:, :, : t.x.shape[2], : t.x.shape[3]]


def _reshaped_channels(t: GroundTruth) -> Candidates:
    w = np.ascontiguousarray(sliding_kernel(t))
    if t.attributes["groups"] == 1:
        C_out, C, KH, KW = w.shape
        yield _dx(t, w.reshape(C, C_out, KH, KW).transpose(1, 0, 2, 3))
        yield _dx(t, w.transpose(1, 0, 2, 3).reshape(C_out, C, KH, KW))


def _single_filters(t: GroundTruth) -> Iterator[Array]:
    """Yield the kernel with all filters set to zero except the last or the first of each group."""
    w = sliding_kernel(t)
    groups = t.attributes["groups"]
    for index in (-1, 0):
        kept = np.zeros_like(w).reshape(groups, -1, *w.shape[1:])
        kept[:, index] = w.reshape(kept.shape)[:, index]
        yield kept.reshape(w.shape)


def _overwritten(t: GroundTruth) -> Candidates:
    geometry = geometry_of(t)
    if all(s >= size for s, size in zip(geometry.stride, geometry.window, strict=True)):
        return  # windows do not overlap
    for w in (sliding_kernel(t), *_single_filters(t)):
        for mode in ("window", "tap"):
            yield geometry.crop(sliding.scatter(sliding.products(t.dy, w, t.attributes["groups"]), geometry, mode))


INPUTS = catalogue(
    "convolution",
    ("x", "kernel-not-rotated",
     "equals the right answer for an unrotated kernel: rotate K by 180° before the full correlation, which gathers; "
     "code that scatters, dx[window] += dy · w, needs it unrotated",
     lambda t: [] if is_convolution(t) else [_dx(t, rotated(sliding_kernel(t)))]),
    ("x", "kernel-rotated",
     "equals the right answer for a kernel rotated by 180°: forward is a true convolution, which rotates K already, "
     "so use K unrotated in the full correlation",
     lambda t: [_dx(t, rotated(sliding_kernel(t)))] if is_convolution(t) else []),
    ("x", "valid-for-full",
     "is the valid correlation of dy and the rotated kernel: compute the full one, with dy padded by K − 1 zeros",
     _valid),
    ("x", "same-for-full", "is the full correlation cropped to the size of dy: crop it to the size of x", _same_size),
    ("x", "stride-forgotten", "is scattered with stride 1: window (i, j) starts at row s·i and column s·j",
     _scattered_densely),
    ("x", "padding-not-cropped", "still includes the padding: crop the rows and columns of the padding",
     lambda t: [_padded_dx(t)]),
    ("x", "padding-cropped-at-end",
     "is cropped at the end only: crop the padding before x too, so start at row p_top and column p_left",
     lambda t: [_padded_dx(t)[:, :, : t.x.shape[2], : t.x.shape[3]]]),
    ("x", "padding-cropped-at-start",
     "is cropped at the start only: crop the padding after x too, so start at row p_top and column p_left",
     lambda t: [_padded_dx(t)[:, :, -t.x.shape[2] :, -t.x.shape[3] :]]),
    ("x", "channels-transposed",
     "swaps filters and channels of the kernel by a reshape: use a transpose, w.transpose(1, 0, 2, 3)",
     _reshaped_channels),
    ("x", "kernel-axes-transposed", "uses the kernel with rows and columns swapped: K[u, v], not K[v, u]",
     lambda t: (_dx(t, w) for w in exchanged_axes(sliding_kernel(t)))),
    ("x", "filter-sum-missing", "includes one filter only: sum over all filters that read the channel",
     lambda t: (_dx(t, w) for w in _single_filters(t))),
    ("x", "overwritten-in-windows",
     "keeps only the last window that covers a cell: windows overlap, so accumulate with += (or np.add.at for indices)",
     _overwritten),
)  # fmt: skip


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


def exchanged_channels(t: GroundTruth) -> list[Array]:
    """Return dw with filters and channels swapped, in the resulting shape and in its original shape."""
    other = t.gradients["w"].transpose(1, 0, 2, 3)
    return [other, other.reshape(t.gradients["w"].shape)]


def _last_taps(t: GroundTruth) -> ByTensor:
    """Yield the results without the last row and the last column of the kernel, if there are several."""
    KH, KW = geometry_of(t).window
    kept = (np.arange(KH) < KH - 1)[:, None] & (np.arange(KW) < KW - 1)
    if kept.any():
        y = _output_with(t, t.values["w"] * kept)
        dx = _dx(t, sliding_kernel(t) * kept)
        yield {"y": y, "x": dx, "w": t.gradients["w"] * kept}


KERNELS = catalogue(
    "convolution",
    ("w", "kernel-gradient-rotated",
     "is rotated by 180°: the kernel gradient of a cross-correlation is the cross-correlation of x and dy, without "
     "any rotation", lambda t: [] if is_convolution(t) else [rotated(t.gradients["w"])]),
    ("w", "kernel-gradient-not-rotated",
     "is not rotated: forward is a true convolution, so rotate the correlation of x and dy by 180°",
     lambda t: [rotated(t.gradients["w"])] if is_convolution(t) else []),
    ("w", "stride-forgotten", "reads x with stride 1: window (i, j) starts at row s·i and column s·j",
     lambda t: [_dw(t, stride=(1, 1))]),
    ("w", "padding-ignored", "reads x without its padding: pad x with zeros as in forward",
     lambda t: [_dw(t, np.pad(t.x, [(0, 0), (0, 0), *((0, sum(ends)) for ends in geometry_of(t).padding)]),
                    padding=((0, 0), (0, 0)))]),
    ("y x w", "dilation-ignored", "is computed with dilation 1: kernel element (u, v) lies at offset (d·u, d·v)",
     lambda t: [{"y": _output_with(t, dilation=(1, 1)), "x": _dx(t, dilation=(1, 1)), "w": _dw(t, dilation=(1, 1))}]),
    ("w", "channels-transposed", "has filters and channels swapped: dw has the shape (C_out, C_in, KH, KW)",
     exchanged_channels),
    ("w", "groups-added-up", "adds up the input channels: in a depthwise convolution, a filter reads its own channel",
     lambda t: [_dw(t, np.repeat(t.x.sum(axis=1, keepdims=True), t.x.shape[1], axis=1))] if _is_depthwise(t) else []),
    ("y x w", "last-taps-left-out",
     "leaves out the last row and the last column of the kernel: u runs to KH − 1, and v to KW − 1, inclusive",
     _last_taps),
    ("w", "kernel-axes-transposed", "has rows and columns swapped: dw[u, v], not dw[v, u]",
     lambda t: [t.gradients["w"].swapaxes(2, 3), *exchanged_axes(t.gradients["w"])]),
    ("w", "positions-not-summed", "includes one output position only: sum over all positions (i, j)",
     lambda t: (_dw(t, dy=dy) for dy in _at_one_position(t))),
)  # fmt: skip


def _transposed_output(t: GroundTruth, w: Array, bias: bool = True) -> Array:
    return cross_correlate_dx(t.x, w, **t.attributes) + (t.values["b"][:, None, None] if bias else 0.0)


TRANSPOSED = catalogue(
    "convolution",
    ("y", "kernel-rotated", "uses the kernel rotated by 180°: x[i, j] adds x[i, j]·K[u, v] at (s·i + u, s·j + v)",
     lambda t: [_transposed_output(t, rotated(t.values["w"]))]),
    ("y", "bias-not-added", "equals the output without the bias: add b[o] to every element of output channel o",
     lambda t: [_transposed_output(t, t.values["w"], bias=False)]),
    ("x", "kernel-rotated",
     "equals the right answer for a kernel rotated by 180°: the input gradient of a transposed convolution is the "
     "cross-correlation of dy with the unrotated kernel",
     lambda t: [t.compute({**t.values, "w": rotated(t.values["w"])}, t.dy)["x"]]),
    ("w", "kernel-gradient-rotated", "is rotated by 180°: correlate dy with x, without any rotation",
     lambda t: [rotated(t.gradients["w"])]),
    ("w", "channels-transposed", "has filters and channels swapped: dw has the shape (C_in, C_out, KH, KW)",
     exchanged_channels),
)  # fmt: skip
