"""Classic mistakes in the input gradient of a convolutional layer."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.check.diagnoses import sliding
from chainrule.check.diagnoses.kernels import dilated, exchanged_axes, flipped, slid_kernel, slide_of, turned
from chainrule.check.diagnoses.truth import Candidates, GroundTruth, catalogue
from chainrule.engines.numpy.convolution import cross_correlate_dx
from chainrule.engines.protocol import Array


def _dx(t: GroundTruth, w: Array | None = None, **changes: Any) -> Array:
    """Return dx for a kernel in the orientation in which it is slid (the right one if not given) and other options."""
    options: dict[str, Any] = {**t.attributes, "size": t.x.shape[2:], "flip": False, **changes}
    return cross_correlate_dx(t.dy, slid_kernel(t) if w is None else w, **options)


def _frame(t: GroundTruth, **changes: Any) -> Array:
    """Return dx on the padded image."""
    return _dx(t, size=slide_of(t).frame, padding=((0, 0), (0, 0)), **changes)


def _full(t: GroundTruth) -> Array:
    """Return the full correlation of dy with the rotated kernels, for stride and dilation 1."""
    size = tuple(outputs + taps - 1 for outputs, taps in zip(t.dy.shape[2:], slide_of(t).window, strict=True))
    return _dx(t, size=size, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1))


def _valid(t: GroundTruth) -> Candidates:
    KH, KW = slide_of(t).window
    if t.dy.shape[2] >= KH and t.dy.shape[3] >= KW:
        yield from _pasted(_full(t)[:, :, KH - 1 : t.dy.shape[2], KW - 1 : t.dy.shape[3]], t.x.shape)


def _same_size(t: GroundTruth) -> Candidates:
    first = [(taps - 1) // 2 for taps in slide_of(t).window]
    rows, columns = (slice(start, start + size) for start, size in zip(first, t.dy.shape[2:], strict=True))
    yield from _pasted(_full(t)[:, :, rows, columns], t.x.shape)


def _pasted(inner: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield a result that is too small: as it is, and placed in the corner and in the middle of zeros of ``shape``."""
    yield inner
    room = [whole - part for whole, part in zip(shape[2:], inner.shape[2:], strict=True)]
    if min(room) < 0:
        return
    for first in ((0, 0), tuple(cells // 2 for cells in room)):
        out = np.zeros(shape)
        out[:, :, first[0] : first[0] + inner.shape[2], first[1] : first[1] + inner.shape[3]] = inner
        yield out


def _scattered_densely(t: GroundTruth) -> Candidates:
    if slide_of(t).stride != (1, 1):
        frame = _frame(t, stride=(1, 1))
        yield slide_of(t).crop(frame)
        yield frame[:, :, : t.x.shape[2], : t.x.shape[3]]


def _reshaped_channels(t: GroundTruth) -> Candidates:
    w = np.ascontiguousarray(slid_kernel(t))
    if t.attributes["groups"] == 1:
        C_out, C, KH, KW = w.shape
        yield _dx(t, w.reshape(C, C_out, KH, KW).transpose(1, 0, 2, 3))
        yield _dx(t, w.transpose(1, 0, 2, 3).reshape(C_out, C, KH, KW))


def _single_filters(t: GroundTruth) -> Iterator[Array]:
    """Yield the kernel with all filters but one of each group (the last, the first) set to zero."""
    w, groups = slid_kernel(t), t.attributes["groups"]
    for place in (-1, 0):
        kept = np.zeros_like(w).reshape(groups, -1, *w.shape[1:])
        kept[:, place] = w.reshape(kept.shape)[:, place]
        yield kept.reshape(w.shape)


def _overwritten(t: GroundTruth) -> Candidates:
    slide = slide_of(t)
    if all(s >= size for s, size in zip(slide.stride, slide.window, strict=True)):
        return  # no two windows overlap
    for w in (slid_kernel(t), *_single_filters(t)):
        for how in ("window", "tap"):
            yield slide.crop(sliding.scatter(sliding.products(t.dy, w, t.attributes["groups"]), slide, how))


CATALOGUE = catalogue(
    "convolution",
    ("x", "kernel-not-rotated",
     "equals the right answer for an unrotated kernel: rotate K by 180° before the full correlation",
     lambda t: [] if flipped(t) else [_dx(t, turned(slid_kernel(t)))]),
    ("x", "kernel-rotated",
     "equals the right answer for a kernel rotated by 180°: forward is a true convolution, which rotates K already, "
     "so use K unrotated in the full correlation",
     lambda t: [_dx(t, turned(slid_kernel(t)))] if flipped(t) else []),
    ("x", "valid-for-full",
     "is the valid correlation of dy and the rotated kernel: compute the full one, with dy padded by K − 1 zeros",
     _valid),
    ("x", "same-for-full", "is the full correlation cropped to the size of dy: crop it to the size of x", _same_size),
    ("x", "stride-forgotten", "is scattered with stride 1: window (i, j) starts at row s·i and column s·j",
     _scattered_densely),
    ("x", "padding-not-cropped", "still includes the padding: crop the rows and columns of the padding",
     lambda t: [_frame(t)]),
    ("x", "padding-cropped-at-end",
     "is cropped at the end only: crop the padding before x too, so start at row p_top and column p_left",
     lambda t: [_frame(t)[:, :, : t.x.shape[2], : t.x.shape[3]]]),
    ("x", "padding-cropped-at-start",
     "is cropped at the start only: crop the padding after x too, so start at row p_top and column p_left",
     lambda t: [_frame(t)[:, :, -t.x.shape[2] :, -t.x.shape[3] :]]),
    ("x", "dilation-ignored", "is scattered with dilation 1: kernel element (u, v) lies at offset (d·u, d·v)",
     lambda t: [_dx(t, dilation=(1, 1))] if dilated(t) else []),
    ("x", "channels-transposed",
     "swaps filters and channels of the kernel by a reshape: use a transpose, w.transpose(1, 0, 2, 3)",
     _reshaped_channels),
    ("x", "kernel-axes-transposed", "uses the kernel with rows and columns swapped: K[u, v], not K[v, u]",
     lambda t: (_dx(t, w) for w in exchanged_axes(slid_kernel(t)))),
    ("x", "filter-sum-missing", "includes one filter only: sum over all filters that read the channel",
     lambda t: (_dx(t, w) for w in _single_filters(t))),
    ("x", "overwritten-in-windows",
     "keeps only the last window that covers a cell: windows overlap, so accumulate with += (or np.add.at for indices)",
     _overwritten),
)  # fmt: skip
