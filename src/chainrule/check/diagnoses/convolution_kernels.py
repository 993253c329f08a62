"""Classic mistakes in the kernel gradient of a convolutional layer."""

import numpy as np

from chainrule.check.diagnoses import sliding
from chainrule.check.diagnoses.kernels import (
    exchanged_axes,
    groups_of,
    slide_of,
    undilated,
)
from chainrule.check.diagnoses.sliding import SlidingWindow
from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array

CATALOGUE = MistakeCatalogue("convolution")
add = CATALOGUE.add


@add("w", "kernel-gradient-rotated")
def turned_gradient(t: GroundTruth) -> Candidates:
    """Is rotated by 180°: the kernel gradient of a cross-correlation is the cross-correlation of x and dy, without any
    rotation."""
    if not t.attributes.get("flip"):
        yield t.gradients["w"][:, :, ::-1, ::-1]


@add("w", "kernel-gradient-not-rotated")
def unturned_gradient(t: GroundTruth) -> Candidates:
    """Is not rotated: forward is a true convolution, so rotate the correlation of x and dy by 180°."""
    if t.attributes.get("flip"):
        yield t.gradients["w"][:, :, ::-1, ::-1]


@add("w", "stride-forgotten")
def gathered_densely(t: GroundTruth) -> Candidates:
    """Reads x with stride 1: window (i, j) starts at row s·i and column s·j."""
    yield _dw(t, slide_of(t).replace(stride=(1, 1)))


@add("w", "padding-ignored")
def gathered_unpadded(t: GroundTruth) -> Candidates:
    """Reads x without its padding: pad x with zeros as in forward."""
    slide = slide_of(t)
    frame = np.zeros((*t.x.shape[:2], *slide.frame))
    frame[:, :, : t.x.shape[2], : t.x.shape[3]] = t.x
    yield _dw(t, slide, frame)


@add("w", "dilation-ignored")
def gathered_closely(t: GroundTruth) -> Candidates:
    """Reads x with dilation 1: kernel element (u, v) lies at offset (d·u, d·v)."""
    for slide in undilated(t):
        yield _dw(t, slide, slide_of(t).pad(t.x))


@add("w", "channels-transposed")
def exchanged_channels(t: GroundTruth) -> Candidates:
    """Has filters and channels swapped: dw has the shape (C_out, C_in, KH, KW)."""
    dw = t.gradients["w"]
    other = dw.transpose(1, 0, 2, 3)
    yield other
    yield other.reshape(dw.shape)


@add("w", "kernel-axes-transposed")
def exchanged_rows(t: GroundTruth) -> Candidates:
    """Has rows and columns swapped: dw[u, v], not dw[v, u]."""
    yield t.gradients["w"].swapaxes(2, 3)
    yield from exchanged_axes(t.gradients["w"])


@add("w", "positions-not-summed")
def one_position(t: GroundTruth) -> Candidates:
    """Includes one output position only: sum over all positions (i, j)."""
    for n in (slice(None), slice(-1, None)):
        for place in (-1, 0):
            dy = np.zeros_like(t.dy)
            dy[n, :, place, place] = t.dy[n, :, place, place]
            yield _dw(t, slide_of(t), dy=dy)


def _dw(t: GroundTruth, slide: SlidingWindow, frame: Array | None = None, dy: Array | None = None) -> Array:
    padded = slide_of(t).pad(t.x) if frame is None else frame
    dw = sliding.gather(padded, t.dy if dy is None else dy, slide, groups_of(t))
    return dw[:, :, ::-1, ::-1] if t.attributes.get("flip") else dw
