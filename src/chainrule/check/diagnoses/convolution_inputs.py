"""Classic mistakes in the input gradient of a convolutional layer."""

from collections.abc import Iterator

import numpy as np

from chainrule.check.diagnoses import sliding
from chainrule.check.diagnoses.kernels import (
    exchanged_axes,
    groups_of,
    single_filters,
    slid_kernel,
    slide_of,
    undilated,
)
from chainrule.check.diagnoses.sliding import SlidingWindow
from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array

CATALOGUE = MistakeCatalogue("convolution")
add = CATALOGUE.add


@add("x", "kernel-not-rotated")
def unrotated(t: GroundTruth) -> Candidates:
    """Equals the right answer for an unrotated kernel: rotate K by 180° before the full correlation."""
    if not t.attributes.get("flip"):
        yield _cropped(t, slid_kernel(t)[:, :, ::-1, ::-1])


@add("x", "kernel-rotated")
def rotated(t: GroundTruth) -> Candidates:
    """Equals the right answer for a kernel rotated by 180°: forward is a true convolution, which rotates K already, so
    use K unrotated in the full correlation."""
    if t.attributes.get("flip"):
        yield _cropped(t, slid_kernel(t)[:, :, ::-1, ::-1])


@add("x", "valid-for-full")
def valid(t: GroundTruth) -> Candidates:
    """Is the valid correlation of dy and the rotated kernel: compute the full one, with dy padded by K − 1 zeros."""
    slide = slide_of(t)
    if all(outputs >= taps for outputs, taps in zip(slide.outputs, slide.window, strict=True)):
        frame = sliding.full(t.dy, slid_kernel(t), groups_of(t))
        reach = [taps - 1 for taps in slide.window]
        inner = frame[:, :, reach[0] : frame.shape[2] - reach[0], reach[1] : frame.shape[3] - reach[1]]
        yield from _pasted(inner, t.x.shape)


@add("x", "same-for-full")
def same_size(t: GroundTruth) -> Candidates:
    """Is the full correlation cropped to the size of dy: crop it to the size of x."""
    frame, slide = sliding.full(t.dy, slid_kernel(t), groups_of(t)), slide_of(t)
    first = [(taps - 1) // 2 for taps in slide.window]
    rows, columns = (slice(start, start + size) for start, size in zip(first, slide.outputs, strict=True))
    yield from _pasted(frame[:, :, rows, columns], t.x.shape)


@add("x", "stride-forgotten")
def scattered_densely(t: GroundTruth) -> Candidates:
    """Is scattered with stride 1: window (i, j) starts at row s·i and column s·j."""
    slide = slide_of(t)
    if slide.stride == (1, 1):
        return
    frame = _dx(t, slide=slide.replace(stride=(1, 1)))
    yield slide.crop(frame)
    yield frame[:, :, : t.x.shape[2], : t.x.shape[3]]


@add("x", "padding-not-cropped")
def uncropped(t: GroundTruth) -> Candidates:
    """Still includes the padding: crop the rows and columns of the padding."""
    yield _dx(t)


@add("x", "padding-cropped-at-end")
def cropped_at_end(t: GroundTruth) -> Candidates:
    """Is cropped at the end only: crop the padding before x too, so start at row p_top and column p_left."""
    yield _dx(t)[:, :, : t.x.shape[2], : t.x.shape[3]]


@add("x", "padding-cropped-at-start")
def cropped_at_start(t: GroundTruth) -> Candidates:
    """Is cropped at the start only: crop the padding after x too, so start at row p_top and column p_left."""
    yield _dx(t)[:, :, -t.x.shape[2] :, -t.x.shape[3] :]


@add("x", "dilation-ignored")
def scattered_closely(t: GroundTruth) -> Candidates:
    """Is scattered with dilation 1: kernel element (u, v) lies at offset (d·u, d·v)."""
    for slide in undilated(t):
        yield _cropped(t, slide=slide)


@add("x", "channels-transposed")
def reshaped_channels(t: GroundTruth) -> Candidates:
    """Swaps filters and channels of the kernel by a reshape: use a transpose, w.transpose(1, 0, 2, 3)."""
    w = slid_kernel(t)
    if groups_of(t) == 1:
        C_out, C, KH, KW = w.shape
        yield _cropped(t, np.ascontiguousarray(w).reshape(C, C_out, KH, KW).transpose(1, 0, 2, 3))
        yield _cropped(t, w.transpose(1, 0, 2, 3).reshape(C_out, C, KH, KW))


@add("x", "kernel-axes-transposed")
def sideways(t: GroundTruth) -> Candidates:
    """Uses the kernel with rows and columns swapped: K[u, v], not K[v, u]."""
    for w in exchanged_axes(slid_kernel(t)):
        yield _cropped(t, w)


@add("x", "filter-sum-missing")
def one_filter(t: GroundTruth) -> Candidates:
    """Includes one filter only: sum over all filters that read the channel."""
    for w in single_filters(t):
        yield _cropped(t, w)


@add("x", "overwritten-in-windows")
def overwritten(t: GroundTruth) -> Candidates:
    """Keeps only the last window that covers a cell: windows overlap, so accumulate with += (or np.add.at for
    indices)."""
    slide = slide_of(t)
    if all(s >= size for s, size in zip(slide.stride, slide.window, strict=True)):
        return  # no two windows overlap
    for w in (slid_kernel(t), *single_filters(t)):
        for how in ("window", "tap"):
            yield _cropped(t, w, how=how)


def _dx(t: GroundTruth, w: Array | None = None, slide: SlidingWindow | None = None, how: str = "add") -> Array:
    """Return dx on the padded image, for a kernel in the orientation in which it is slid; by default the right one."""
    kernel = slid_kernel(t) if w is None else w
    return sliding.scatter(sliding.products(t.dy, kernel, groups_of(t)), slide or slide_of(t), how)


def _cropped(t: GroundTruth, w: Array | None = None, slide: SlidingWindow | None = None, how: str = "add") -> Array:
    """Return dx without the padding."""
    return slide_of(t).crop(_dx(t, w, slide, how))


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
