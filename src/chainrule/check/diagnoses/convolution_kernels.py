"""Classic mistakes in the kernel gradient of a convolutional layer."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.check.diagnoses.kernels import dilated, exchanged_axes, flipped, slide_of, turned
from chainrule.check.diagnoses.truth import GroundTruth, catalogue
from chainrule.engines.numpy.convolution import cross_correlate_dw
from chainrule.engines.protocol import Array


def _dw(t: GroundTruth, x: Array | None = None, dy: Array | None = None, **changes: Any) -> Array:
    """Return dw for another x or dy, or for other options."""
    options: dict[str, Any] = {**t.attributes, "kernel": slide_of(t).window, **changes}
    return cross_correlate_dw(t.x if x is None else x, t.dy if dy is None else dy, **options)


def _padded_at_end(t: GroundTruth) -> Array:
    frame = np.zeros((*t.x.shape[:2], *slide_of(t).frame))
    frame[:, :, : t.x.shape[2], : t.x.shape[3]] = t.x
    return frame


def _at_one_position(t: GroundTruth) -> Iterator[Array]:
    """Yield dy with all positions but the last, or the first, set to zero, of all samples or the last."""
    for n in (slice(None), slice(-1, None)):
        for place in (-1, 0):
            dy = np.zeros_like(t.dy)
            dy[n, :, place, place] = t.dy[n, :, place, place]
            yield dy


def exchanged_channels(t: GroundTruth) -> list[Array]:
    """Return dw with filters and channels swapped, in the shape that this gives and in its own."""
    other = t.gradients["w"].transpose(1, 0, 2, 3)
    return [other, other.reshape(t.gradients["w"].shape)]


CATALOGUE = catalogue(
    "convolution",
    ("w", "kernel-gradient-rotated",
     "is rotated by 180°: the kernel gradient of a cross-correlation is the cross-correlation of x and dy, without "
     "any rotation", lambda t: [] if flipped(t) else [turned(t.gradients["w"])]),
    ("w", "kernel-gradient-not-rotated",
     "is not rotated: forward is a true convolution, so rotate the correlation of x and dy by 180°",
     lambda t: [turned(t.gradients["w"])] if flipped(t) else []),
    ("w", "stride-forgotten", "reads x with stride 1: window (i, j) starts at row s·i and column s·j",
     lambda t: [_dw(t, stride=(1, 1))]),
    ("w", "padding-ignored", "reads x without its padding: pad x with zeros as in forward",
     lambda t: [_dw(t, _padded_at_end(t), padding=((0, 0), (0, 0)))]),
    ("w", "dilation-ignored", "reads x with dilation 1: kernel element (u, v) lies at offset (d·u, d·v)",
     lambda t: [_dw(t, dilation=(1, 1))] if dilated(t) else []),
    ("w", "channels-transposed", "has filters and channels swapped: dw has the shape (C_out, C_in, KH, KW)",
     exchanged_channels),
    ("w", "kernel-axes-transposed", "has rows and columns swapped: dw[u, v], not dw[v, u]",
     lambda t: [t.gradients["w"].swapaxes(2, 3), *exchanged_axes(t.gradients["w"])]),
    ("w", "positions-not-summed", "includes one output position only: sum over all positions (i, j)",
     lambda t: (_dw(t, dy=dy) for dy in _at_one_position(t))),
)  # fmt: skip
