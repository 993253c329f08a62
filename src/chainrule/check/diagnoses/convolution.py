"""Classic mistakes in the backward (and forward) pass of a convolutional layer."""

from collections.abc import Iterator

import numpy as np

from chainrule.check.diagnoses import sliding
from chainrule.check.diagnoses.sliding import Slide
from chainrule.check.diagnoses.truth import Candidates, Catalogue, Truth
from chainrule.engines import Array

CATALOGUE = Catalogue("docs/derivations/convolution.md")
add = CATALOGUE.add


def _slide(t: Truth) -> Slide:
    return Slide.of(t.attributes, t.x.shape[2:], t.values["w"].shape[2:])


def _groups(t: Truth) -> int:
    return int(t.attributes.get("groups", 1))


def _slid(t: Truth) -> Array:
    """The kernel as it lies on the picture."""
    w = t.values["w"]
    return w[:, :, ::-1, ::-1] if t.attributes.get("flip") else w


def _dx(t: Truth, w: Array, slide: Slide | None = None, how: str = "add") -> Array:
    """dx for a kernel as it lies on the picture, on the padded frame."""
    return sliding.scatter(sliding.products(t.dy, w, _groups(t)), slide or _slide(t), how)


# ---------------------------------------------------------------------- y


@add("y", "correlation-convolution-mixed-up", "equals the output with the kernel turned by 180°: the flip of a "
     "convolution is there where a cross-correlation is meant, or missing where a convolution is")  # fmt: skip
def turned_output(t: Truth) -> Candidates:
    yield sliding.correlate(t.x, _slid(t)[:, :, ::-1, ::-1], _bias(t), _slide(t), _groups(t))


@add("y", "bias-not-added", "equals the output without the bias: add b to every filter's map")
def without_bias(t: Truth) -> Candidates:
    if "b" in t.values:
        yield sliding.correlate(t.x, _slid(t), None, _slide(t), _groups(t))


@add("y", "channel-sum-missing", "holds one input channel only: sum over all the channels that a kernel sees")
def one_channel(t: Truth) -> Candidates:
    if _groups(t) == 1:
        for c in (t.x.shape[1] - 1, 0):
            yield sliding.correlate(t.x[:, c : c + 1], _slid(t)[:, c : c + 1], _bias(t), _slide(t), 1)


@add("y", "stride-forgotten", "equals the output for stride 1: move the window by the stride")
def every_position(t: Truth) -> Candidates:
    yield sliding.correlate(t.x, _slid(t), _tied(t), _slide(t).but(stride=(1, 1)), _groups(t))


@add("y", "dilation-ignored", "equals the output for dilation 1: the taps of the kernel lie apart by the dilation")
def undilated(t: Truth) -> Candidates:
    for slide in _undilated(t):
        yield sliding.correlate(t.x, _slid(t), _tied(t), slide, _groups(t))


@add("y", "padding-ignored", "equals the output without padding: surround x with zeros first")
def unpadded(t: Truth) -> Candidates:
    yield sliding.correlate(t.x, _slid(t), _tied(t), _slide(t).but(padding=((0, 0), (0, 0))), _groups(t))


@add("y", "padding-at-wrong-end", "equals the output with the zeros before and after x exchanged: top before bottom, "
     "left before right")  # fmt: skip
def exchanged_padding(t: Truth) -> Candidates:
    slide = _slide(t)
    yield sliding.correlate(t.x, _slid(t), _tied(t), slide.but(padding=_exchanged(slide)), _groups(t))


# ---------------------------------------------------------------------- dx


@add("x", "kernel-not-rotated", "equals the right answer for an unrotated kernel: rotate K by 180° before the full "
     "correlation")  # fmt: skip
def unrotated(t: Truth) -> Candidates:
    if not t.attributes.get("flip"):
        yield _slide(t).crop(_dx(t, _slid(t)[:, :, ::-1, ::-1]))


@add("x", "kernel-rotated", "equals the right answer for a kernel rotated by 180°: forward is a true convolution and "
     "has rotated it already, so slide K as it is in the full correlation")  # fmt: skip
def rotated(t: Truth) -> Candidates:
    if t.attributes.get("flip"):
        yield _slide(t).crop(_dx(t, _slid(t)[:, :, ::-1, ::-1]))


@add("x", "valid-for-full", "is the valid correlation of dy and the rotated kernel: it must be the full one, with dy "
     "surrounded by K − 1 zeros")  # fmt: skip
def valid(t: Truth) -> Candidates:
    slide = _slide(t)
    if all(outputs >= taps for outputs, taps in zip(slide.outputs, slide.window, strict=True)):
        frame = sliding.full(t.dy, _slid(t), _groups(t))
        reach = [taps - 1 for taps in slide.window]
        inner = frame[:, :, reach[0] : frame.shape[2] - reach[0], reach[1] : frame.shape[3] - reach[1]]
        yield from _pasted(inner, t.x.shape)


@add("x", "same-for-full", "is the full correlation cut to the size of dy: it must have the size of x")
def same_size(t: Truth) -> Candidates:
    frame, slide = sliding.full(t.dy, _slid(t), _groups(t)), _slide(t)
    first = [(taps - 1) // 2 for taps in slide.window]
    rows, columns = (slice(start, start + size) for start, size in zip(first, slide.outputs, strict=True))
    yield from _pasted(frame[:, :, rows, columns], t.x.shape)


@add("x", "stride-forgotten", "is scattered with stride 1: window (i, j) begins at cell (s·i, s·j)")
def scattered_densely(t: Truth) -> Candidates:
    slide = _slide(t)
    frame = _dx(t, _slid(t), slide.but(stride=(1, 1)))
    yield slide.crop(frame)
    yield frame[:, :, : t.x.shape[2], : t.x.shape[3]]


@add("x", "padding-not-cropped", "still has the padding on it: cut off the rows and columns that lie on zeros")
def uncropped(t: Truth) -> Candidates:
    yield _dx(t, _slid(t))


@add("x", "padding-cropped-at-end", "is cut at the end only: the padding before x must go as well, so begin at row "
     "p_top and column p_left")  # fmt: skip
def cropped_at_end(t: Truth) -> Candidates:
    yield _dx(t, _slid(t))[:, :, : t.x.shape[2], : t.x.shape[3]]


@add("x", "dilation-ignored", "is scattered with dilation 1: tap (u, v) of a window lies at (d·u, d·v)")
def scattered_closely(t: Truth) -> Candidates:
    for slide in _undilated(t):
        yield _slide(t).crop(_dx(t, _slid(t), slide))


@add("x", "channels-transposed", "takes the kernel with filters and channels exchanged by a reshape: use a transpose, "
     "w.transpose(1, 0, 2, 3)")  # fmt: skip
def reshaped_channels(t: Truth) -> Candidates:
    w = _slid(t)
    if _groups(t) == 1:
        O, C, KH, KW = w.shape
        yield _slide(t).crop(_dx(t, np.ascontiguousarray(w).reshape(C, O, KH, KW).transpose(1, 0, 2, 3)))
        yield _slide(t).crop(_dx(t, w.transpose(1, 0, 2, 3).reshape(O, C, KH, KW)))


@add("x", "kernel-axes-transposed", "takes the kernel with its rows and columns exchanged: K[u, v], not K[v, u]")
def exchanged_axes(t: Truth) -> Candidates:
    for w in _exchanged_axes(_slid(t)):
        yield _slide(t).crop(_dx(t, w))


@add("x", "filter-sum-missing", "holds one filter only: sum over all the filters that saw the channel")
def one_filter(t: Truth) -> Candidates:
    for w in _single_filters(t):
        yield _slide(t).crop(_dx(t, w))


@add("x", "overwritten-in-windows", "keeps only the last window that covers a cell: windows overlap, so add with += "
     "(np.add.at for index arrays)")  # fmt: skip
def overwritten(t: Truth) -> Candidates:
    for w in (_slid(t), *_single_filters(t)):
        for how in ("window", "tap"):
            yield _slide(t).crop(_dx(t, w, how=how))


# ---------------------------------------------------------------------- dw


@add("w", "kernel-gradient-rotated", "is rotated by 180°: the gradient of a cross-correlation's kernel is a "
     "cross-correlation of x and dy, with nothing rotated")  # fmt: skip
def turned_gradient(t: Truth) -> Candidates:
    if not t.attributes.get("flip"):
        yield t.gradients["w"][:, :, ::-1, ::-1]


@add("w", "kernel-gradient-not-rotated", "is not rotated: forward is a true convolution, so rotate the correlation of "
     "x and dy by 180°")  # fmt: skip
def unturned_gradient(t: Truth) -> Candidates:
    if t.attributes.get("flip"):
        yield t.gradients["w"][:, :, ::-1, ::-1]


@add("w", "stride-forgotten", "reads x with stride 1: window (i, j) begins at cell (s·i, s·j)")
def gathered_densely(t: Truth) -> Candidates:
    yield _dw(t, _slide(t).but(stride=(1, 1)))


@add("w", "padding-ignored", "reads x without its padding: surround x with zeros as in forward")
def gathered_unpadded(t: Truth) -> Candidates:
    slide = _slide(t)
    frame = np.zeros((*t.x.shape[:2], *slide.frame))
    frame[:, :, : t.x.shape[2], : t.x.shape[3]] = t.x
    yield _dw(t, slide, frame)


@add("w", "dilation-ignored", "reads x with dilation 1: tap (u, v) of a window lies at (d·u, d·v)")
def gathered_closely(t: Truth) -> Candidates:
    for slide in _undilated(t):
        yield _dw(t, slide, _slide(t).pad(t.x))


@add("w", "channels-transposed", "has filters and channels exchanged: dw is (C_out, C_in, KH, KW)")
def exchanged_channels(t: Truth) -> Candidates:
    dw = t.gradients["w"]
    other = dw.transpose(1, 0, 2, 3)
    yield other
    yield other.reshape(dw.shape)


@add("w", "kernel-axes-transposed", "has rows and columns exchanged: dw[u, v], not dw[v, u]")
def exchanged_rows(t: Truth) -> Candidates:
    yield t.gradients["w"].swapaxes(2, 3)
    yield from _exchanged_axes(t.gradients["w"])


@add("w", "positions-not-summed", "holds one position of the window only: sum over all positions (i, j)")
def one_position(t: Truth) -> Candidates:
    for n in (slice(None), slice(-1, None)):
        for place in (-1, 0):
            dy = np.zeros_like(t.dy)
            dy[n, :, place, place] = t.dy[n, :, place, place]
            yield _dw(t, _slide(t), dy=dy)


# ---------------------------------------------------------------------- shared


def _dw(t: Truth, slide: Slide, frame: Array | None = None, dy: Array | None = None) -> Array:
    padded = _slide(t).pad(t.x) if frame is None else frame
    dw = sliding.gather(padded, t.dy if dy is None else dy, slide, _groups(t))
    return dw[:, :, ::-1, ::-1] if t.attributes.get("flip") else dw


def _bias(t: Truth) -> Array | None:
    return t.values.get("b")


def _tied(t: Truth) -> Array | None:
    """The bias if it fits an output of any size."""
    b = t.values.get("b")
    return b if b is None or b.ndim == 1 else None


def _undilated(t: Truth) -> Iterator[Slide]:
    if tuple(t.attributes.get("dilation", (1, 1))) != (1, 1):
        yield _slide(t).but(dilation=(1, 1))


def _exchanged(slide: Slide) -> tuple[tuple[int, int], tuple[int, int]]:
    (top, bottom), (left, right) = slide.padding
    return ((bottom, top), (right, left))


def _exchanged_axes(w: Array) -> Iterator[Array]:
    """The kernel with rows and columns exchanged, in the shape that it had."""
    O, C, KH, KW = w.shape
    yield w.swapaxes(2, 3).reshape(w.shape)
    yield np.ascontiguousarray(w).reshape(O, C, KW, KH).swapaxes(2, 3)


def _single_filters(t: Truth) -> Iterator[Array]:
    """The kernel with all filters but one (the last, the first of each group) set to zero."""
    w, groups = _slid(t), _groups(t)
    for place in (-1, 0):
        kept = np.zeros_like(w).reshape(groups, -1, *w.shape[1:])
        kept[:, place] = w.reshape(kept.shape)[:, place]
        yield kept.reshape(w.shape)


def _pasted(inner: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """A result that is too small, as it is, and in the corner and the middle of zeros in the right shape."""
    yield inner
    room = [whole - part for whole, part in zip(shape[2:], inner.shape[2:], strict=True)]
    if min(room) < 0:
        return
    for first in ((0, 0), tuple(cells // 2 for cells in room)):
        out = np.zeros(shape)
        out[:, :, first[0] : first[0] + inner.shape[2], first[1] : first[1] + inner.shape[3]] = inner
        yield out
